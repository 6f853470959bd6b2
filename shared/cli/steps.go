// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"sync"

	"slipway/shared/app"
	"slipway/shared/fault"
	"slipway/shared/fc"
	"slipway/shared/precheck"
	"slipway/shared/state"
)

// steps are the workflow's functions in this process, and what they leave for the end of the run.
type steps struct {
	app      *app.App
	progress *progress
	report   *precheck.Report

	mu      sync.Mutex
	last    error // how the last step ended
	drained bool  // it was a tail that was stopped, with everything it had taken on delivered and committed
}

// functions is what the workflow calls, by the names in its file.
func (s *steps) functions() fc.Local {
	return fc.Local{
		"slipway-precheck": kept(s, s.precheck),
		"slipway-plan":     kept(s, s.app.Plan),
		"slipway-snapshot": kept(s, s.app.Snapshot),
		"slipway-settle":   kept(s, s.app.Settle),
		"slipway-tail":     s.draining(kept(s, s.tail)),
	}
}

// kept makes a handler of a step and keeps how it ended: when the run is stopped, the workflow only says that it was.
func kept[In, Out any](s *steps, step func(context.Context, In) (Out, error)) fc.Handler {
	handle := fc.JSON(step)
	return func(ctx context.Context, event []byte) ([]byte, error) {
		out, err := handle(ctx, event)
		s.mu.Lock()
		s.last = err
		s.drained = false
		s.mu.Unlock()
		if err != nil && held(err) {
			return nil, &final{err}
		}
		return out, err
	}
}

// precheck keeps the whole report, to be shown if it blocks.
func (s *steps) precheck(ctx context.Context, in app.PrecheckInput) (app.PrecheckOutput, error) {
	report, err := s.app.Report(ctx, in.Task, nil)
	if err != nil {
		return app.PrecheckOutput{}, err
	}
	s.report = &report
	return app.PrecheckOutput{Blocked: report.Blocked}, nil
}

func (s *steps) tail(ctx context.Context, in app.TailInput) (app.TailOutput, error) {
	out, err := s.app.Tail(ctx, in)
	s.progress.tailed()
	return out, err
}

// final is an error that the workflow's rules don't retry.
type final struct{ error }

// ErrorType is a type that no rule names.
func (f *final) ErrorType() string { return "TaskHeld" }

// Unwrap gives the error with its class.
func (f *final) Unwrap() error { return f.error }

// held tells that another process owns the task and lives. In the cloud the workflow waits for it, as it may be an attempt
// of its own; somebody at a terminal wants to know. A lease of our own that lapsed is no such thing: the next attempt takes
// it up again.
func held(err error) bool {
	return errors.Is(err, state.ErrHeld) || errors.Is(err, state.ErrFenced) || errors.Is(err, state.ErrStaleEpoch)
}

// draining keeps whether the tail's end was an orderly stop.
func (s *steps) draining(handle fc.Handler) fc.Handler {
	return func(ctx context.Context, event []byte) ([]byte, error) {
		out, err := handle(ctx, event)
		s.mu.Lock()
		s.drained = ctx.Err() != nil && fault.ClassOf(err) == fault.Interrupted && !errors.Is(err, context.Cause(ctx))
		s.mu.Unlock()
		return out, err
	}
}

// stopped is the end of a run that was told to stop: nil when its tail drained. A step that failed while it came to its end
// says why; one that was merely cut short doesn't.
func (s *steps) stopped(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cause := context.Cause(ctx)
	switch {
	case s.drained:
		return nil
	case s.last != nil && !errors.Is(s.last, context.Canceled) && !errors.Is(s.last, cause):
		return s.last
	}
	return cause
}
