// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"
)

// sized refuses data over the vendor's limit.
func sized(value any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxData {
		return nil, &dataError{TypeDataLimit, fmt.Sprintf("%d bytes of state data, more than the %d a flow may carry: keep it in the state store", len(raw), MaxData)}
	}
	return value, nil
}

// attempt does a state's work once: input constructor, the work, output constructor.
func (x *execution) attempt(ctx context.Context, v *visit, first bool) (any, string, error) {
	entered := Event{Kind: Entered, State: v.name, Type: v.typ, Item: v.item}
	if v.state.input != nil {
		in, err := v.state.input.build(x.vars(v))
		if err != nil {
			return nil, "", err
		}
		v.input = in
	}
	if _, err := sized(v.input, nil); err != nil {
		return nil, "", err
	}
	var delay time.Duration
	if v.typ == "Wait" {
		var err error
		if delay, err = x.waitFor(v); err != nil {
			return nil, "", err
		}
		entered.Delay = delay
	}
	if first {
		x.emit(entered)
	}
	out, next, err := x.work(ctx, v, delay)
	if err != nil {
		return nil, "", err
	}
	if v.output != nil {
		vs := x.vars(v)
		vs.output = out
		vs.context["Current"].(map[string]any)["Output"] = out
		if out, err = v.output.build(vs); err != nil {
			return nil, "", err
		}
	}
	if v.typ == "Fail" {
		x.mu.Lock()
		defer x.mu.Unlock()
		return nil, "", &Error{State: v.name, Code: v.code, Detail: v.detail, Output: out, Cause: x.caught}
	}
	out, err = sized(out, nil)
	return out, next, err
}

func (x *execution) work(ctx context.Context, v *visit, delay time.Duration) (any, string, error) {
	switch v.typ {
	case "Task":
		out, err := x.call(ctx, v)
		return out, v.next, err
	case "Choice":
		next, err := x.choose(v)
		return v.input, next, err
	case "Map":
		out, err := x.each(ctx, v)
		return out, v.next, err
	case "Wait":
		return v.input, v.next, pause(ctx, delay)
	}
	return v.input, v.next, nil // Pass, Succeed, Fail
}

// call invokes the Task's function. The body is built anew for each attempt: it may name the attempt.
func (x *execution) call(ctx context.Context, v *visit) (any, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var body []byte
	if v.body != nil {
		value, err := sized(v.body.build(x.vars(v)))
		if err != nil {
			return nil, err
		}
		if body, err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	x.emit(Event{Kind: Invoked, State: v.name, Type: v.typ, Item: v.item, Function: v.function, Attempt: v.retries})
	raw, err := x.invoke.Invoke(ctx, v.function, body)
	if err != nil {
		return nil, err
	}
	out, err := object(raw)
	if err != nil {
		return nil, fmt.Errorf("%s answered: %w", v.function, err)
	}
	return sized(out, nil)
}

func (x *execution) choose(v *visit) (string, error) {
	vs := x.vars(v)
	for _, b := range v.branches {
		yes, err := truth(b.condition, vs)
		if err != nil {
			return "", err
		}
		if yes {
			return b.next, nil
		}
	}
	return v.fallback, nil
}

func (x *execution) waitFor(v *visit) (time.Duration, error) {
	value, err := v.seconds.eval(x.vars(v))
	if err != nil {
		return 0, err
	}
	s, ok := value.(float64)
	if !ok || s != math.Trunc(s) || s < 1 || s > maxWaitSeconds {
		return 0, badData("Seconds is %s, expected a whole number from 1 to %d", show(value), maxWaitSeconds)
	}
	return time.Duration(s) * time.Second, nil
}

// each runs a Map. The first item that fails stops the others, which are waited for.
func (x *execution) each(ctx context.Context, v *visit) (any, error) {
	value, err := v.items.eval(x.vars(v))
	if err != nil {
		return nil, err
	}
	items, ok := value.([]any)
	if !ok {
		return nil, badData("ItemsPath gave %s, expected an array", show(value))
	}
	for i, item := range items {
		if _, ok := item.(map[string]any); !ok {
			return nil, badData("item %d is %s: only objects become a Processor's input", i, show(item))
		}
	}
	results := make([]any, len(items))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(v.concurrent)
	for i, item := range items {
		group.Go(func() error {
			out, err := x.run(inner, v.processor, item, i)
			results[i] = out
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return map[string]any{"Items": results}, nil
}
