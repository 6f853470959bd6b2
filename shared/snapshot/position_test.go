// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"testing"
	"time"

	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/servertest"
	"slipway/shared/snapshot"
)

// byPosition is a migration off a server that gives no GTIDs, whose positions
// are old enough after a second.
func byPosition(t *testing.T, server *servertest.MySQLServer, statements ...string) *apptest.Migration {
	t.Helper()
	m := apptest.On(t, server, servertest.RocketMQ(t), statements...)
	m.Tune.Age = time.Second
	return m
}

// noGTIDs starts a server of this mode.
func noGTIDs(t *testing.T, mode string, flags ...string) *servertest.MySQLServer {
	t.Helper()
	return servertest.StartMySQL(t, append(flags, "--gtid-mode="+mode, "--enforce-gtid-consistency=OFF")...)
}

// checkMarked is Tail.Check for a seam that overlaps: what comes twice is
// marked, and may be older than what came before.
func checkMarked(tail *apptest.Tail, m *apptest.Migration, tables ...string) checker.Report {
	m.T.Helper()
	report := tail.Examine(checker.Options{Rewound: true}, tables...)
	if !report.OK() {
		m.T.Fatalf("the topic is not the source:\n%s", report.String())
	}
	return report
}

// Rule S11: whatever is written at whatever moment, the tail tells again what a
// chunk may hold already, marked, and the rows end as they are.
func TestS11WritesAtEveryMoment(t *testing.T) {
	t.Parallel()
	server := noGTIDs(t, "OFF")
	for _, k := range keyTables() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			m := byPosition(t, server, k.ddl, k.fill(), "ANALYZE TABLE t")
			m.Tune.ChunkRows = 200
			ran := map[string]bool{}
			for i, mo := range moments() {
				mo.at(m, k.middle(), func() { ran[mo.name] = true; at(m, k.operations(i)...) })
			}
			m.Tune.PlanHooks.P0 = func() { at(m, k.operations(len(moments()))...) }
			m.Plan()
			if got, chunks := mode(m, "t"); got != k.mode || (got == snapshot.Ranges) != (chunks >= 3) {
				t.Fatalf("planned %s in %d chunks, want %s", got, chunks, k.mode)
			}
			m.Snapshot()
			for _, mo := range moments() {
				if exactOnly := mo.name == "End" || mo.name == "Watermark"; ran[mo.name] == exactOnly {
					t.Errorf("moment %s came: %v", mo.name, ran[mo.name])
				}
			}
			at(m, k.operations(len(moments())+1)...)
			tail := m.Tail(m.Settle())
			// What is told twice is one row only to who knows the key: Canal JSON names
			// primary keys.
			opts := checker.Options{Rewound: true, Keys: map[string][]string{m.Database + ".t": k.cols}}
			report := tail.Examine(opts, "t")
			if !report.OK() {
				t.Fatalf("the topic is not the source:\n%s", report.String())
			}
			if report.Replays == 0 {
				t.Error("nothing is marked, and chunks were read behind what they hold")
			}
		})
	}
}
