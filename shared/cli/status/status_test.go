// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/shared/change"
	"slipway/shared/cli/status"
	"slipway/shared/mysql"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// objects builds a task's objects, one after the other.
type objects struct {
	t  *testing.T
	st *state.Task
}

func newObjects(t *testing.T) *objects {
	t.Helper()
	st, err := state.NewTask(state.NewMem(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	return &objects{t, st}
}

func (o *objects) put(key string, v any) {
	o.t.Helper()
	if err := state.PutJSON(o.t.Context(), o.st.Store, key, v); err != nil {
		o.t.Fatal(err)
	}
}

func (o *objects) plan(tables ...change.TableName) {
	o.put(o.st.Plan(), snapshot.Plan{Version: 2, Tables: tables})
}

var orders = change.TableName{Database: "shop", Name: "orders"}

func (o *objects) generation(name change.TableName, gen int64, chunks int, estimate int64) {
	g := snapshot.Generation{Table: &change.Table{Database: name.Database, Name: name.Name}, Gen: gen, Mode: snapshot.Ranges, Estimate: estimate}
	g.Ranges = make([]mysql.Range, chunks)
	o.put(o.st.GenerationPlan(state.TableOf(name), gen), g)
}

func (o *objects) done(name change.TableName, gen int64, chunk, next string, rows int64) {
	o.put(o.st.ChunkDone(state.TableOf(name), gen, chunk), snapshot.Done{Rows: rows, Header: snapshot.Header{Table: name, Gen: gen, Chunk: chunk, Next: next}})
}

func (o *objects) checkpoint(cp state.Checkpoint) {
	cp.Version, cp.HoldMillis = 1, 28000
	o.put(o.st.Checkpoint(cp.N), cp)
}

// snapshotted puts everything there that precedes the chain.
func (o *objects) snapshotted() {
	o.plan(orders)
	o.generation(orders, 0, 1, 10)
	o.done(orders, 0, "0", "", 12)
}

func TestPhaseFollowsFromTheObjects(t *testing.T) {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tests := []struct {
		name  string
		build func(o *objects)
		phase status.Phase
		step  string
	}{
		{"nothing", func(*objects) {}, status.NotStarted, ""},
		{"submitted", func(o *objects) { o.put(o.st.TaskFile(), "file") }, status.Prechecking, "precheck"},
		{"blocked", func(o *objects) {
			o.put(o.st.Precheck(), map[string]any{"blocked": true, "time": ago(time.Minute)})
		}, status.PrecheckFailed, "precheck"},
		{"passed", func(o *objects) {
			o.put(o.st.Precheck(), map[string]any{"blocked": false, "time": ago(time.Minute)})
		}, status.PreCheckPass, "plan"},
		{"a table without a plan", func(o *objects) { o.plan(orders) }, status.Migrating, "plan"},
		{"a chunk missing", func(o *objects) { o.plan(orders); o.generation(orders, 0, 2, 10); o.done(orders, 0, "1", "", 5) }, status.Migrating, "snapshot"},
		{"the rest of a cut chunk missing", func(o *objects) {
			o.plan(orders)
			o.generation(orders, 0, 1, 10)
			o.done(orders, 0, "0", "0+1", 5)
		}, status.Migrating, "snapshot"},
		{"a void table needs no chunks", func(o *objects) {
			o.plan(orders)
			o.generation(orders, 0, 1, 10)
			o.put(o.st.Void(state.TableOf(orders), 0), snapshot.Void{Reason: "truncated"})
		}, status.Migrating, "settle"},
		{"all chunks", (*objects).snapshotted, status.Migrating, "settle"},
		{"sealed", func(o *objects) {
			o.snapshotted()
			o.checkpoint(state.Checkpoint{N: 1, Time: ago(time.Hour), Released: true})
		}, status.Migrating, "tail"},
		{"tailing", func(o *objects) { o.snapshotted(); o.checkpoint(state.Checkpoint{N: 2, Time: ago(5 * time.Second)}) }, status.Migrating, "tail"},
		{"lease lapsed", func(o *objects) { o.snapshotted(); o.checkpoint(state.Checkpoint{N: 2, Time: ago(29 * time.Second)}) }, status.Retrying, "tail"},
		{"nobody came", func(o *objects) {
			o.snapshotted()
			o.checkpoint(state.Checkpoint{N: 2, Time: ago(status.Patience + time.Second)})
		}, status.MigrationFailed, "tail"},
		{"drained", func(o *objects) {
			o.snapshotted()
			o.checkpoint(state.Checkpoint{N: 2, Time: ago(time.Hour), Released: true})
		}, status.Suspending, "tail"},
		{"tables wanted again", func(o *objects) {
			o.snapshotted()
			o.checkpoint(state.Checkpoint{N: 2, Time: ago(time.Hour), Released: true, Again: []string{"shop.orders"}})
		}, status.Migrating, "snapshot"},
		{"finished", func(o *objects) {
			o.snapshotted()
			o.checkpoint(state.Checkpoint{N: 2, Time: ago(time.Hour), Released: true, Stopped: true})
		}, status.Finished, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newObjects(t)
			tt.build(o)
			s, err := status.NewReader(o.st).Read(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			if s.Phase != tt.phase || s.Step != tt.step {
				t.Errorf("got %s, step %q (%s); want %s, step %q", s.Phase, s.Step, s.Reason, tt.phase, tt.step)
			}
			if s.Reason == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestTablesAreCountedByTheirNewestGeneration(t *testing.T) {
	o := newObjects(t)
	items := change.TableName{Database: "shop", Name: "items"}
	added := change.TableName{Database: "shop", Name: "a.b"}
	o.plan(orders, items)
	o.generation(orders, 0, 3, 100)
	o.done(orders, 0, "0", "0+1", 40)
	o.done(orders, 0, "0+1", "", 20)
	o.done(orders, 0, "2", "2+1", 7)
	o.generation(items, 0, 1, 5)
	o.done(items, 0, "0", "", 5)
	o.generation(items, 1, 2, 9)
	o.done(items, 1, "0", "", 4)
	o.put(o.st.Seam(state.TableOf(orders), 0, 1), snapshot.Seam{})
	o.checkpoint(state.Checkpoint{N: 4, Time: now, Released: true, Again: []string{added.String(), orders.String()}})

	s, err := status.NewReader(o.st).Read(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []status.Table{
		{Name: "shop.orders", Mode: snapshot.Ranges, Chunks: 3, ChunksDone: 1, Rows: 67, RowsEstimate: 100, Sealed: true},
		{Name: "shop.items", Generation: 1, Mode: snapshot.Ranges, Chunks: 2, ChunksDone: 1, Rows: 4, RowsEstimate: 9},
		{Name: added.String(), Generation: -1, Mode: snapshot.None},
	}
	if len(s.Snapshot.Tables) != len(want) {
		t.Fatalf("got %d tables, want %d: %+v", len(s.Snapshot.Tables), len(want), s.Snapshot.Tables)
	}
	for i, w := range want {
		if s.Snapshot.Tables[i] != w {
			t.Errorf("table %d:\n got %+v\nwant %+v", i, s.Snapshot.Tables[i], w)
		}
	}
	if s.Snapshot.Chunks != 5 || s.Snapshot.ChunksDone != 2 || s.Snapshot.Rows != 71 || s.Snapshot.RowsEstimate != 109 {
		t.Errorf("sums are off: %+v", s.Snapshot)
	}
}

func TestStatusWritesNothing(t *testing.T) {
	o := newObjects(t)
	o.snapshotted()
	count := func() (n int) {
		for _, err := range o.st.Store.List(t.Context(), "", "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	before := count()
	if _, err := status.NewReader(o.st).Read(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if after := count(); after != before {
		t.Errorf("there were %d objects, now there are %d", before, after)
	}
}

func TestBrokenObjectsAreErrors(t *testing.T) {
	for name, key := range map[string]func(*state.Task) string{
		"precheck": (*state.Task).Precheck, "plan": (*state.Task).Plan,
		"checkpoint": func(st *state.Task) string { return st.Checkpoint(1) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newObjects(t)
			if err := o.st.Store.Put(t.Context(), key(o.st), []byte("{")); err != nil {
				t.Fatal(err)
			}
			_, err := status.NewReader(o.st).Read(t.Context(), now)
			if err == nil || !strings.Contains(err.Error(), key(o.st)) {
				t.Errorf("want an error that names %s, got %v", key(o.st), err)
			}
		})
	}
}

// gets counts how often each object is got.
type gets struct {
	state.Store
	mu    sync.Mutex
	count map[string]int
}

func (g *gets) Get(ctx context.Context, key string) ([]byte, error) {
	g.mu.Lock()
	g.count[key]++
	g.mu.Unlock()
	return g.Store.Get(ctx, key)
}

func TestReaderReadsOnceWhatNeverChanges(t *testing.T) {
	o := newObjects(t)
	store := &gets{Store: o.st.Store, count: map[string]int{}}
	o.st.Store = store
	o.plan(orders)
	o.generation(orders, 0, 2, 10)
	o.done(orders, 0, "0", "", 5)
	r := status.NewReader(o.st)
	rows := func() int64 {
		t.Helper()
		s, err := r.Read(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		return s.Snapshot.Rows
	}
	first := rows()
	o.done(orders, 0, "1", "", 7)
	if second := rows(); first != 5 || second != 12 {
		t.Errorf("%d rows, then %d", first, second)
	}
	for _, key := range []string{o.st.GenerationPlan(state.TableOf(orders), 0), o.st.ChunkDone(state.TableOf(orders), 0, "0")} {
		if store.count[key] != 1 {
			t.Errorf("%s is got %d times", key, store.count[key])
		}
	}

	// The task's folder goes, and a task of the same name begins.
	for key, err := range store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if none := rows(); none != 0 {
		t.Errorf("%d rows of nothing", none)
	}
	o.plan(orders)
	o.generation(orders, 0, 1, 10)
	o.done(orders, 0, "0", "", 3)
	if anew := rows(); anew != 3 {
		t.Errorf("%d rows of the new task", anew)
	}
}
