// SPDX-License-Identifier: Apache-2.0

package functions_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"slipway/shared/fc"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// TestMigration runs whole migrations as they are deployed: five binaries as processes of their own, called by the flow,
// state in S3, a real MySQL and a real RocketMQ.
func TestMigration(t *testing.T) {
	binaries := build(t)
	t.Run("a worker is killed", func(t *testing.T) { workerIsKilled(t, binaries) })
	t.Run("a table is needed again", func(t *testing.T) { tableIsNeededAgain(t, binaries) })
}

// atFirstDone has act called when worker 0 has delivered its first chunk and is about to store the chunk's result. The
// other workers are held back before they begin and go on afterwards. The result is stored if act returns true.
func (r *rig) atFirstDone(act func() bool) {
	var once sync.Once
	others := make(chan struct{})
	r.bucket.watch(func(key string, body []byte) (stored bool) {
		_, object, _ := strings.Cut(key, "/")
		stored = true
		switch {
		case strings.HasPrefix(object, "workers/") && !strings.HasSuffix(object, ".ended.json"):
			var inv struct{ Worker int }
			if err := json.Unmarshal(body, &inv); err != nil {
				r.T.Errorf("%s: %v", key, err)
			}
			if inv.Worker != 0 {
				<-others
			}
		case strings.HasSuffix(object, ".done.json"):
			once.Do(func() {
				stored = act()
				close(others)
			})
		}
		return stored
	})
}

// workerIsKilled: kill -9 between a chunk's last message and the record of it. The flow calls the worker again, which
// sends the chunk again, marked; everybody else is not disturbed; and the next execution goes on where this one ended.
func workerIsKilled(t *testing.T, binaries string) {
	var statements, names []string
	for i := range 8 {
		name := fmt.Sprintf("t%d", i)
		names = append(names, name)
		statements = append(statements,
			"CREATE TABLE "+name+" (id INT PRIMARY KEY, n INT NOT NULL, note VARCHAR(100), at TIMESTAMP(3) NULL)",
			"INSERT INTO "+name+" WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 500) SELECT i, 0, CONCAT('row ', i), NOW(3) FROM s")
	}
	r := deploy(t, binaries, statements...)
	killed := 0
	r.atFirstDone(func() bool {
		run := r.worker(0)
		run.Kill()
		killed = run.PID
		return false
	})
	stop := r.writer(change)
	x := r.execute()
	x.awaitTail(1)
	if n := stop(); n < 100 {
		t.Errorf("only %d changes were made meanwhile", n)
	}
	first := x.check(names...)
	if killed == 0 {
		t.Error("nobody was killed")
	}
	if first.Copies == 0 || first.Replays < first.Copies {
		t.Errorf("the killed worker's chunk was not sent again, marked:\n%s", first.String())
	}
	states, retried := x.seen()
	if len(retried) != 1 || fc.Classify(retried[0]).Type != fc.TypeUnknown || !strings.Contains(retried[0].Error(), "process exited unexpectedly") {
		t.Errorf("retried: %v, want just the killed worker", retried)
	}
	if !slices.Contains(states, "rest") {
		t.Error("settle did not wait for the invocation that ended unseen (S10)")
	}
	x.drain()

	r.Exec("DELETE FROM t0 WHERE id < 100", "UPDATE t1 SET n = -1", "INSERT INTO t2 VALUES (70000, 1, NULL, NULL)")
	x = r.execute()
	x.awaitTail(1)
	second := x.check(names...)
	if second.Full != first.Full || second.Incremental <= first.Incremental || second.Copies != first.Copies {
		t.Errorf("the second execution did not go on where the first ended:\n%s%s", first.String(), second.String())
	}
	x.drain()
}

// change is the n-th change of the eight tables: all kinds, over all of the keys.
func change(n int) string {
	table, id := fmt.Sprintf("t%d", n%8), n*37%500+1
	switch n / 8 % 5 {
	case 0:
		return fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, 'new', NOW(3))", table, 1000+n, n)
	case 1:
		return fmt.Sprintf("UPDATE %s SET id = id + 20000 WHERE id = %d", table, id)
	case 2:
		return fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, id)
	case 3:
		return fmt.Sprintf("UPDATE %s SET n = %d, note = NULL WHERE id BETWEEN %d AND %d", table, n, id, id+5)
	}
	return fmt.Sprintf("START TRANSACTION; UPDATE %s SET n = %d WHERE id > 490; DELETE FROM t0 WHERE id = %d; COMMIT", table, n, id)
}

// tableIsNeededAgain: a TRUNCATE between two chunks of a table. The tail tells consumers to forget it and ends, the flow
// plans, reads and settles it once more, and starts the tail's next epoch (S4).
func tableIsNeededAgain(t *testing.T, binaries string) {
	const rows = "INSERT INTO %s WITH RECURSIVE s(i) AS (SELECT %d UNION ALL SELECT i+1 FROM s WHERE i < %d) SELECT LPAD(i, 8, '0'), %s FROM s"
	r := deploy(t, binaries,
		"CREATE TABLE wide (id CHAR(8) COLLATE utf8mb4_bin PRIMARY KEY, fill VARBINARY(9000))", // 9 KB a row: about 1,000 rows a chunk
		fmt.Sprintf(rows, "wide", 1, 900, "REPEAT('a', 9000)"),
		fmt.Sprintf(rows, "wide", 901, 1800, "REPEAT('b', 9000)"),
		fmt.Sprintf(rows, "wide", 1801, 2500, "REPEAT('c', 9000)"),
		"ANALYZE TABLE wide", // the plan goes by the server's idea of a row's length
		"CREATE TABLE calm (id INT PRIMARY KEY, n INT)",
		"INSERT INTO calm VALUES (1, 1), (2, 2)",
	)
	r.atFirstDone(func() bool {
		r.Exec("TRUNCATE TABLE wide", fmt.Sprintf(rows, "wide", 5001, 5700, "REPEAT('d', 100)"))
		return true
	})
	stop := r.writer(func(n int) string {
		if n%2 == 0 {
			return fmt.Sprintf("INSERT INTO calm VALUES (%d, %d)", 10+n, n)
		}
		return fmt.Sprintf("REPLACE INTO wide VALUES ('x%d', 'meanwhile')", n%50)
	})
	x := r.execute()
	x.awaitTail(2)
	stop()
	for gen, chunks := range []int{3, 1} {
		g, err := state.GetJSON[snapshot.Generation](t.Context(), r.store, r.task().GenerationPlan(state.Table(r.Database, "wide"), int64(gen)))
		if err != nil || g.Chunks() < chunks {
			t.Errorf("generation %d of the table has %d chunks, want at least %d: %v", gen, g.Chunks(), chunks, err)
		}
	}
	x.check("wide", "calm")
	states, retried := x.seen()
	if want := []string{"precheck", "plan", "settle", "tail", "plan", "settle", "tail"}; !slices.Equal(called(states, want), want) {
		t.Errorf("the flow went %v", states)
	}
	if len(retried) > 0 {
		t.Errorf("retried: %v", retried)
	}
	if tip := r.tip(t.Context()); tip.Epoch != 2 {
		t.Errorf("the last tail had epoch %d, want 2", tip.Epoch)
	}
	x.drain()
}

// called leaves out the states that call no function; settle may have been asked several times.
func called(states, functions []string) []string {
	states = slices.DeleteFunc(slices.Clone(states), func(s string) bool { return !slices.Contains(functions, s) })
	return slices.Compact(states)
}
