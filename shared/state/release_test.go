// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

// A process sleeps for three days between seeing a number free and creating it;
// meanwhile the chain went on and that number was pruned.
func TestC3OldSightOfAFreeNumberIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		sleeper := w.takeOver(w.chain(), "sleeper")
		free := sleeper.Last().N + 1
		other := w.takeOver(w.chain(), "other")
		_, err := other.Release(t.Context(), nil)
		must(t, err)
		wait(72 * time.Hour)
		other = w.takeOver(w.chain(), "other")
		must(t, other.Prune(t.Context()))
		_, err = w.mem.Get(t.Context(), w.task.Checkpoint(free))
		wantErr(t, "get of the pruned number", err, state.ErrNotFound)

		creates := 0
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			if op == statetest.Create {
				creates++
			}
			return statetest.OK
		})
		_, err = sleeper.Commit(t.Context(), nil)
		wantErr(t, "commit after three days", err, state.ErrFenced)
		if creates > 0 {
			t.Error("it tried to create the pruned number")
		}
	})
}

// The store is away for longer than a minute, then the same checkpoint goes through.
func TestC3CommitAfterALongOutageReadsTheTipAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		w.breakStore(func(statetest.Op, string) statetest.Outcome { return statetest.Late })
		_, err := l.Commit(t.Context(), advance)
		wantErr(t, "commit during the outage", err, state.ErrLeaseLost)
		wait(2 * time.Minute)
		w.breakStore(nil)
		w.fault.Land()
		c, err := l.Commit(t.Context(), advance)
		wantErr(t, "commit after the outage", err, state.ErrLeaseLost)
		if tip := w.tip(); tip.N != 4 || c.N != 4 || tip.Committed.Seq != 7 {
			t.Errorf("tip is number %d at seq %d, commit returned %d; want both commits stored", tip.N, tip.Committed.Seq, c.N)
		}
		w.checkChain()
	})
}

func TestC4ReleaseShrinksTheReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		_, err := l.Commit(t.Context(), func(c *state.Checkpoint) { c.Reserved.Seq = 100_005 })
		must(t, err)
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			if op == statetest.Create {
				wantErr(t, "check during the release", l.Check(), state.ErrReleased)
			}
			return statetest.OK
		})
		c, err := l.Release(t.Context(), func(c *state.Checkpoint) { c.Committed.Seq, c.Stopped = 42, true })
		must(t, err)
		if c.Reserved.Seq != 42 || !c.Released || !c.Stopped {
			t.Errorf("released as %+v", c)
		}
		_, err = l.Commit(t.Context(), nil)
		wantErr(t, "commit after the release", err, state.ErrReleased)
		next := w.takeOver(w.chain(), "next").Last()
		if next.Reserved.Seq != 42 || next.Released || next.Stopped {
			t.Errorf("taken over as %+v", next)
		}
		w.checkChain()
	})
}

// A holder that did not get past what the dead one before it may have sent
// leaves that reserved: the next one marks it still. One that did, does not.
func TestC4ReleaseKeepsAnInheritedReservation(t *testing.T) {
	for _, tt := range []struct {
		committed, reserved int64
		passed              bool
	}{{5, 100, false}, {42, 100, false}, {100, 100, false}, {150, 150, false}, {42, 42, true}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.first()
			dead := w.takeOver(w.chain(), "dead")
			_, err := dead.Commit(t.Context(), func(c *state.Checkpoint) { c.Reserved.Seq = 100 })
			must(t, err)
			l := w.takeOver(w.chain(), "me")
			_, err = l.Commit(t.Context(), func(c *state.Checkpoint) { c.Reserved.Seq = 1000 })
			must(t, err)
			if tt.passed {
				l.Passed()
			}
			c, err := l.Release(t.Context(), func(c *state.Checkpoint) { c.Committed.Seq = tt.committed })
			must(t, err)
			if c.Reserved.Seq != tt.reserved {
				t.Errorf("committed %d, released with %d reserved, want %d", tt.committed, c.Reserved.Seq, tt.reserved)
			}
			w.checkChain()
		})
	}
}

func TestC4ReleaseMayBeTriedAgain(t *testing.T) {
	for _, outcome := range []statetest.Outcome{statetest.Fail, statetest.FailPersisted, statetest.Late} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.first()
			l := w.takeOver(w.chain(), "me")
			w.breakStore(func(statetest.Op, string) statetest.Outcome { return outcome })
			_, err := l.Release(t.Context(), nil)
			wantErr(t, "release during the outage", err, state.ErrLeaseLost)
			w.breakStore(nil)
			c, err := l.Release(t.Context(), nil)
			must(t, err)
			w.fault.Land()
			if tip := w.tip(); tip.N != 3 || !tip.Released || c.N != 3 {
				t.Errorf("tip is %d (released %t), want number 3 released", tip.N, tip.Released)
			}
			w.checkChain()
		})
	}
}

func TestC3InvalidChangesWriteNothing(t *testing.T) {
	changes := map[string]func(*state.Checkpoint){
		"committed falls":                func(c *state.Checkpoint) { c.Committed.Seq-- },
		"reserved below committed":       func(c *state.Checkpoint) { c.Committed.Seq = c.Reserved.Seq + 1 },
		"reserved falls":                 func(c *state.Checkpoint) { c.Reserved.Seq-- },
		"an open transaction falls back": func(c *state.Checkpoint) { c.Committed.Open = &state.OpenTransaction{GTID: "a:6", Row: 2} },
	}
	w := newWorld(t)
	w.first()
	l := w.takeOver(w.chain(), "me")
	_, err := l.Commit(t.Context(), func(c *state.Checkpoint) {
		c.Reserved.Seq = 50
		c.Committed.Open = &state.OpenTransaction{GTID: "a:6", Row: 3}
	})
	must(t, err)
	for name, change := range changes {
		_, err := l.Commit(t.Context(), change)
		wantErr(t, name, err, state.ErrInvalid)
	}
	if tip := w.tip(); tip.N != 3 {
		t.Errorf("tip is number %d, want 3", tip.N)
	}
	_, err = l.Commit(t.Context(), func(c *state.Checkpoint) {
		c.N, c.Epoch, c.Owner, c.Released, c.HoldMillis = 77, 0, "thief", true, 0
	})
	must(t, err)
	if tip := w.tip(); tip.N != 4 || tip.Epoch != 1 || tip.Owner != "me" || tip.Released || tip.HoldMillis != hold.Milliseconds() {
		t.Errorf("a change could set the lease's own fields: %+v", tip)
	}
}
