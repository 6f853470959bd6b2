// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/snapshot"
)

// Each rule switched off, in the scenario of its own test: the checker must
// see it, else that test proves nothing.

func TestS1WithoutTheOverlay(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Tune.SnapshotFaults.NoOverlay = true
	m.Tune.SnapshotHooks.View = once("1", func() { at(m, keyTables()[0].operations(1)...) })
	m.Plan()
	m.Snapshot()
	fails(t, m.Tail(m.Settle()).Examine(checker.Options{}, "t"))
}

func TestS10WithoutTheDropRule(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Tune.TailFaults.NoDrop = true
	m.Tune.SnapshotHooks.Kept = once("1", func() { at(m, keyTables()[0].operations(0)...) })
	m.Plan()
	m.Snapshot()
	fails(t, m.Tail(m.Settle()).Examine(checker.Options{}, "t"))
}

func TestS3WithoutStoredRows(t *testing.T) {
	t.Parallel()
	m := twoAttempts(t, snapshot.Faults{NoStore: true})
	fails(t, m.Tail(m.Settle()).Examine(checker.Options{}, "t"))
}

func TestS4WithoutTheReset(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Tune.TailFaults.NoReset = true
	m.Tune.SnapshotHooks.Stored = once("1", func() { at(m, "TRUNCATE TABLE t", "INSERT INTO t (id, v) VALUES (1, 'after')") })
	tail := follow(m)
	fails(t, tail.Examine(checker.Options{}, "t"))
}

// twoAttempts kills a worker in the middle of chunk 1's delivery, deletes,
// inserts and changes rows of the chunk, and lets another worker go on.
func twoAttempts(t *testing.T, faults snapshot.Faults) *apptest.Migration {
	t.Helper()
	m := table600(t)
	m.Tune.SnapshotFaults = faults
	m.Plan()
	var p *apptest.Process
	onSend(m, "/0/1/", 4, func() { p.Die() })
	p = m.Process()
	if err := m.SnapshotBy(p); err == nil {
		t.Fatal("a dead worker ended well")
	}
	m.Exec("DELETE FROM t WHERE id BETWEEN 400 AND 800 AND id % 4 = 0", "INSERT INTO t (id, v) VALUES (501, 'between')",
		"UPDATE t SET v = 'changed' WHERE id BETWEEN 600 AND 700", "UPDATE t SET id = 1001 WHERE id = 602", "UPDATE t SET id = 603 WHERE id = 902")
	m.Tune.Sink = nil
	m.Snapshot()
	return m
}
