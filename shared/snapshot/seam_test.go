// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"sync"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
	"slipway/shared/state"
	"slipway/shared/tail"
)

// The S1 recipe: a transaction is in the log's file, synced, and not yet
// visible when the chunk's view opens. By file position it would be taken for
// read; it must neither be lost nor come twice.
func TestS1CommitThatIsInTheLogButNotVisible(t *testing.T) {
	t.Parallel()
	server := servertest.StartMySQL(t)
	k := keyTables()[0]
	m := apptest.On(t, server, servertest.RocketMQ(t), integers, k.fill(), "ANALYZE TABLE t")
	m.Tune.ChunkRows = 200
	m.Plan()
	// A group waits a second between its write to the log and its commit.
	m.Exec("SET GLOBAL binlog_group_commit_sync_delay = 1000000")
	var writes sync.WaitGroup
	commit := func(n int) func() {
		return func() {
			end := m.LogEnd()
			for _, s := range []string{k.insert(401+n, "in the log"), k.update(410+n, "!"), k.remove(420 + n), k.move(430+n, 431+n), k.move(440+n, 41+n), k.move(50+n, 451+n)} {
				writes.Go(func() { at(m, s) })
			}
			// They are written to the log together, and commit a second later.
			servertest.Eventually(t, "the transactions are in the log", 20e9, func() bool { return m.LogEnd() != end })
		}
	}
	m.Tune.SnapshotHooks.Kept = once("1", commit(0))
	m.Tune.SnapshotHooks.View = once("1", commit(2))
	m.Tune.SnapshotHooks.End = once("1", commit(4))
	m.Snapshot()
	writes.Wait()
	m.Exec("SET GLOBAL binlog_group_commit_sync_delay = 0")
	m.Tail(m.Settle()).Check("t")
}

// An update that moves a row between a chunk that is read already and one that
// isn't: each half is dropped, or delivered, by its own key's chunk, and ids
// tell the halves apart (rule S6).
func TestS6MoveWithOneHalfInTheSeam(t *testing.T) {
	t.Parallel()
	k := keyTables()[0]
	m := table600(t)
	m.Tune.SnapshotHooks.Delivered = once("0", func() {
		at(m, k.move(10, 901), k.update(901, "moved up"), // from the read chunk to the unread
			k.move(910, 11), k.update(11, "moved down"), // and back
			k.move(20, 5000), k.move(920, 5002), // above the planned maximum
			k.insert(5004, "above"), k.move(5004, 21), k.insert(5006, "above"), k.move(5006, 921),
			k.move(30, 931), k.move(931, 30), // there and back again
			"START TRANSACTION; "+k.move(40, 941)+"; "+k.move(940, 40)+"; "+k.move(941, 940)+"; COMMIT") // swapped
	})
	// Nothing may be read ahead of the hook.
	m.Tune.SnapshotHooks.Kept = gate(m, "1")
	m.Plan()
	m.Snapshot()
	r := record(m)
	tail := m.Tail(m.Settle())
	tail.Check("t")
	halves := map[string]int{}
	for _, msg := range r.take() {
		if property(msg, "phase") == "incremental" {
			halves[property(msg, "op")+msg.ID[len(msg.ID)-1:]]++
		}
	}
	if halves["DELETE-"] == 0 || halves["INSERT+"] == 0 {
		t.Errorf("no half goes alone: %v", halves)
	}
}

// gate holds the reading of chunk until the hook Delivered of the chunk before
// has run; it wraps that hook.
func gate(m *apptest.Migration, chunk string) func(string) {
	open := make(chan struct{})
	inner := m.Tune.SnapshotHooks.Delivered
	var first sync.Once
	m.Tune.SnapshotHooks.Delivered = func(c string) {
		inner(c)
		first.Do(func() { close(open) })
	}
	return func(c string) {
		if c == chunk {
			<-open
		}
	}
}

