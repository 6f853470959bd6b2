// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

// world is a task in a store that can fail, on a clock that can be set.
type world struct {
	*testing.T
	mem   *state.Mem
	fault *statetest.Faulty
	task  *state.Task

	mu     sync.Mutex
	decide func(op statetest.Op, key string) statetest.Outcome
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, mem: state.NewMem()}
	w.fault = &statetest.Faulty{Inner: w.mem, Decide: func(op statetest.Op, key string) statetest.Outcome {
		w.mu.Lock()
		decide := w.decide
		w.mu.Unlock()
		if decide == nil {
			return statetest.OK
		}
		return decide(op, key)
	}}
	task, err := state.NewTask(w.fault, "shop")
	must(t, err)
	w.task = task
	return w
}

// breakStore makes the store behave as told, nil for well.
func (w *world) breakStore(decide func(op statetest.Op, key string) statetest.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decide = decide
}

func (w *world) chain() *state.Chain { return state.NewChain(w.task, nil) }

func (w *world) first() {
	w.Helper()
	_, err := w.chain().First(w.Context(), state.Checkpoint{
		Committed: state.Position{GTIDSet: "a:1-5", Seq: 5}, Reserved: state.Reserved{Seq: 5},
	})
	must(w.T, err)
}

func (w *world) takeOver(c *state.Chain, owner string) *state.Lease {
	w.Helper()
	l, err := c.TakeOver(w.Context(), state.TakeOverOptions{Owner: owner, Wait: true})
	must(w.T, err)
	return l
}

func (w *world) tip() state.Checkpoint {
	w.Helper()
	tip, err := w.chain().Tip(w.Context())
	must(w.T, err)
	return tip
}

// checkChain verifies what must hold of a chain at any time: no number missing, no
// epoch, position or reservation that falls, except for a reservation at a release.
func (w *world) checkChain() {
	w.Helper()
	if err := chainFault(w.Context(), w.mem, w.task.Name); err != nil {
		w.Fatal(err)
	}
}

func chainFault(ctx context.Context, s state.Store, name string) error {
	task, err := state.NewTask(s, name)
	if err != nil {
		return err
	}
	c := state.NewChain(task, nil)
	var last state.Checkpoint
	for n, err := range c.Numbers(ctx, 0) {
		if err != nil {
			return err
		}
		is, err := c.Get(ctx, n)
		switch {
		case err != nil:
			return err
		case n != last.N+1:
			return fmt.Errorf("number %d follows %d", n, last.N)
		case is.Epoch < last.Epoch, is.Epoch == last.Epoch && n > 2 && is.Owner != last.Owner:
			return fmt.Errorf("number %d: epoch %d of %s after epoch %d of %s", n, is.Epoch, is.Owner, last.Epoch, last.Owner)
		case is.Committed.Seq < last.Committed.Seq:
			return fmt.Errorf("number %d: committed falls from %d to %d", n, last.Committed.Seq, is.Committed.Seq)
		case is.Reserved.Seq < is.Committed.Seq, is.Reserved.Seq < last.Reserved.Seq && !is.Released:
			return fmt.Errorf("number %d: reserved %d, committed %d, reserved before %d", n, is.Reserved.Seq, is.Committed.Seq, last.Reserved.Seq)
		}
		last = is
	}
	return nil
}

// advance is the change that commits one more row.
func advance(c *state.Checkpoint) {
	c.Committed.Seq++
	c.Reserved.Seq = max(c.Reserved.Seq, c.Committed.Seq+10)
}

func TestFirstIsIdempotent(t *testing.T) {
	w := newWorld(t)
	w.first()
	again, err := w.chain().First(t.Context(), state.Checkpoint{Owner: "another settle", Committed: state.Position{Seq: 9}, Reserved: state.Reserved{Seq: 9}})
	must(t, err)
	if again.Committed.Seq != 5 || again.N != 1 || !again.Released {
		t.Errorf("second settle gets %+v, want number 1 as the first one made it", again)
	}
}

func TestChainRefusesToStartFromNothing(t *testing.T) {
	w := newWorld(t)
	if _, err := w.chain().Tip(t.Context()); !errors.Is(err, state.ErrNoChain) {
		t.Errorf("tip of no chain: %v, want ErrNoChain", err)
	}
	if _, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{}); !errors.Is(err, state.ErrNoChain) {
		t.Errorf("take over of no chain: %v, want ErrNoChain", err)
	}
}

func TestC1TakeOverProbesTheStore(t *testing.T) {
	w := newWorld(t)
	w.first()
	task, err := state.NewTask(overwriting{w.mem}, "shop")
	must(t, err)
	_, err = state.NewChain(task, nil).TakeOver(t.Context(), state.TakeOverOptions{})
	if !errors.Is(err, state.ErrNoCreateIfAbsent) {
		t.Errorf("take over on a store that overwrites: %v, want ErrNoCreateIfAbsent", err)
	}
	if tip := w.tip(); tip.N != 1 {
		t.Errorf("it wrote number %d", tip.N)
	}
}

// overwriting ignores create-if-absent.
type overwriting struct{ state.Store }

