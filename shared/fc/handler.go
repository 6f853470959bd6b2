// SPDX-License-Identifier: Apache-2.0

// Package fc is the glue between the project's steps and Function Compute: event functions on the built-in Go runtime
// ([Event]) and the HTTP contract of a custom container ([Container]).
//
// The invariant: a step sees only context, input and output. Deadline, credentials and request id arrive through the
// context, an error leaves with the type its class names, and one structured line sums each invocation up; so the same
// step runs unchanged in the cloud, in the emulator and, through [Local], inside `slipway run`.
package fc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Handler is a step as bytes: a JSON object in, a JSON object out. Errors are *[Error].
type Handler func(ctx context.Context, event []byte) ([]byte, error)

// JSON turns a typed step into a Handler. An event with unknown fields is refused: it was meant for another version.
func JSON[In, Out any](step func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, event []byte) ([]byte, error) {
		var in In
		dec := json.NewDecoder(bytes.NewReader(event))
		dec.DisallowUnknownFields()
		err := dec.Decode(&in)
		if err == nil {
			if _, extra := dec.Token(); extra != io.EOF {
				err = fmt.Errorf("something follows the object")
			}
		}
		if err != nil {
			return nil, &Error{Type: TypeInput, Message: fmt.Sprintf("the event %.200q is not what this function takes: %v", event, err), cause: err}
		}
		out, err := step(ctx, in)
		if err != nil {
			return nil, Classify(err)
		}
		body, err := json.Marshal(out)
		if err != nil {
			return nil, Classify(fmt.Errorf("encode the result: %w", err))
		}
		return body, nil
	}
}

// Local invokes handlers in this process, by function name: what `slipway run` gives to the workflow.
type Local map[string]Handler

// Invoke runs the handler and waits for it.
func (l Local) Invoke(ctx context.Context, function string, body []byte) ([]byte, error) {
	handle, ok := l[function]
	if !ok {
		return nil, &Error{Type: TypeInternal, Message: fmt.Sprintf("there is no function %q", function)}
	}
	return handle(ctx, body)
}
