// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

const hold = state.DefaultLease + state.DefaultSendTimeout + state.DefaultAmbiguousWait

// skewedClock is the machine's clock with both its hands movable.
type skewedClock struct {
	wall, mono atomic.Int64 // added, in ns
	system     state.Clock
}

func newSkewedClock() *skewedClock { return &skewedClock{system: state.SystemClock()} }

func (c *skewedClock) now() state.Instant {
	i := c.system()
	i.Wall = i.Wall.Add(time.Duration(c.wall.Load()))
	i.Mono += time.Duration(c.mono.Load())
	return i
}

func wait(d time.Duration) { <-time.After(d) }

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func TestC2SendingStopsBeforeTheLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		if due := l.Due(); due != state.DefaultLease/3 {
			t.Errorf("an extension is due in %s, want a third of the lease", due)
		}
		wait(12*time.Second - 1)
		must(t, l.Check())
		if due := l.Due(); due > 0 {
			t.Errorf("an extension is due in %s, want overdue", due)
		}
		wait(1)
		wantErr(t, "12 s after the PUT", l.Check(), state.ErrLeaseLost)
		_, err := l.Commit(t.Context(), nil)
		must(t, err)
		must(t, l.Check()) // within the 15 s: extended
	})
}

func TestC2LeaseRunsFromTheStartOfThePut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			if op == statetest.Create {
				wait(4 * time.Second)
			}
			return statetest.OK
		})
		_, err := l.Commit(t.Context(), nil)
		must(t, err)
		wait(8*time.Second - 1)
		must(t, l.Check())
		wait(1)
		wantErr(t, "12 s after the PUT's start", l.Check(), state.ErrLeaseLost)
	})
}

// The first try is stored, its answer lost, and the store is away for 6 s after that.
// A newcomer may have seen the first try, so the lease counts from there.
func TestC2LeaseRunsFromTheFirstTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		start := time.Now()
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			switch {
			case op != statetest.Create || time.Since(start) > 6*time.Second:
				return statetest.OK
			case time.Since(start) == 0:
				return statetest.FailPersisted
			}
			return statetest.Fail
		})
		_, err := l.Commit(t.Context(), nil)
		must(t, err)
		wait(12*time.Second - time.Since(start) - 1)
		must(t, l.Check())
		wait(1)
		wantErr(t, "12 s after the first try", l.Check(), state.ErrLeaseLost)
	})
}

func TestC2LatePutIsNoExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		wait(14 * time.Second)
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			if op == statetest.Create {
				wait(2 * time.Second)
			}
			return statetest.OK
		})
		c, err := l.Commit(t.Context(), advance)
		wantErr(t, "commit that ended after the lease", err, state.ErrLeaseLost)
		if tip := w.tip(); tip.N != c.N || tip.Committed.Seq != 6 {
			t.Errorf("tip is %d seq %d, want the late commit %d", tip.N, tip.Committed.Seq, c.N)
		}
		wantErr(t, "check", l.Check(), state.ErrLeaseLost)
		w.breakStore(nil)
		_, err = l.Commit(t.Context(), nil)
		wantErr(t, "commit after the lease", err, state.ErrLeaseLost)
		wantErr(t, "check", l.Check(), state.ErrLeaseLost)
		w.checkChain()
	})
}

// A process is frozen; one of its two clocks doesn't notice.
func TestC2FrozenProcessIsFenced(t *testing.T) {
	for _, sees := range []string{"wall", "mono"} {
		t.Run(sees, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.first()
				clock := newSkewedClock()
				frozen := w.takeOver(state.NewChain(w.task, clock.now), "frozen")
				_, err := frozen.Commit(t.Context(), advance)
				must(t, err)
				fresh := w.takeOver(w.chain(), "fresh")
				if sees == "wall" {
					clock.mono.Store(-int64(hold))
				} else {
					clock.wall.Store(-int64(time.Hour))
				}
				wantErr(t, "check after the freeze", frozen.Check(), state.ErrLeaseLost)
				_, err = frozen.Commit(t.Context(), advance)
				wantErr(t, "commit after the freeze", err, state.ErrFenced)
				if !strings.Contains(err.Error(), "fresh") {
					t.Errorf("%v doesn't name the new owner", err)
				}
				wantErr(t, "check when fenced", frozen.Check(), state.ErrFenced)
				_, err = frozen.Release(t.Context(), nil)
				wantErr(t, "release when fenced", err, state.ErrFenced)
				must(t, fresh.Check())
				w.checkChain()
			})
		})
	}
}

