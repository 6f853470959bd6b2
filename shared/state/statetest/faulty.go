// SPDX-License-Identifier: Apache-2.0

package statetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"slipway/shared/state"
)

// ErrInjected is the failure a Faulty reports.
var ErrInjected = errors.New("injected fault")

// Op names a Store's method.
type Op string

// The operations Decide is asked about.
const (
	Create Op = "create"
	Put    Op = "put"
	Get    Op = "get"
	List   Op = "list"
	Delete Op = "delete"
)

// Outcome is what becomes of one call.
type Outcome int

const (
	// OK lets the call through.
	OK Outcome = iota
	// Fail reports a failure and does nothing: the request got lost.
	Fail
	// FailPersisted does it and reports a failure: the answer got lost.
	FailPersisted
	// Late reports a failure now and does it at the next Land: the request was held
	// up on its way.
	Late
)

// Faulty is a Store that fails as Decide says. Reads and lists know only OK and Fail.
type Faulty struct {
	// Inner does the work.
	Inner state.Store
	// Decide is called before each operation, perhaps by several goroutines at once.
	Decide func(op Op, key string) Outcome

	mu   sync.Mutex
	late []func() error
}

var _ state.Store = (*Faulty)(nil)

// Land lets all held up calls through, in order, and returns what became of each.
func (f *Faulty) Land() []error {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	results := make([]error, 0, len(late))
	for _, call := range late {
		results = append(results, call())
	}
	return results
}

func (f *Faulty) do(ctx context.Context, op Op, key string, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	injected := fmt.Errorf("%s %s: %w", op, key, ErrInjected)
	switch f.Decide(op, key) {
	case OK:
		return call(ctx)
	case FailPersisted:
		if err := call(ctx); err != nil {
			return err
		}
	case Late:
		f.mu.Lock()
		f.late = append(f.late, func() error { return call(context.WithoutCancel(ctx)) })
		f.mu.Unlock()
	case Fail:
	}
	return injected
}

// Create implements state.Store.
func (f *Faulty) Create(ctx context.Context, key string, body []byte) error {
	return f.do(ctx, Create, key, func(ctx context.Context) error { return f.Inner.Create(ctx, key, body) })
}

// Put implements state.Store.
func (f *Faulty) Put(ctx context.Context, key string, body []byte) error {
	return f.do(ctx, Put, key, func(ctx context.Context) error { return f.Inner.Put(ctx, key, body) })
}

// Delete implements state.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.do(ctx, Delete, key, func(ctx context.Context) error { return f.Inner.Delete(ctx, key) })
}

// Get implements state.Store.
func (f *Faulty) Get(ctx context.Context, key string) ([]byte, error) {
	if f.Decide(Get, key) != OK {
		return nil, fmt.Errorf("get %s: %w", key, ErrInjected)
	}
	return f.Inner.Get(ctx, key)
}

// List implements state.Store.
func (f *Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if f.Decide(List, prefix) != OK {
			yield("", fmt.Errorf("list %s: %w", prefix, ErrInjected))
			return
		}
		f.Inner.List(ctx, prefix, after)(yield)
	}
}
