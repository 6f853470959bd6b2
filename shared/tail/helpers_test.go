// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/rocketmq"
)

// sinkFunc is a Sink made of what happens around the real one.
type sinkFunc func(ctx context.Context, m *rocketmq.Message) error

func (f sinkFunc) Send(ctx context.Context, m *rocketmq.Message) error { return f(ctx, m) }

// around lets f act around every send of processes started from now on.
func around(m *apptest.Migration, f func(ctx context.Context, msg *rocketmq.Message, send func() error) error) {
	m.Tune.Sink = func(inner deliver.Sink) deliver.Sink {
		return sinkFunc(func(ctx context.Context, msg *rocketmq.Message) error {
			return f(ctx, msg, func() error { return inner.Send(ctx, msg) })
		})
	}
}

func property(m *rocketmq.Message, name string) string {
	for _, p := range m.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func seqs(m *rocketmq.Message) (first, last int64) {
	first, _ = strconv.ParseInt(property(m, "seq"), 10, 64)
	last, _ = strconv.ParseInt(property(m, "lastSeq"), 10, 64)
	return first, last
}

// ready plans, snapshots and settles everything, and gives the tail's epoch.
func ready(m *apptest.Migration) int64 {
	m.T.Helper()
	m.Plan()
	m.Snapshot()
	return m.Settle()
}

// fails waits for a tail to end with an error of this class that says all of
// words.
func fails(t *testing.T, tail *apptest.Tail, class fault.Class, words ...string) {
	t.Helper()
	_, err := tail.Wait()
	if fault.ClassOf(err) != class {
		t.Fatalf("the tail ended with %s, want %s: %v", fault.ClassOf(err), class, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

// messages reads the whole topic.
func messages(m *apptest.Migration) []checker.Message {
	m.T.Helper()
	list, err := checker.Read(m.T.Context(), m.Broker.NameServer, []string{m.Topic})
	m.Must(err)
	return list
}

// signal is an event that happens once.
type signal struct {
	once sync.Once
	ch   chan struct{}
}

func newSignal() *signal { return &signal{ch: make(chan struct{})} }
func (s *signal) fire()  { s.once.Do(func() { close(s.ch) }) }
func (s *signal) wait()  { <-s.ch }