// Rows that a DELETE took away between two generations: their DELETE is in the
// new generation's B and dropped, so the reset must have removed them (rule
// S4); and a TRUNCATE is seen across queues (rule D6).
func TestS4DeleteBetweenGenerations(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 3, 64} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			t.Parallel()
			k := keyTables()[0]
			m := table600(t)
			m.YAML += fmt.Sprintf("lanes: %d\n", lanes)
			m.Tune.SnapshotHooks.Stored = once("1", func() {
				at(m, "TRUNCATE TABLE t", k.fill(), "UPDATE t SET v = 'second' WHERE id < 700")
			})
			m.Plan()
			m.Snapshot()
			tail := m.Tail(m.Settle())
			out, err := tail.Wait()
			m.Must(err)
			if len(out.Again) != 1 || out.Again[0] != m.Database+".t" {
				t.Fatalf("the tail says %+v, want t again", out)
			}
			// Between the generations.
			at(m, "DELETE FROM t WHERE id % 3 = 0", k.insert(401, "between"), k.move(500, 1501), k.insert(3000, "max"))
			m.Tune.SnapshotHooks.View = once("1", func() { at(m, k.operations(4)...) })
			m.Plan(out.Again...)
			at(m, "DELETE FROM t WHERE id % 7 = 0")
			m.Snapshot()
			at(m, "UPDATE t SET v = 'third' WHERE id < 400")
			tail = m.Tail(m.Settle())
			report := tail.Check("t")
			if n := generations(m); n != 2 {
				t.Errorf("%d generations, want 2", n)
			}
			t.Logf("%d removed, %d dropped", report.Removed, report.Dropped)
			// A second TRUNCATE, behind everything, is an ordinary barrier.
			m.Exec("TRUNCATE TABLE t", k.insert(7, "end"))
			tail.Check("t")
		})
	}
}

// Asking for a new generation twice plans it once; settling twice seals once.
func TestS4AgainTwice(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Tune.SnapshotHooks.Stored = once("1", func() { at(m, "TRUNCATE TABLE t", "INSERT INTO t (id, v) VALUES (1, 'x')") })
	m.Plan()
	m.Snapshot()
	out, err := m.Tail(m.Settle()).Wait()
	m.Must(err)
	// A tail that is started without the snapshot asks for it again.
	out2, err := m.Tail(0).Wait()
	m.Must(err)
	if len(out.Again) != 1 || len(out2.Again) != 1 {
		t.Errorf("asked for %v, then for %v", out.Again, out2.Again)
	}
	m.Plan(out.Again...)
	m.Plan(out.Again...)
	m.Plan()
	if n := generations(m); n != 2 {
		t.Fatalf("%d generations, want 2", n)
	}
	m.Snapshot()
	m.Settle()
	tail := m.Tail(m.Settle())
	tail.Check("t")
	tail.Stop()
	m.Plan()
	if n := generations(m); n != 2 {
		t.Errorf("planning behind a tail made %d generations", n)
	}
	m.Tail(0).Check("t")
}

// A tail that dies right after the position has passed a TRUNCATE that spoiled
// the snapshot: what it owes is in the same checkpoint.
func TestS4DeathBehindTheReset(t *testing.T) {
	t.Parallel()
	k := keyTables()[0]
	m := table600(t)
	m.Tune.SnapshotHooks.Stored = once("1", func() { at(m, "TRUNCATE TABLE t", k.insert(5, "a"), k.insert(700, "b")) })
	m.Plan()
	m.Snapshot()
	m.Tune.CommitEvery = 1
	sets := map[string]bool{}
	var p *apptest.Process
	m.Tune.TailHooks.Committed = func(cp state.Checkpoint) {
		// The position stands still for ever once the tail has read what spoils.
		if len(cp.Again) > 0 || len(sets) > 0 && cp.Committed.Seq > 0 {
			p.Die()
		}
		sets[cp.Committed.GTIDSet] = true
	}
	epoch := m.Settle()
	p = m.Process()
	_, _ = m.TailBy(p, epoch).Wait()
	m.Tune.TailHooks = tail.Hooks{}
	m.Tune.CommitEvery = 0
	again, err := m.Tail(0).Wait()
	m.Must(err)
	if len(again.Again) != 1 {
		t.Fatalf("the tail behind the dead one says %+v", again)
	}
	follow(m).Check("t")
}
