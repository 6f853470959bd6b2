// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"time"
)

// The ages from which on a chain is thinned. The first has to be longer than any
// process can be held up between seeing a number absent and creating it, which
// freshness bounds, and longer than a function lives (a day).
const (
	minuteAge = 48 * time.Hour
	hourAge   = 30 * 24 * time.Hour
)

// Prune thins the chain (C3): of checkpoints older than 48 hours it leaves the first
// of each minute, of those older than 30 days the first of each hour. Number 1 and
// the tip always stay. It takes up where the last Prune of the chain got to, which it
// notes in the next checkpoint, so it reads each checkpoint once per grain; a crash
// or the end of ctx costs some repetition. It may run beside Commit.
func (l *Lease) Prune(ctx context.Context) error {
	l.pruning.Lock()
	defer l.pruning.Unlock()
	l.mu.Lock()
	tip, from := l.last.N, l.thinned
	from.Minutes = max(from.Minutes, l.last.Thinned.Minutes)
	from.Hours = max(from.Hours, l.last.Thinned.Hours)
	l.mu.Unlock()

	now := l.chain.clock().Wall
	var minuteErr, hourErr error
	from.Minutes, minuteErr = l.chain.thin(ctx, from.Minutes, tip, now.Add(-minuteAge), time.Minute)
	from.Hours, hourErr = l.chain.thin(ctx, from.Hours, tip, now.Add(-hourAge), time.Hour)

	l.mu.Lock()
	l.thinned = from
	l.mu.Unlock()
	return errors.Join(minuteErr, hourErr)
}

// thin goes up the chain from kept, the last number the pass has kept before, and
// deletes what is older than before and in the same grain of time as the one kept. It
// stops below the tip and returns the number it kept last.
func (c *Chain) thin(ctx context.Context, kept, tip int64, before time.Time, grain time.Duration) (int64, error) {
	var keptGrain time.Time
	if kept > 0 {
		at, err := c.Get(ctx, kept)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return kept, err
		}
		keptGrain = at.Time.Truncate(grain) // the coarser pass may have deleted it: then none
	}
	for n, err := range c.Numbers(ctx, kept) {
		if err != nil || n >= tip {
			return kept, err
		}
		at, err := c.Get(ctx, n)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil || !at.Time.Before(before) {
			return kept, err
		}
		if kept > 0 && at.Time.Truncate(grain).Equal(keptGrain) {
			if err := c.task.Store.Delete(ctx, c.task.Checkpoint(n)); err != nil {
				return kept, err
			}
			continue
		}
		kept, keptGrain = n, at.Time.Truncate(grain)
	}
	return kept, nil
}
