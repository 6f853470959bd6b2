// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
)

const integers = "CREATE TABLE t (id BIGINT PRIMARY KEY, " + body + ")"

// table600 is table t with rows 0, 2, … 1198, in three chunks.
func table600(t *testing.T) *apptest.Migration {
	t.Helper()
	k := keyTables()[0]
	m := apptest.New(t, integers, k.fill(), "ANALYZE TABLE t")
	m.Tune.ChunkRows = 200
	return m
}

// beside runs act so that it can't block a hook: a DDL waits for the metadata
// lock of the very SELECT the hook stops. The result waits for its end.
func beside(act func()) (start func(), wait func()) {
	var wg sync.WaitGroup
	return func() { wg.Go(act) }, wg.Wait
}

// awaitQueued waits until a statement waits for its metadata lock: from then on
// no SELECT that comes later overtakes it.
func awaitQueued(m *apptest.Migration, statement string) {
	m.T.Helper()
	servertest.Eventually(m.T, statement+" to wait for its lock", time.Minute, func() bool {
		var n int
		err := m.DB.QueryRowContext(m.T.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = ? AND INFO = ? AND STATE = 'Waiting for table metadata lock'",
			m.Database, statement).Scan(&n)
		m.Must(err)
		return n > 0
	})
}

// A TRUNCATE at any moment of the middle chunk, rows after it: the consumer
// ends with the rows after it only, by a void generation, by a reset, or by an
// ordinary barrier when no chunk was read behind it (rule S4).
func TestS4TruncateAtEveryMoment(t *testing.T) {
	t.Parallel()
	act := func(m *apptest.Migration) func() {
		return func() {
			at(m, "INSERT INTO t (id, v) VALUES (401, 'gone')", "TRUNCATE TABLE t",
				"INSERT INTO t (id, v) SELECT i, 'after' FROM "+servertest.Numbers(300, 1500, 3), "UPDATE t SET v = 'changed' WHERE id BETWEEN 700 AND 800")
		}
	}
	for _, mo := range moments() {
		t.Run(mo.name, func(t *testing.T) {
			t.Parallel()
			m := table600(t)
			start, wait := beside(act(m))
			mo.at(m, "1", func() {
				start()
				if mo.name == "Row" { // its SELECT holds the metadata lock
					awaitQueued(m, "TRUNCATE TABLE t")
				} else {
					wait()
				}
			})
			tail := follow(m)
			wait()
			tail.Check("t")
			// Behind Stored the next chunk may be read already, and then none is behind
			// the TRUNCATE.
			if mo.name != "Sending" && mo.name != "Delivered" && generations(m) < 2 {
				t.Error("chunks on both sides of a TRUNCATE, and no new generation")
			}
		})
	}
}

// A TRUNCATE after every chunk is an ordinary barrier; one between P0 and the
// first chunk is in every watermark.
func TestS4TruncateBesideTheSnapshot(t *testing.T) {
	t.Parallel()
	t.Run("after", func(t *testing.T) {
		t.Parallel()
		m := table600(t)
		m.Plan()
		m.Snapshot()
		m.Exec("TRUNCATE TABLE t", "INSERT INTO t (id, v) VALUES (5, 'after')")
		tail := m.Tail(m.Settle())
		tail.Check("t")
		if n := generations(m); n != 1 {
			t.Errorf("%d generations for a TRUNCATE behind the snapshot", n)
		}
	})
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		m := table600(t)
		m.Plan()
		m.Exec("TRUNCATE TABLE t", "INSERT INTO t (id, v) VALUES (5, 'after'), (700, 'after')")
		follow(m).Check("t")
	})
}

// DROP and CREATE with other columns, and RENAMEs, while chunks are read.
func TestS4ReplacedTable(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"drop":      {"DROP TABLE t", "CREATE TABLE t (k VARCHAR(10) PRIMARY KEY, x DOUBLE)", "INSERT INTO t VALUES ('a', 1.5), ('b', NULL)"},
		"recreated": {"DROP TABLE t", integers, "INSERT INTO t (id, v) VALUES (1, 'a'), (900, 'b')"},
		"key":       {"ALTER TABLE t DROP PRIMARY KEY, ADD COLUMN k INT NOT NULL DEFAULT 3, ADD PRIMARY KEY (k, id)", "UPDATE t SET k = 4 WHERE id < 900"},
		"key type":  {"ALTER TABLE t MODIFY id INT UNSIGNED", "UPDATE t SET v = 'x' WHERE id < 900"},
		"collation": {"ALTER TABLE t MODIFY v VARCHAR(200) COLLATE utf8mb4_bin", "UPDATE t SET v = 'x' WHERE id < 900"},
		"gone":      {"DROP TABLE t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := table600(t)
			oneLane(m) // a row has another lane under another key
			m.Exec("CREATE TABLE other (id INT PRIMARY KEY)", "INSERT INTO other VALUES (1)")
			m.Tune.SnapshotHooks.Kept = once("1", func() { at(m, statements...) })
			tail := follow(m)
			if name == "gone" {
				tail.Check("other")
			} else {
				tail.Check("t", "other")
			}
		})
	}
}

// An ALTER that adds a column, at any moment: the chunk is read again with the
// new definition, and nothing else is (rule S4).
func TestS4AlterAtEveryMoment(t *testing.T) {
	t.Parallel()
	m := table600(t)
	var waits []func()
	for i, mo := range moments() {
		act := func() {
			at(m,
				fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d INT DEFAULT %d", i, i),
				fmt.Sprintf("UPDATE t SET c%d = id WHERE id BETWEEN %d AND %d", i, 350+10*i, 450+10*i),
				fmt.Sprintf("INSERT INTO t (id, v) VALUES (%d, 'new'), (%d, 'new'), (%d, 'new')", 2*i+1, 501+2*i, 901+2*i))
		}
		start, wait := beside(act)
		mo.at(m, "1", func() {
			start()
			if mo.name != "Row" {
				wait()
			}
		})
		waits = append(waits, wait)
	}
	m.Plan()
	m.Snapshot()
	for _, wait := range waits {
		wait()
	}
	tail := m.Tail(m.Settle())
	tail.Check("t")
	if n := generations(m); n != 1 {
		t.Errorf("%d generations for columns that were added", n)
	}
}

// A key that changes right behind the snapshot, while the seam is still in
// use: rows with the new key are told from those the chunks hold.
func TestS10KeyChangedBehindTheSnapshot(t *testing.T) {
	t.Parallel()
	m := apptest.New(t, "CREATE TABLE t (a INT, b INT, v INT, PRIMARY KEY (a, b))",
		"INSERT INTO t SELECT i, i, 0 FROM "+servertest.Numbers(0, 300, 1))
	oneLane(m) // a row has another lane under another key
	m.Plan()
	m.Snapshot()
	m.Exec("UPDATE t SET v = 1 WHERE a < 50", "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a)",
		"INSERT INTO t VALUES (1000, 1, 1)", "UPDATE t SET v = 2 WHERE a < 120 OR a > 280", "ALTER TABLE t DROP PRIMARY KEY", "INSERT INTO t VALUES (7, 7, 7)")
	tail := m.Tail(m.Settle())
	tail.Check("t")
}
