// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"bytes"
	"strings"
	"testing"

	"slipway/shared/app"
	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/snapshot"
)

// Planning again, from the start or from the middle, gives what is there.
func TestS2PlanTwice(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Exec("CREATE TABLE second (id INT PRIMARY KEY)", "INSERT INTO second VALUES (1)")
	first := m.Plan()
	objects := stored(t, m)
	m.Exec("INSERT INTO t (id) VALUES (9999)", "CREATE TABLE third (id INT PRIMARY KEY)")
	m.Tune.ChunkRows = 10
	second := m.Plan()
	if first.Chunks != second.Chunks || len(first.Workers) != len(second.Workers) || len(first.Workers) != 2 {
		t.Errorf("planned %+v, then %+v", first, second)
	}
	for key, body := range stored(t, m) {
		if !bytes.Equal(objects[key], body) {
			t.Errorf("%s changed", key)
		}
	}
	// A planner that died behind plan.json is completed.
	for key := range objects {
		if strings.Contains(key, "second") {
			m.Must(m.Store.Delete(t.Context(), key))
		}
	}
	if third := m.Plan(); third.Chunks != first.Chunks {
		t.Errorf("completed to %d chunks, want %d", third.Chunks, first.Chunks)
	}
	m.Snapshot()
	m.Tail(m.Settle()).Check("t", "second", "third")
}

// stored are the plan's objects.
func stored(t *testing.T, m *apptest.Migration) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for key, err := range m.Store.List(t.Context(), m.Name+"/", "") {
		m.Must(err)
		if !strings.HasSuffix(key, "plan.json") {
			continue
		}
		body, err := m.Store.Get(t.Context(), key)
		m.Must(err)
		out[key] = body
	}
	return out
}

// A DDL on a selected table between P0 and P1 starts planning over; one on any
// other table doesn't (rule S2).
func TestS2DDLWhilePlanning(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Exec("CREATE TABLE old (id INT PRIMARY KEY)")
	other := m.Server.Database(t)
	rounds := 0
	statements := []string{
		"ALTER TABLE t ADD COLUMN x INT", "CREATE TABLE made (id INT PRIMARY KEY)", "RENAME TABLE old TO renamed", "TRUNCATE TABLE t",
		"CREATE TABLE " + other + ".unselected (id INT)", "never reached",
	}
	m.Tune.PlanHooks.P0 = func() { at(m, statements[rounds]); rounds++ }
	m.Plan()
	if rounds != 5 {
		t.Errorf("planned %d times, want 5: four statements matter, the fifth doesn't", rounds)
	}
	plan, err := snapshot.LoadPlan(t.Context(), m.State())
	m.Must(err)
	if len(plan.Tables) != 3 || !plan.P1.Covers(plan.P0) {
		t.Errorf("planned %v, P0 %s, P1 %s", plan.Tables, plan.P0, plan.P1)
	}
	m.Exec("INSERT INTO t (id, x) VALUES (1, 1)")
	m.Snapshot()
	m.Tail(m.Settle()).Check("t", "made", "renamed")
}

// A task file that shapes messages otherwise than when the task began is
// refused by every step; limits may change (rule C6).
func TestC6ChangedTaskFile(t *testing.T) {
	t.Parallel()
	m := table600(t)
	m.Plan()
	yaml := m.YAML
	m.YAML = yaml + "lanes: 7\n"
	if _, err := m.Process().Plan(t.Context(), app.PlanInput{Task: m.Name}); fault.ClassOf(err) != fault.CheckpointUnusable {
		t.Errorf("plan with other lanes: %v", err)
	}
	if err := m.SnapshotBy(m.Process()); fault.ClassOf(err) != fault.CheckpointUnusable {
		t.Errorf("snapshot with other lanes: %v", err)
	}
	m.YAML = strings.Replace(yaml, "retry:", "limits: {messagesPerSecond: 100000}\nretry:", 1)
	m.Snapshot()
	epoch := m.Settle()
	m.YAML = yaml + "order: table\n"
	if _, err := m.Tail(epoch).Wait(); fault.ClassOf(err) != fault.CheckpointUnusable {
		t.Errorf("tail with another order: %v", err)
	}
	m.YAML = yaml
	m.Tail(epoch).Check("t")
}
