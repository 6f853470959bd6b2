// SPDX-License-Identifier: Apache-2.0

package fc

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"

	sdk "github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fc/messages"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"
)

// Open makes a function's application. It is called in the initializer, or at the first request when that failed, until
// it succeeds once. The context ends with the request: it must not be kept.
type Open[A any] func(ctx context.Context, rt Runtime) (A, error)

// Event serves one step as an event function on the built-in Go runtime. It returns only when the binary does not run
// inside Function Compute.
func Event[A, In, Out any](name string, open Open[A], step func(A, context.Context, In) (Out, error)) error {
	if os.Getenv("FC_RUNTIME_API") == "" {
		return errors.New("FC_RUNTIME_API is not set: this binary runs inside Function Compute; on a laptop use `slipway run`")
	}
	LimitMemory()
	f := newFunction(newRuntime(name), open, step)
	sdk.RegisterInitializerFunction(f.initialize)
	sdk.Start(f.serve)
	return nil
}

func newRuntime(name string) Runtime {
	return Runtime{Function: name, Log: slog.New(slog.NewJSONHandler(os.Stdout, nil)), Credentials: &Vault{}}
}

// opened calls open until it succeeds once, and never twice at a time.
type opened[A any] struct {
	open Open[A]
	rt   Runtime

	mu    sync.Mutex
	done  bool
	value A
}

func (o *opened[A]) get(ctx context.Context) (A, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return o.value, nil
	}
	value, err := o.open(ctx, o.rt)
	if err != nil {
		return o.value, err
	}
	o.value, o.done = value, true
	return value, nil
}

// current is the application without opening it.
func (o *opened[A]) current() (A, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.value, o.done
}

// bind makes a handler out of the application, opened on demand, and its step.
func bind[A, In, Out any](app *opened[A], step func(A, context.Context, In) (Out, error)) Handler {
	return JSON(func(ctx context.Context, in In) (out Out, err error) {
		a, err := app.get(ctx)
		if err != nil {
			return out, err
		}
		return step(a, ctx, in)
	})
}

// function is an event function. Function Compute gives an instance of the built-in runtime one request at a time.
type function struct {
	rt     Runtime
	open   func(context.Context) error
	handle Handler

	mu   sync.Mutex
	warm bool
}

func newFunction[A, In, Out any](rt Runtime, open Open[A], step func(A, context.Context, In) (Out, error)) *function {
	app := &opened[A]{open: open, rt: rt}
	return &function{rt: rt, handle: bind(app, step), open: func(ctx context.Context) error {
		_, err := app.get(ctx)
		return err
	}}
}

// initialize opens the application early. The runtime's contract has no way to report an error here: the first request
// tries again and reports.
func (f *function) initialize(ctx context.Context) {
	ctx = f.request(ctx)
	if err := f.open(ctx); err != nil {
		f.rt.Log.Error("initialize", "error", err)
	}
}

// serve answers one request. The SDK reports a messages.InvokeResponse_Error, and only the value type, as it is.
func (f *function) serve(ctx context.Context, event []byte) (json.RawMessage, error) {
	f.mu.Lock()
	cold := !f.warm
	f.warm = true
	f.mu.Unlock()
	out, err := summed(f.request(ctx), f.rt, cold, f.handle, event)
	if err != nil {
		e := Classify(err)
		return nil, messages.InvokeResponse_Error{Type: e.Type, Message: e.Message}
	}
	return out, nil
}

// request takes the credentials over and names the invocation; the deadline is already in the context.
func (f *function) request(ctx context.Context) context.Context {
	fcc, ok := fccontext.FromContext(ctx)
	if !ok {
		return ctx
	}
	f.rt.Credentials.Set(Credentials{fcc.Credentials.AccessKeyId, fcc.Credentials.AccessKeySecret, fcc.Credentials.SecurityToken})
	return within(ctx, Invocation{RequestID: fcc.RequestID, Attempt: fcc.RetryCount})
}
