// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
	"slipway/shared/snapshot"
)

// keyed is a table `t` with some kind of key, whose rows go by numbers.
type keyed struct {
	name string
	ddl  string
	// cols are the key's columns; values gives a row's key, as SQL, from a number
	// or from an expression that is one.
	cols   []string
	values func(n string) []string
	mode   snapshot.Mode
}

func (k keyed) join(n string, with string) string {
	parts := make([]string, len(k.cols))
	for i, v := range k.values(n) {
		parts[i] = k.cols[i] + " = " + v
	}
	return strings.Join(parts, with)
}

func (k keyed) where(n int) string { return " WHERE " + k.join(fmt.Sprint(n), " AND ") }

func (k keyed) insert(n int, v string) string {
	return fmt.Sprintf("INSERT INTO t (%s, v) VALUES (%s, '%s')", strings.Join(k.cols, ", "), strings.Join(k.values(fmt.Sprint(n)), ", "), v)
}

func (k keyed) update(n int, v string) string {
	return fmt.Sprintf("UPDATE t SET v = CONCAT(v, '%s')", v) + k.where(n)
}
func (k keyed) remove(n int) string { return "DELETE FROM t" + k.where(n) }
func (k keyed) move(from, to int) string {
	return "UPDATE t SET " + k.join(fmt.Sprint(to), ", ") + k.where(from)
}

// fill makes rows 0, 2, … 1198: three chunks of 200 where keys have an order.
func (k keyed) fill() string {
	return fmt.Sprintf("INSERT INTO t (%s, v) SELECT %s, CONCAT('first ', i) FROM %s", strings.Join(k.cols, ", "), strings.Join(k.values("i"), ", "), servertest.Numbers(0, 1200, 2))
}

const body = "v VARCHAR(200), n INT DEFAULT 0"

func keyTables() []keyed {
	text := func(n string) string { return fmt.Sprintf("CONCAT(IF(%s %% 4 = 0, 'K', 'k'), LPAD(%s, 6, '0'))", n, n) }
	one := func(f func(string) string) func(string) []string {
		return func(n string) []string { return []string{f(n)} }
	}
	plain := func(n string) string { return n }
	return []keyed{
		{"integer", "CREATE TABLE t (id BIGINT PRIMARY KEY, " + body + ")", []string{"id"}, one(plain), snapshot.Ranges},
		{"utf8mb4_0900_ai_ci", "CREATE TABLE t (id VARCHAR(20) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, " + body + ")", []string{"id"}, one(text), snapshot.Ranges},
		{"general_ci", "CREATE TABLE t (id CHAR(20) CHARACTER SET latin1 COLLATE latin1_general_ci PRIMARY KEY, " + body + ")", []string{"id"}, one(text), snapshot.Ranges},
		{
			"composite", "CREATE TABLE t (" + body + ", b VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, a DECIMAL(10,2) NOT NULL, UNIQUE KEY (a, b))",
			[]string{"a", "b"},
			func(n string) []string { return []string{"(" + n + " DIV 100) / 2", text(n)} }, snapshot.Ranges,
		},
		{"FLOAT", "CREATE TABLE t (id FLOAT PRIMARY KEY, " + body + ")", []string{"id"}, one(func(n string) string { return n + " / 2" }), snapshot.Whole},
	}
}

// operations are what a writer can do to the middle chunk (about 400 to 800),
// and between it and its neighbours. Each moment of a run has rows of its own.
func (k keyed) operations(moment int) []string {
	b, lo, hi, top := 420+40*moment, 20*moment, 900+20*moment, 2000+20*moment
	return []string{
		k.insert(b+1, "inside"),
		k.update(b, "+1"), k.update(b, "+2"),
		k.remove(b + 2),
		k.remove(b + 4), k.insert(b+4, "back again"),
		k.insert(b+3, "for a moment"), k.remove(b + 3),
		k.move(b+6, b+7),
		k.move(b+8, lo+1),
		k.move(b+10, hi+1),
		k.move(b+12, top),
		k.move(lo+2, b+13), k.update(b+13, "moved in"),
		k.move(hi+2, b+15),
		k.insert(top+2, "above"), k.update(top+2, "+"),
		k.insert(top+4, "above"), k.move(top+4, b+17),
		"START TRANSACTION; " + k.move(b+14, b+19) + "; " + k.move(b+16, b+14) + "; " + k.move(b+19, b+16) + "; COMMIT",
		"START TRANSACTION; " + k.update(b+18, "never") + "; " + k.remove(b+18) + "; ROLLBACK",
		"START TRANSACTION; " + k.update(b+20, "a") + "; " + k.remove(b+20) + "; " + k.insert(b+20, "c") + "; SAVEPOINT s; " + k.remove(b+24) + "; ROLLBACK TO s; COMMIT",
		k.move(b+22, b+23), k.move(b+23, b+25), k.update(b+25, "far"),
		k.remove(lo + 4), k.update(lo+6, "+"), k.insert(lo+7, "low"),
		k.remove(hi + 4), k.update(hi+6, "+"), k.insert(hi+7, "high"),
		// The same key in a collation that ignores case, another one elsewhere.
		"UPDATE t SET " + k.cols[len(k.cols)-1] + " = UPPER(" + k.cols[len(k.cols)-1] + ")" + k.where(b+26),
		"UPDATE t SET n = n + 1 WHERE v LIKE 'first 4%'",
	}
}

// middle is the chunk the operations are about.
func (k keyed) middle() string {
	if k.mode == snapshot.Ranges {
		return "1"
	}
	return "0"
}

// Whatever is written at whatever moment while a chunk is read, stored and
// sent: the chunk is exact at its watermark, and the tail brings the rest
// (rules S1, S3, S6).
func TestS1WritesAtEveryMoment(t *testing.T) {
	t.Parallel()
	for _, k := range keyTables() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			servertest.MySQL(t).NeedsTo(t, k.ddl)
			m := apptest.New(t, k.ddl, k.fill(), "ANALYZE TABLE t")
			m.Tune.ChunkRows = 200
			ran := map[string]int{}
			for i, mo := range moments() {
				mo.at(m, k.middle(), func() { ran[mo.name]++; at(m, k.operations(i)...) })
			}
			m.Plan()
			if got, chunks := mode(m, "t"); got != k.mode || (got == snapshot.Ranges) != (chunks >= 3) {
				t.Fatalf("planned %s in %d chunks, want %s", got, chunks, k.mode)
			}
			m.Snapshot()
			for _, mo := range moments() {
				if ran[mo.name] != 1 {
					t.Errorf("moment %s came %d times", mo.name, ran[mo.name])
				}
			}
			at(m, k.operations(len(moments()))...)
			tail := m.Tail(m.Settle())
			report := tail.Check("t")
			if report.Copies != 0 || report.Replays != 0 {
				t.Errorf("%d copies, %d marked: nothing was repeated", report.Copies, report.Replays)
			}
		})
	}
}
