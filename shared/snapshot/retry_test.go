// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/shared/app"
	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/rocketmq"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// A row deleted between two attempts of a chunk must not stay at the consumer:
// the second attempt sends what the first one stored (rule S3).
func TestS3RowDeletedBetweenTwoAttempts(t *testing.T) {
	t.Parallel()
	m := twoAttempts(t, snapshot.Faults{})
	report := m.Tail(m.Settle()).Check("t")
	if report.Copies == 0 {
		t.Error("the second attempt repeated nothing: the first one did not die in the middle")
	}
}

// A process that dies at any moment of a chunk's delivery: the next one sends
// the same messages under the same ids, all of that chunk marked, and none of
// a chunk that was not stored (rule S3).
func TestS3RetriedInvocation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// die arranges that kill runs at the moment.
		die func(m *apptest.Migration, kill func())
		// stored tells that the chunk is sent from its .rows, and marked.
		stored bool
	}{
		{"before it is stored", func(m *apptest.Migration, kill func()) { m.Tune.SnapshotHooks.Watermark = once("1", kill) }, false},
		{"stored", func(m *apptest.Migration, kill func()) { m.Tune.SnapshotHooks.Stored = once("1", kill) }, true},
		{"mid-delivery", func(m *apptest.Migration, kill func()) { onSend(m, "/0/1/", 5, kill) }, true},
		{"delivered", func(m *apptest.Migration, kill func()) { m.Tune.SnapshotHooks.Delivered = once("1", kill) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := table600(t)
			m.Plan()
			var p *apptest.Process
			c.die(m, func() { p.Die() })
			p = m.Process()
			if err := m.SnapshotBy(p); err == nil {
				t.Fatal("a dead worker ended well")
			}
			at(m, keyTables()[0].operations(2)...)
			first := chunkIDs(t, m)
			m.Tune.SnapshotHooks = snapshot.Hooks{}
			again := record(m)
			m.Snapshot()
			for _, msg := range again.take() {
				if strings.Contains(msg.ID, "/0/1/") && (property(msg, "replay") == "true") != c.stored {
					t.Errorf("message %s: replay %q of a chunk that was stored: %t", msg.ID, property(msg, "replay"), c.stored)
				}
			}
			if second := chunkIDs(t, m); c.stored && !slices.Equal(first, second) {
				t.Errorf("stored objects %v, after the second attempt %v", first, second)
			}
			m.Tail(m.Settle()).Check("t")
		})
	}
}

// chunkIDs are the digests of chunk 1's stored messages.
func chunkIDs(t *testing.T, m *apptest.Migration) []string {
	t.Helper()
	var out []string
	body, err := m.Store.Get(t.Context(), m.State().ChunkRows(state.Table(m.Database, "t"), 0, "1"))
	if err == nil {
		out = append(out, string(body))
	}
	return out
}

// Two processes read the same chunks at once: one wins each, both send the
// winner's messages, those of the loser marked (rule S3). Which of the two comes
// first nobody can tell, so the unmarked one may be the second.
func TestS3TwoReadersOfOneChunk(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Plan()
	// Both have read chunk 1, under different watermarks, before either stores it.
	both := make(chan struct{})
	var mu sync.Mutex
	arrived := 0
	m.Tune.SnapshotHooks.Watermark = func(chunk string) {
		if chunk != "1" {
			return
		}
		mu.Lock() // over the writes, too: the two INSERTs have one key
		arrived++
		n := arrived
		at(m, "UPDATE t SET v = CONCAT(v, '!') WHERE id = 500", "DELETE FROM t WHERE id = 600", "INSERT INTO t (id, v) VALUES (600, 'new')")
		mu.Unlock()
		if n == 2 {
			close(both)
		}
		<-both
	}
	first, second := m.Process(), m.Process()
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = m.SnapshotBy(first) })
	wg.Go(func() { errs[1] = m.SnapshotBy(second) })
	wg.Wait()
	m.Must(errs[0])
	m.Must(errs[1])
	report := m.Tail(m.Settle()).Examine(checker.Options{Late: 1000}, "t")
	if !report.OK() {
		t.Fatal(report.String())
	}
	if report.Copies == 0 || report.Replays < report.Copies {
		t.Errorf("%d copies, %d marked: want some, each pair marked on one side", report.Copies, report.Replays)
	}
}

