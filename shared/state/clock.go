// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"time"
)

// Instant is a moment as a process sees it, on two clocks that can fail differently:
// the monotonic one stands still while a machine is suspended, the wall clock can be
// set.
type Instant struct {
	// Wall is the time of day, without a monotonic reading.
	Wall time.Time
	// Mono is the monotonic time since some fixed moment of the process.
	Mono time.Duration
}

// Clock tells the present moment. All instants that are compared come from one Clock.
type Clock func() Instant

// SystemClock returns the machine's clock.
func SystemClock() Clock {
	origin := time.Now()
	return func() Instant {
		now := time.Now()
		return Instant{Wall: now.Round(0), Mono: now.Sub(origin)}
	}
}

// elapsed is the most time that can have passed from start to i: what a holder has to
// assume about its own lease.
func (i Instant) elapsed(start Instant) time.Duration {
	return max(i.Mono-start.Mono, i.Wall.Sub(start.Wall))
}

// waited is the time that has surely passed from start to i: what a newcomer may
// count. Setting the wall clock must not shorten a wait.
func (i Instant) waited(start Instant) time.Duration { return i.Mono - start.Mono }

// pause waits for d or for the end of ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
