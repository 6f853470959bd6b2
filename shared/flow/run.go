// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// Run executes the machine and returns the output of its last state. Input must be a JSON object: a struct or a
// map. A failed execution returns an *[Error].
//
// When ctx ends, no further function is called, no pause is waited for and the error is ctx's; a function that
// is running is waited for, and if it still brings the flow to its end, that is the result. What a cancelled
// execution leaves is whatever the functions left: a new execution starts from their state.
func (m *Machine) Run(ctx context.Context, input any, invoke Invoker, opts Options) (any, error) {
	in, err := normalise(input)
	if err != nil {
		return nil, fmt.Errorf("flow: input: %w", err)
	}
	x := &execution{invoke: invoke, observe: opts.Observe, name: opts.Name, input: in}
	out, err := x.run(ctx, m.root, in, -1)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// normalise turns anything that marshals to a JSON object into that object.
func normalise(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return object(raw)
}

func object(raw []byte) (map[string]any, error) {
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil || out == nil {
		return nil, badData("expected a JSON object, got %.80q", raw)
	}
	return out, nil
}

// execution is the mutable part of one Run.
type execution struct {
	invoke Invoker
	name   string
	input  map[string]any

	mu      sync.Mutex // serialises observe, and guards caught
	observe func(Event)
	caught  error // the last error a Catch took, the cause behind a Fail state
}

func (x *execution) emit(e Event) {
	if x.observe == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e.Time = time.Now()
	x.observe(e)
}

// visit is one state being run once, retries included.
type visit struct {
	*state
	item    int
	input   any
	retries int
}

func (x *execution) vars(v *visit) vars {
	current := map[string]any{"Name": v.name, "Input": v.input, "RetryCount": float64(v.retries)}
	return vars{input: v.input, context: map[string]any{
		"Execution": map[string]any{"Name": x.name, "Input": any(x.input)},
		"Current":   current,
	}}
}

// run executes one scope from its start to its end.
func (x *execution) run(ctx context.Context, s *scope, input any, item int) (any, error) {
	for at := s.states[s.start]; ; {
		v := &visit{state: at, item: item, input: input}
		out, next, err := x.visit(ctx, v)
		if err != nil {
			return nil, err
		}
		if next == "" {
			return out, nil
		}
		at, input = s.states[next], out
	}
}

// visit runs one state with its rules; next is empty at the end of the scope.
func (x *execution) visit(ctx context.Context, v *visit) (out any, next string, err error) {
	used := make([]int, len(v.retry)) // attempts by rule
	raw := v.input
	for first := true; ; first = false {
		v.input = raw
		out, next, err = x.attempt(ctx, v, first)
		if err == nil {
			x.emit(Event{Kind: Exited, State: v.name, Type: v.typ, Item: v.item, Output: out})
			return out, next, nil
		}
		if ctx.Err() != nil {
			return nil, "", x.stopped(ctx, v)
		}
		if v.typ == "Fail" {
			return nil, "", x.failed(v, err)
		}
		delay, again := v.backoff(errorType(err), used)
		if !again {
			break
		}
		x.emit(Event{Kind: Retrying, State: v.name, Type: v.typ, Item: v.item, Attempt: v.retries, Delay: delay, Err: err})
		if pause(ctx, delay) != nil {
			return nil, "", x.stopped(ctx, v)
		}
		v.retries++
	}
	for _, rule := range v.catch {
		if matches(rule.errors, errorType(err)) {
			return x.take(v, rule, err)
		}
	}
	return nil, "", x.failed(v, err)
}

// failed ends the execution with err; an error that already says where it happened stays as it is.
func (x *execution) failed(v *visit, err error) error {
	x.emit(Event{Kind: Failed, State: v.name, Type: v.typ, Item: v.item, Err: err})
	if _, done := errors.AsType[*Error](err); done {
		return err
	}
	return &Error{State: v.name, Code: errorType(err), Detail: err.Error(), Cause: err}
}

// stopped ends the execution because ctx did: no rule applies, the error is ctx's own.
func (x *execution) stopped(ctx context.Context, v *visit) error {
	err := context.Cause(ctx)
	x.emit(Event{Kind: Failed, State: v.name, Type: v.typ, Item: v.item, Err: err})
	return err
}

// take goes on as a Catch rule says.
func (x *execution) take(v *visit, rule catchRule, err error) (any, string, error) {
	x.emit(Event{Kind: Caught, State: v.name, Type: v.typ, Item: v.item, Err: err})
	x.mu.Lock()
	x.caught = err
	x.mu.Unlock()
	if rule.output == nil {
		return v.input, rule.next, nil
	}
	vs := x.vars(v)
	vs.context["Current"].(map[string]any)["Error"] = map[string]any{"Code": errorType(err), "Detail": err.Error()}
	out, err := sized(rule.output.build(vs))
	if err != nil {
		return nil, "", x.failed(v, err)
	}
	return out, rule.next, nil
}

// backoff picks the first rule that knows the error type and says how long to wait. used counts per rule.
func (st *state) backoff(typ string, used []int) (time.Duration, bool) {
	for i, rule := range st.retry {
		if !matches(rule.errors, typ) {
			continue
		}
		if used[i] >= rule.attempts {
			return 0, false
		}
		delay := min(float64(rule.interval)*math.Pow(rule.rate, float64(used[i])), float64(rule.ceiling))
		used[i]++
		return time.Duration(delay), true
	}
	return 0, false
}

// pause waits by the clock, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