func (s overwriting) Create(ctx context.Context, key string, body []byte) error {
	return s.Put(ctx, key, body)
}

func TestCheckpointOfTheFuture(t *testing.T) {
	w := newWorld(t)
	w.first()
	must(t, w.mem.Create(t.Context(), w.task.Checkpoint(2), []byte(`{"version":2,"n":"two"}`)))
	if _, err := w.chain().Tip(t.Context()); !errors.Is(err, state.ErrVersion) {
		t.Errorf("tip of a newer version: %v, want ErrVersion", err)
	}
}

func TestCheckpointToleratesUnknownFields(t *testing.T) {
	w := newWorld(t)
	w.first()
	must(t, w.mem.Create(t.Context(), w.task.Checkpoint(2),
		[]byte(`{"version":1,"n":2,"epoch":1,"owner":"o","committed":{"seq":7,"mood":"good"},"reserved":{"seq":8},"weather":"fine"}`)))
	if tip := w.tip(); tip.N != 2 || tip.Committed.Seq != 7 || tip.Reserved.Seq != 8 {
		t.Errorf("tip is %+v", tip)
	}
}

func TestCheckpointSurvivesItsJSON(t *testing.T) {
	w := newWorld(t)
	w.first()
	l := w.takeOver(w.chain(), "me")
	open := &state.OpenTransaction{GTID: "a:6", Row: 3}
	want, err := l.Commit(t.Context(), func(c *state.Checkpoint) {
		c.Committed = state.Position{GTIDSet: "a:1-5", File: "binlog.000007", Pos: 1 << 33, ServerUUID: "u", Seq: 8, Open: open}
		c.Reserved.Seq = 100
		c.XA, c.Schema, c.Again = map[string]string{"x": "shop/xa/1"}, "shop/schema/1", []string{"shop.orders"}
		c.Counts, c.LagMillis = map[string]int64{"rows": 3}, 12
	})
	must(t, err)
	open.Row = 99 // the lease keeps no reference to what it was given
	got := w.tip()
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) || got.Committed.Open.Row != 3 {
		t.Errorf("stored\n%s\nwant\n%s", a, b)
	}
	c, err := l.Commit(t.Context(), nil)
	must(t, err)
	if c.Committed.Open.Row != 3 || c.XA["x"] != "shop/xa/1" {
		t.Errorf("the next checkpoint is %+v", c)
	}
}

func TestC3TipIsFoundWhateverTheHint(t *testing.T) {
	hints := map[string]string{
		"none": "", "right": `{"tip":9}`, "behind": `{"tip":3}`, "past the end": `{"tip":5000}`, "negative": `{"tip":-4}`, "garbage": `{"tip`,
	}
	for name, hint := range hints {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.first()
			l := w.takeOver(w.chain(), "me")
			for range 7 {
				_, err := l.Commit(t.Context(), advance)
				must(t, err)
			}
			must(t, w.mem.Delete(t.Context(), w.task.Status()))
			if hint != "" {
				must(t, w.mem.Put(t.Context(), w.task.Status(), []byte(hint)))
			}
			if tip := w.tip(); tip.N != 9 {
				t.Errorf("tip is number %d, want 9", tip.N)
			}
		})
	}
}

// A number created after the LIST was answered is found by GET.
func TestC3TipIsFoundPastTheList(t *testing.T) {
	w := newWorld(t)
	w.first()
	l := w.takeOver(w.chain(), "me")
	for range 7 {
		_, err := l.Commit(t.Context(), advance)
		must(t, err)
	}
	must(t, w.mem.Delete(t.Context(), w.task.Status()))
	task, err := state.NewTask(staleList{w.mem, w.task.Checkpoint(4)}, "shop")
	must(t, err)
	tip, err := state.NewChain(task, nil).Tip(t.Context())
	must(t, err)
	if tip.N != 9 {
		t.Errorf("tip is number %d, want 9", tip.N)
	}
}

// staleList shows no key after last.
type staleList struct {
	state.Store
	last string
}

func (s staleList) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range s.Store.List(ctx, prefix, after) {
			if err == nil && key > s.last || !yield(key, err) {
				return
			}
		}
	}
}

func TestC3TipThatTookTooLongIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		l := w.takeOver(w.chain(), "me")
		lists := 0
		w.breakStore(func(op statetest.Op, key string) statetest.Outcome {
			if op == statetest.List {
				lists++
			}
			if op == statetest.Get && lists == 1 && strings.HasSuffix(key, "3.json") {
				<-time.After(61 * time.Second) // frozen with number 3 about to be found absent
			}
			return statetest.OK
		})
		if tip := w.tip(); tip.N != l.Last().N {
			t.Errorf("tip is number %d, want %d", tip.N, l.Last().N)
		}
		if lists != 2 {
			t.Errorf("the chain was listed %d times, want 2", lists)
		}
	})
}

func TestChainNamesAStranger(t *testing.T) {
	w := newWorld(t)
	w.first()
	must(t, w.mem.Create(t.Context(), w.task.Checkpoints()+"notes.txt", []byte("x")))
	if _, err := w.chain().Tip(t.Context()); err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("tip beside a stranger: %v, want an error that names it", err)
	}
}
