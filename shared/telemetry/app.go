// SPDX-License-Identifier: Apache-2.0

// Package telemetry lets people and machines watch a tail: health, readiness, status and Prometheus metrics.
//
// The invariant: watching changes nothing. Probes read what the tail publishes and never wait for it, so they answer
// while the broker, the source or the store hangs. This package is the only one that links Prometheus, and the tail's
// binary the only function that links this package.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"slipway/shared/app"
	"slipway/shared/tail"
)

// StallAfter is how long a tail may make no progress before it is unhealthy. It is far above what the slowest step
// takes by design: a lease, after which an uncommitted tail ends by itself, and an ambiguous send with its wait.
const StallAfter = 5 * time.Minute

var (
	errIdle     = errors.New("no tail is running")
	errStarting = errors.New("the tail has not taken the task over yet")
	errReading  = errors.New("the binlog reader has not begun to stream")
)

// App is the application of the tail's container: an [app.App] that tells how its running tail is doing.
// Its methods may be called at the same time.
type App struct {
	*app.App
	watch   atomic.Pointer[tail.Watch] // of the running tail; nil between tails
	metrics http.Handler
}

// New opens the application. Its errors are classified.
func New(ctx context.Context, env app.Env) (*App, error) {
	a := &App{}
	env.Progress = progress{Progress: env.Progress, app: a}
	inner, err := app.New(ctx, env)
	if err != nil {
		return nil, err
	}
	a.App = inner
	a.metrics = promhttp.HandlerFor(Registry(a.status), promhttp.HandlerOpts{})
	return a, nil
}

// Tail is [app.App.Tail], watched. A container runs one at a time.
func (a *App) Tail(ctx context.Context, in app.TailInput) (app.TailOutput, error) {
	defer a.watch.Store(nil)
	return a.App.Tail(ctx, in)
}

// Health is nil while the tail makes progress or none is running.
func (a *App) Health() error {
	s, running := a.status()
	if !running {
		return nil
	}
	return stalled(s)
}

// stalled says why a new instance would do better than this one. A message that is being tried again is no reason:
// nobody else could deliver it now, and the task's own patience bounds it.
func stalled(s tail.Status) error {
	limit := StallAfter.Milliseconds()
	switch {
	case s.Epoch == 0:
		return nil // waiting for the topic or for the task; both have limits of their own
	case s.CheckpointAgeMillis > limit:
		return fmt.Errorf("no checkpoint for %s, though the lease needs one every few seconds", millis(s.CheckpointAgeMillis))
	case s.OldestMillis > limit && s.Retrying == 0:
		return fmt.Errorf("a change has waited %s for its acknowledgement, and nothing is being tried again", millis(s.OldestMillis))
	}
	return nil
}

// Ready is nil while a tail holds the task and reads the binlog.
func (a *App) Ready() error {
	s, running := a.status()
	switch {
	case !running:
		return errIdle
	case !s.Leased:
		return errStarting
	case !s.Streaming:
		return errReading
	}
	return nil
}

// Status gives the running tail's [tail.Status], {} when there is none.
func (a *App) Status() any {
	s, running := a.status()
	if !running {
		return struct{}{}
	}
	return s
}

// Metrics serves the metrics of docs/metrics.md.
func (a *App) Metrics() http.Handler { return a.metrics }

func (a *App) status() (tail.Status, bool) {
	w := a.watch.Load()
	if w == nil {
		return tail.Status{}, false
	}
	return w.Status(), true
}

func millis(n int64) time.Duration {
	return (time.Duration(n) * time.Millisecond).Round(time.Second)
}
