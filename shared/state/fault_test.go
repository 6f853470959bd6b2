// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

// TestC1C2C3C4FaultTable runs the life of a task, settle to second owner, and breaks
// it at every single request in every way, for one request or for a whole outage.
// The program goes on as a program would: what fails is tried again, a lost lease is
// taken anew. Afterwards the chain has to be sound and to hold every checkpoint that
// was reported stored.
func TestC1C2C3C4FaultTable(t *testing.T) {
	outcomes := map[string]statetest.Outcome{
		"failed not persisted": statetest.Fail, "failed but persisted": statetest.FailPersisted, "late": statetest.Late,
	}
	requests := 0
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t)
		l.w.breakStore(func(statetest.Op, string) statetest.Outcome { requests++; return statetest.OK })
		l.run()
		if l.failures != 0 || l.owners != 2 {
			t.Fatalf("without a fault there were %d failures and %d owners", l.failures, l.owners)
		}
	})
	if requests < 25 {
		t.Fatalf("a life takes %d requests, too few to be whole", requests)
	}
	for name, outcome := range outcomes {
		for _, outage := range []time.Duration{0, time.Second, 20 * time.Second, 90 * time.Second} {
			t.Run(fmt.Sprintf("%s for %s", name, outage), func(t *testing.T) {
				for at := range requests {
					synctest.Test(t, func(t *testing.T) {
						l := newLife(t)
						l.w.breakStore(faultAt(at, outcome, outage))
						l.run()
						if t.Failed() {
							t.Fatalf("fault at request %d", at)
						}
					})
				}
			})
		}
	}
}

// faultAt makes request number at fail, and all others that come within outage of it.
func faultAt(at int, outcome statetest.Outcome, outage time.Duration) func(statetest.Op, string) statetest.Outcome {
	count, end := 0, time.Time{}
	return func(statetest.Op, string) statetest.Outcome {
		count++
		if count == at+1 {
			end = time.Now().Add(outage)
			return outcome
		}
		if count > at && time.Now().Before(end) {
			return outcome
		}
		return statetest.OK
	}
}

// life is a task's life with two owners, and what the store reported meanwhile.
type life struct {
	w        *world
	stored   []state.Checkpoint
	failures int
	owners   int
}

func newLife(t *testing.T) *life { return &life{w: newWorld(t)} }

func (l *life) run() {
	l.w.Helper()
	l.again("settle", func() error {
		c, err := l.w.chain().First(l.w.Context(), state.Checkpoint{Committed: state.Position{Seq: 5}, Reserved: state.Reserved{Seq: 5}})
		return l.report(c, err)
	})
	a := l.takeOver()
	for range 4 {
		a = l.commit(a)
	}
	// Requests held up so far land now, and the rest at the end.
	l.land()
	l.again("release", func() error {
		c, err := a.Release(l.w.Context(), advance)
		if errors.Is(err, state.ErrFenced) {
			l.w.Error("fenced, and nobody else was there")
		}
		return l.report(c, err)
	})
	b := l.takeOver()
	for range 3 {
		b = l.commit(b)
	}
	l.land()
	l.verify()
}

func (l *life) again(what string, do func() error) {
	l.w.Helper()
	for range 100 {
		if do() == nil {
			return
		}
		l.failures++
		wait(time.Second)
	}
	l.w.Fatalf("%s never succeeded", what)
}

func (l *life) report(c state.Checkpoint, err error) error {
	if err == nil {
		l.stored = append(l.stored, c)
	}
	return err
}

func (l *life) takeOver() *state.Lease {
	l.w.Helper()
	var lease *state.Lease
	l.again("take over", func() (err error) {
		lease, err = l.w.chain().TakeOver(l.w.Context(), state.TakeOverOptions{Wait: true})
		if err != nil {
			return err
		}
		l.owners++
		return l.report(lease.Last(), lease.Check())
	})
	return lease
}

// commit moves the task on by one row and lets some time pass.
func (l *life) commit(lease *state.Lease) *state.Lease {
	l.w.Helper()
	l.again("commit", func() error {
		c, err := lease.Commit(l.w.Context(), advance)
		if errors.Is(err, state.ErrFenced) {
			l.w.Error("fenced, and nobody else was there")
		}
		if errors.Is(err, state.ErrLeaseLost) && c.Committed.Seq > 0 {
			lease = l.takeOver()
		}
		return l.report(c, err)
	})
	wait(time.Second)
	return lease
}

func (l *life) land() {
	for _, err := range l.w.fault.Land() {
		// A held up half of a probe may come after the probe was cleared away.
		probe := errors.Is(err, state.ErrProtocol) && strings.Contains(err.Error(), "_probe/")
		if err != nil && !errors.Is(err, state.ErrExists) && !probe {
			l.w.Errorf("a late request: %v", err)
		}
	}
}

func (l *life) verify() {
	l.w.Helper()
	l.w.breakStore(nil)
	l.w.checkChain()
	for _, want := range l.stored {
		got, err := l.w.chain().Get(context.Background(), want.N)
		if err != nil || got.Owner != want.Owner || got.Committed.Seq != want.Committed.Seq {
			l.w.Errorf("number %d was reported stored by %s at seq %d; the chain has %s at %d (%v)",
				want.N, want.Owner, want.Committed.Seq, got.Owner, got.Committed.Seq, err)
		}
	}
	for key, err := range l.w.mem.List(context.Background(), "_probe/", "") {
		if err != nil || l.failures == 0 {
			l.w.Errorf("left behind: %s (%v)", key, err)
		}
	}
}
