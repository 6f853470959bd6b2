// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/fault"
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

func noGTIDs(t *testing.T) *servertest.MySQLServer {
	t.Helper()
	return servertest.StartMySQL(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
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
	server := noGTIDs(t)
	for _, k := range keyTables() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			server.NeedsTo(t, k.ddl)
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

// semiSync prepares for commits that wait for a replica, which never answers:
// they are in the log, and visible only when the time is over, or set("OFF").
// The first that waited in vain switches the waiting off.
func semiSync(m *apptest.Migration, timeout time.Duration) (set func(on string)) {
	m.T.Helper()
	m.Server.Needs(m.T, 80100, "the plugin of semi-synchronous replication, in the build that tests run")
	m.Exec("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
		fmt.Sprintf("SET GLOBAL rpl_semi_sync_source_timeout = %d", timeout.Milliseconds()))
	return func(on string) { at(m, "SET GLOBAL rpl_semi_sync_source_enabled = "+on) }
}

// writer is a session of its own that changes rows of the middle chunk and
// above all, and doesn't wait for its commit.
func writer(m *apptest.Migration, writes *sync.WaitGroup) {
	k, end := keyTables()[0], m.LogEnd()
	writes.Go(func() {
		at(m, "START TRANSACTION; "+k.insert(401, "in the log")+"; "+k.update(410, "!")+"; "+k.remove(420)+"; "+k.move(430, 431)+"; "+k.move(440, 41)+"; "+k.insert(3001, "above")+"; COMMIT")
	})
	servertest.Eventually(m.T, "the transaction is in the log", 20*time.Second, func() bool { return m.LogEnd() != end })
}

// Rule S11: what is in the log and not yet visible is neither lost nor taken
// for read: the age counts on top of what semi-synchronous replication takes.
func TestS11CommitThatIsInTheLogButNotVisible(t *testing.T) {
	t.Parallel()
	k := keyTables()[0]
	m := byPosition(t, noGTIDs(t), integers, k.fill(), "ANALYZE TABLE t")
	m.Tune.ChunkRows = 200
	m.Exec("CREATE TABLE late (id INT PRIMARY KEY, v INT)", "INSERT INTO late VALUES (1, 1)")
	semi := semiSync(m, 5*time.Second)
	semi("ON")
	// Before P0: the keys planned with are those of a moment when it is visible.
	var writes sync.WaitGroup
	end := m.LogEnd()
	writes.Go(func() { at(m, "INSERT INTO late VALUES (1000, 2)") })
	servertest.Eventually(t, "the transaction is in the log", 20*time.Second, func() bool { return m.LogEnd() != end })
	m.Plan()
	writes.Wait()
	semi("OFF")
	semi("ON")
	first := once("0", func() { writer(m, &writes) })
	m.Tune.SnapshotHooks.Row = func(chunk string, _ int64) { first(chunk) }
	m.Snapshot()
	writes.Wait()
	semi("OFF")
	checkMarked(m.Tail(m.Settle()), m, "t", "late")
}

// The same with an age that doesn't count what commits wait for.
func TestS11WithoutTheAge(t *testing.T) {
	t.Parallel()
	k := keyTables()[0]
	m := byPosition(t, noGTIDs(t), integers, k.fill(), "ANALYZE TABLE t")
	m.Tune.Age, m.Tune.ChunkRows = time.Nanosecond, 200
	m.Plan()
	var writes sync.WaitGroup
	semi := semiSync(m, time.Hour)
	// Behind chunk 0's SELECT its upper bound is awaited, so that the transaction
	// has been read from the log when chunk 1 begins.
	first := once("0", func() { semi("ON"); writer(m, &writes) })
	m.Tune.SnapshotHooks.Row = func(chunk string, _ int64) { first(chunk) }
	m.Snapshot()
	semi("OFF")
	writes.Wait()
	fails(t, m.Tail(m.Settle()).Examine(checker.Options{Rewound: true}, "t"))
}

// Rules S4, S11: a chunk waits until a DDL before it is as old as a position
// must be, is read again when one comes between, and is void when that removed
// rows.
func TestS11DDLWhileAChunkIsRead(t *testing.T) {
	t.Parallel()
	server := noGTIDs(t)
	for _, c := range []struct {
		name, ddl   string
		generations int64
	}{
		{"ALTER", "ALTER TABLE t ADD c INT DEFAULT 5", 1},
		{"ALTER of the key", "ALTER TABLE t MODIFY id DECIMAL(20) NOT NULL", 2},
		{"TRUNCATE", "TRUNCATE TABLE t", 2},
	} {
		for _, moment := range []string{"before", "View", "Row"} {
			t.Run(c.name+" "+moment, func(t *testing.T) {
				t.Parallel()
				k := keyTables()[0]
				m := byPosition(t, server, integers, k.fill(), "ANALYZE TABLE t")
				m.Tune.ChunkRows = 200
				oneLane(m) // another key moves rows to other lanes
				var ran, again atomic.Int64
				act := func() { ran.Add(1); at(m, c.ddl, k.insert(501, "behind it"), k.update(700, "+")) }
				switch moment {
				case "before":
					m.Tune.SnapshotHooks.Delivered = once("0", act)
					m.Tune.SnapshotHooks.Kept = gate(m, "1")
				case "View":
					m.Tune.SnapshotHooks.View = once("1", act)
				case "Row": // the SELECT holds the table against DDL: it waits behind it
					m.Tune.SnapshotHooks.Row = func(chunk string, n int64) {
						if chunk == "1" && n == 20 && ran.CompareAndSwap(0, 1) {
							go at(m, c.ddl)
							servertest.Eventually(t, "the DDL waits", 20*time.Second, func() bool {
								var n int
								m.Must(m.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata%' AND info LIKE ?", "%"+c.ddl+"%").Scan(&n))
								return n > 0
							})
						}
					}
				}
				inner := m.Tune.SnapshotHooks.Kept
				m.Tune.SnapshotHooks.Kept = func(chunk string) {
					if chunk == "1" {
						again.Add(1)
					}
					if inner != nil {
						inner(chunk)
					}
				}
				tail := follow(m)
				if ran.Load() != 1 {
					t.Fatalf("the DDL ran %d times", ran.Load())
				}
				// While the tail is behind the DDL in the log, the rows may have columns that
				// came later: those that are told again are marked.
				checkMarked(tail, m, "t")
				if got := generations(m); got > c.generations || moment != "Row" && got < c.generations {
					t.Errorf("%d generations, want %d", got, c.generations)
				}
				if n := again.Load(); n > 6 {
					t.Errorf("chunk 1 was begun %d times", n)
				}
			})
		}
	}
}

// Rules S7, S11: tables of every kind at once; who has no primary key can't tell
// a row that is told twice, so none is written to in the while before its view.
func TestS11KeylessTables(t *testing.T) {
	t.Parallel()
	m := byPosition(t, noGTIDs(t),
		"CREATE TABLE keyless (a INT, b VARCHAR(20))", "CREATE TABLE myisam (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE=MyISAM",
		"INSERT INTO keyless SELECT i % 50, 'first' FROM "+servertest.Numbers(0, 200, 1), "INSERT INTO myisam SELECT i, 'first' FROM "+servertest.Numbers(0, 200, 1))
	m.Plan()
	views := 0
	m.Tune.SnapshotHooks.View = func(string) {
		at(m, fmt.Sprintf("INSERT INTO keyless VALUES (%d, 'window')", views), fmt.Sprintf("INSERT INTO myisam VALUES (%d, 'window')", 1000+views), fmt.Sprintf("DELETE FROM myisam WHERE a = %d", views))
		views++
	}
	m.Snapshot()
	m.Exec("UPDATE keyless SET b = 'behind' WHERE a = 7", "DELETE FROM myisam WHERE a < 5")
	if report := checkMarked(m.Tail(m.Settle()), m, "keyless", "myisam"); report.Replays == 0 {
		t.Error("nothing is marked")
	}
}

// Rule S11: a task with a snapshot alone ends when the tail has passed the
// seam, on a source that stands still, too.
func TestS11FullOnly(t *testing.T) {
	t.Parallel()
	k := keyTables()[0]
	m := byPosition(t, noGTIDs(t), integers, k.fill(), "ANALYZE TABLE t")
	m.YAML += "stages: [full]\n"
	m.Tune.ChunkRows = 200
	m.Tune.SnapshotHooks.View = once("1", func() { at(m, append(k.operations(1), "FLUSH BINARY LOGS")...) })
	m.Plan()
	m.Snapshot()
	tail := m.Tail(m.Settle())
	out, err := tail.Wait()
	m.Must(err)
	if !out.Stopped {
		t.Fatalf("the tail says %+v", out)
	}
	checkMarked(tail, m, "t")
}

// Rule S11: with GTIDs for some transactions, all go by position.
func TestS11PermissiveModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"OFF_PERMISSIVE", "ON_PERMISSIVE"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			k := keyTables()[0]
			server := servertest.StartMySQL(t, "--gtid-mode="+mode, "--enforce-gtid-consistency=ON")
			m := byPosition(t, server, integers, k.fill(), "ANALYZE TABLE t")
			m.Tune.ChunkRows = 200
			// A GTID of another server, as a replica of it logs, and none at all.
			mixed := func(n int) []string {
				return []string{
					fmt.Sprintf("SET gtid_next = '3e11fa47-71ca-11e1-9e33-c80aa9429562:%d'; %s; SET gtid_next = 'AUTOMATIC'", n+1, k.update(100+2*n, "+given")),
					"SET gtid_next = 'ANONYMOUS'; " + k.update(500+2*n, "+none") + "; SET gtid_next = 'AUTOMATIC'",
					k.insert(401+2*n, "automatic"), k.move(600+2*n, 2001+2*n),
				}
			}
			m.Plan()
			m.Tune.SnapshotHooks.Kept = once("1", func() { at(m, mixed(0)...) })
			m.Tune.SnapshotHooks.View = once("1", func() { at(m, mixed(1)...) })
			m.Snapshot()
			at(m, mixed(2)...)
			tail := m.Tail(m.Settle())
			checkMarked(tail, m, "t")
			// The mode moves on while the task runs: it goes on by position.
			if mode == "ON_PERMISSIVE" {
				tail.Stop()
				at(m, mixed(3)...)
				m.Exec("SET GLOBAL gtid_mode = ON", k.update(700, "+on"))
				_, err := m.Tail(0).Wait()
				if fault.ClassOf(err) != fault.Blocked || !strings.Contains(err.Error(), "ON_PERMISSIVE") {
					t.Fatalf("with transactions unread that have no GTID the tail says %v", err)
				}
				m.Exec("SET GLOBAL gtid_mode = ON_PERMISSIVE")
				tail = m.Tail(0)
				tail.Caught()
				m.Exec("SET GLOBAL gtid_mode = ON", k.update(702, "+on"))
				checkMarked(tail, m, "t")
				tail.Stop()
				m.Exec(k.update(704, "+on"))
				checkMarked(m.Tail(0), m, "t")
			}
		})
	}
}