func TestC2NewcomerWaitsFromItsFirstSight(t *testing.T) {
	tests := []struct {
		name     string
		terms    state.Terms // the holder's
		released bool
		stir     time.Duration // the holder commits once more after this
		skew     time.Duration // the newcomer's wall clock jumps by this
		want     time.Duration
	}{
		{name: "a released tip is free", released: true},
		{name: "a silent holder is waited for", want: hold},
		{name: "a tip that moves starts the wait again", stir: 9 * time.Second, want: 10*time.Second + hold},
		{name: "a wall clock that jumps doesn't shorten the wait", skew: time.Hour, want: hold},
		{name: "a holder on longer terms has them honoured", terms: state.Terms{Lease: time.Minute, AmbiguousWait: time.Minute}, want: 2*time.Minute + 3*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.first()
				holder, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{Epoch: 1, Owner: "holder", Terms: tt.terms})
				must(t, err)
				wait(time.Second)
				if tt.released {
					_, err := holder.Release(t.Context(), nil)
					must(t, err)
				}
				clock, waits := newSkewedClock(), 0
				start := time.Now()
				if tt.stir > 0 {
					time.AfterFunc(tt.stir, func() { _, _ = holder.Commit(context.Background(), nil) })
				}
				l, err := state.NewChain(w.task, clock.now).TakeOver(t.Context(), state.TakeOverOptions{
					Wait: true,
					Waiting: func(tip state.Checkpoint, left time.Duration) {
						waits++
						clock.wall.Store(int64(tt.skew))
						if tip.Owner != "holder" || left <= 0 {
							t.Errorf("waits %s for %s", left, tip.Owner)
						}
					},
				})
				must(t, err)
				if took := time.Since(start); took != tt.want {
					t.Errorf("take over took %s, want %s", took, tt.want)
				}
				if (waits > 0) == tt.released {
					t.Errorf("told of the wait %d times", waits)
				}
				if l.Epoch() != 2 || l.Last().Committed.Seq != 5 {
					t.Errorf("took over as epoch %d at seq %d", l.Epoch(), l.Last().Committed.Seq)
				}
				w.checkChain()
			})
		})
	}
}

func TestC2ALivingHolderIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		holder := w.takeOver(w.chain(), "the-holder")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go extend(ctx, holder)
		start := time.Now()
		_, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{Wait: false})
		wantErr(t, "take over", err, state.ErrHeld)
		if !strings.Contains(err.Error(), "the-holder") || !strings.Contains(err.Error(), "epoch 1") {
			t.Errorf("%v names neither owner nor epoch", err)
		}
		if took := time.Since(start); took > state.DefaultLease {
			t.Errorf("it took %s to see that the holder lives", took)
		}
		must(t, holder.Check())
	})
}

// extend keeps a lease as an idle owner does.
func extend(ctx context.Context, l *state.Lease) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.Due()):
			_, _ = l.Commit(ctx, nil)
		}
	}
}

func TestC2AReleaseEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		holder := w.takeOver(w.chain(), "holder")
		time.AfterFunc(7*time.Second, func() { _, _ = holder.Release(context.Background(), nil) })
		start := time.Now()
		_, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{Wait: false})
		must(t, err)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took over after %s, want at the next look, 10s", took)
		}
	})
}

func TestC2EpochsOnlyRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		for _, epoch := range []int64{1, 3, 3} {
			l, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{Epoch: epoch})
			must(t, err)
			_, err = l.Release(t.Context(), nil)
			must(t, err)
		}
		_, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{Epoch: 2})
		wantErr(t, "take over for an old epoch", err, state.ErrStaleEpoch)
	})
}

func TestC2TermsMustLeaveTimeToExtend(t *testing.T) {
	w := newWorld(t)
	w.first()
	for _, terms := range []state.Terms{{Lease: 5 * time.Second}, {SendTimeout: time.Minute}, {Lease: -1}, {AmbiguousWait: -1}} {
		if _, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{Terms: terms}); err == nil {
			t.Errorf("took over on %+v", terms)
		}
	}
}