// Workers of several invocations share one lane: their chunks interleave
// there, each row once, all with the generation's number (rule D6).
func TestD6WorkersInterleaveInOneLane(t *testing.T) {
	t.Parallel()
	m := table600(t)
	oneLane(m)
	m.YAML += "packing: {maxRows: 3}\n"
	m.Tune.ChunkRows = 50
	m.Plan()
	var wg sync.WaitGroup
	errs := make([]error, 3)
	writes := once("1", func() { at(m, keyTables()[0].operations(3)...) })
	m.Tune.SnapshotHooks.View = writes
	r := record(m)
	for i := range errs {
		p := m.Process()
		wg.Go(func() {
			_, errs[i] = p.Snapshot(t.Context(), app.SnapshotInput{Task: m.Name, Worker: app.Worker{Worker: i, Workers: 3}})
		})
	}
	wg.Wait()
	for _, err := range errs {
		m.Must(err)
	}
	if n := switches(r.take()); n < 12 {
		t.Errorf("chunks change %d times along the lane: nothing interleaved", n)
	}
	m.Tail(m.Settle()).Check("t")
}

// switches counts how often neighbouring messages are of different chunks.
func switches(list []*rocketmq.Message) (n int) {
	last := ""
	for _, m := range list {
		parts := strings.Split(m.ID, "/")
		if c := parts[len(parts)-2]; c != last {
			n, last = n+1, c
		}
	}
	return n
}

// settle seals only when no invocation can still be sending: it waits for the
// deadline, the send time-out and the ambiguous wait of one whose end nobody
// recorded (rule S10).
func TestS10SettleWaitsForUnseenEnds(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Plan()
	var p *apptest.Process
	m.Tune.SnapshotHooks.Delivered = once("2", func() { p.Die() })
	p = m.Process()
	_ = m.SnapshotBy(p)
	m.Tune.SnapshotHooks = snapshot.Hooks{}
	m.Snapshot()

	out, err := m.Process().Settle(t.Context(), app.SettleInput{Task: m.Name})
	m.Must(err)
	if out.Wait == 0 || out.Epoch != 0 {
		t.Fatalf("settle says %+v while a dead worker's deadline lies ahead", out)
	}
	var deadline time.Time
	var grace time.Duration
	seen := map[string]bool{}
	for key, err := range m.Store.List(t.Context(), m.State().Workers(), "") {
		m.Must(err)
		inv, err := state.GetJSON[snapshot.Invocation](t.Context(), m.Store, key)
		m.Must(err)
		seen[key] = true
		if _, err := m.Store.Get(t.Context(), m.State().Worker(inv.ID+".ended")); errors.Is(err, state.ErrNotFound) {
			deadline, grace = inv.Deadline, time.Duration(inv.GraceMillis)*time.Millisecond
		}
	}
	if len(seen) < 3 || grace != apptest.Terms.SendTimeout+apptest.Terms.AmbiguousWait {
		t.Errorf("invocations %v, grace %s", slices.Sorted(maps.Keys(seen)), grace)
	}
	chain := state.NewChain(m.State(), state.SystemClock())
	for _, c := range []struct {
		after time.Duration
		waits bool
	}{{-time.Minute, true}, {0, true}, {grace - time.Millisecond, true}} {
		r, err := snapshot.Settle(t.Context(), m.State(), chain, func() time.Time { return deadline.Add(c.after) })
		m.Must(err)
		if (r.Wait > 0) != c.waits {
			t.Errorf("%s after the deadline settle waits %s", c.after, r.Wait)
		}
	}
	r, err := snapshot.Settle(t.Context(), m.State(), chain, func() time.Time { return deadline.Add(grace) })
	m.Must(err)
	if r.Epoch != 1 {
		t.Fatalf("settle says %+v when nobody can send any more", r)
	}
	if r, err = snapshot.Settle(t.Context(), m.State(), chain, func() time.Time { return deadline.Add(grace) }); err != nil || r.Wait > 0 || r.More {
		t.Errorf("settle again: %+v, %v", r, err)
	}
	m.Tail(1).Check("t")
}
