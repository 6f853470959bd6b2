// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

const day = 24 * time.Hour

// history writes a chain with one checkpoint per step from begin to end.
func (w *world) history(n int64, begin, end time.Time, step time.Duration) int64 {
	w.Helper()
	for at := begin; at.Before(end); at = at.Add(step) {
		body, err := json.Marshal(state.Checkpoint{
			Version: 1, N: n, Epoch: 1, Owner: "old", Time: at, Released: true,
			Committed: state.Position{Seq: n}, Reserved: state.Reserved{Seq: n},
		})
		must(w.T, err)
		must(w.T, w.mem.Create(w.Context(), w.task.Checkpoint(n), body))
		n++
	}
	return n
}

// grains tells how many checkpoints each grain of time between begin and end has.
func (w *world) grains(begin, end time.Time, grain time.Duration) map[time.Time]int {
	w.Helper()
	counts := map[time.Time]int{}
	c := w.chain()
	for n, err := range c.Numbers(w.Context(), 0) {
		must(w.T, err)
		at, err := c.Get(w.Context(), n)
		must(w.T, err)
		if !at.Time.Before(begin) && at.Time.Before(end) {
			counts[at.Time.Truncate(grain)]++
		}
	}
	return counts
}

func TestC3PruneThinsByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now().Add(40 * day).Truncate(time.Hour)
		wait(time.Until(now))
		next := w.history(1, now.Add(-32*day), now.Add(-3*day), 20*time.Minute)
		next = w.history(next, now.Add(-3*day), now, 20*time.Second)
		l := w.takeOver(w.chain(), "me")
		must(t, l.Prune(t.Context()))

		tests := []struct {
			name         string
			begin, end   time.Duration
			grain        time.Duration
			grains, each int
		}{
			{"of more than 30 days one an hour", -32 * day, -30 * day, time.Hour, 48, 1},
			{"of more than 48 hours one a minute", -3 * day, -2 * day, time.Minute, 24 * 60, 1},
			{"of less than 48 hours all", -2 * day, 0, time.Minute, 48 * 60, 3},
		}
		for _, tt := range tests {
			counts := w.grains(now.Add(tt.begin), now.Add(tt.end), tt.grain)
			if len(counts) != tt.grains {
				t.Errorf("%s: %d grains are left, want %d", tt.name, len(counts), tt.grains)
			}
			for at, n := range counts {
				if n != tt.each {
					t.Errorf("%s: %s has %d, want %d", tt.name, at, n, tt.each)
					break
				}
			}
		}
		if tip := w.tip(); tip.N != next {
			t.Errorf("tip is number %d, want %d", tip.N, next)
		}
	})
}

// What a Prune has read it notes in the chain, so that no later one reads it again.
func TestC3PruneGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now().Add(5 * day).Truncate(time.Hour)
		wait(time.Until(now))
		w.history(1, now.Add(-4*day), now, time.Minute)
		l := w.takeOver(w.chain(), "me")
		must(t, l.Prune(t.Context()))
		_, err := l.Release(t.Context(), nil)
		must(t, err)
		next := w.takeOver(w.chain(), "next")

		gets := 0
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			if op == statetest.Get {
				gets++
			}
			return statetest.OK
		})
		must(t, next.Prune(t.Context()))
		if gets > 4 {
			t.Errorf("a Prune with nothing to do read %d checkpoints", gets)
		}
	})
}

func TestC3PruneKeepsNumberOneAndTheTip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now().Add(day).Truncate(time.Hour).Add(40 * time.Second)
		wait(time.Until(now))
		next := w.history(1, now.Add(-30*time.Second), now, time.Second)
		l := w.takeOver(w.chain(), "me")
		wait(90 * day) // all of them, the tip included, are of the same old minute
		must(t, l.Prune(t.Context()))
		var left []int64
		for n, err := range w.chain().Numbers(t.Context(), 0) {
			must(t, err)
			left = append(left, n)
		}
		if len(left) != 2 || left[0] != 1 || left[1] != next {
			t.Errorf("%v are left, want 1 and the tip %d", left, next)
		}
		// Settle, run again after all that time, still meets the first checkpoint.
		first, err := w.chain().First(t.Context(), state.Checkpoint{})
		must(t, err)
		if first.Owner != "old" {
			t.Errorf("number 1 is by %s now", first.Owner)
		}
	})
}

// A Prune that fails in the middle costs repetition, nothing else.
func TestC3PruneSurvivesFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now().Add(5 * day).Truncate(time.Hour)
		wait(time.Until(now))
		w.history(1, now.Add(-3*day), now.Add(-2*day), 20*time.Second)
		l := w.takeOver(w.chain(), "me")
		calls := 0
		w.breakStore(func(op statetest.Op, _ string) statetest.Outcome {
			if op != statetest.Delete && op != statetest.Get {
				return statetest.OK
			}
			calls++
			return []statetest.Outcome{statetest.Fail, statetest.FailPersisted, statetest.OK}[min(calls%50, 2)]
		})
		tries := 1
		for l.Prune(t.Context()) != nil {
			tries++
		}
		w.breakStore(nil)
		if tries < 3 {
			t.Errorf("prune was finished after %d tries, so no fault hit it", tries)
		}
		for at, n := range w.grains(now.Add(-3*day), now.Add(-2*day), time.Minute) {
			if n != 1 {
				t.Errorf("%s has %d checkpoints, want 1", at, n)
			}
		}
	})
}
