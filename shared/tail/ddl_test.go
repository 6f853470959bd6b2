// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/servertest"
)

// body is what a Canal JSON message says.
type body struct {
	Type, SQL, Database, Table string
	IsDdl                      bool
	Data                       []map[string]*string
	MysqlType                  map[string]string
}

func parsed(t *testing.T, m checker.Message) body {
	t.Helper()
	var b body
	if err := json.Unmarshal(m.Body, &b); err != nil {
		t.Fatalf("%s: %v", m.Body, err)
	}
	return b
}

// statements gives the topic's statements as "TYPE table", in order of their
// numbers.
func statements(t *testing.T, m *apptest.Migration) []string {
	t.Helper()
	bySeq := map[int64]string{}
	for _, msg := range messages(m) {
		b := parsed(t, msg)
		if !b.IsDdl {
			continue
		}
		var seq int64
		if _, err := fmt.Sscan(msg.Properties["seq"], &seq); err != nil {
			t.Fatal(err)
		}
		bySeq[seq] = b.Type + " " + b.Table
	}
	var out []string
	for _, seq := range slices.Sorted(maps.Keys(bySeq)) {
		out = append(out, bySeq[seq])
	}
	return out
}

// Statements of every kind go out as barriers, one message per table, with
// canal's types; accounts and what concerns no table stay at home.
func TestT5EveryKindOfStatement(t *testing.T) {
	t.Parallel()
	servertest.MySQL(t).Needs(t, 80021, "CREATE TABLE AS SELECT with GTIDs")
	m := apptest.New(t, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO t VALUES (1, 'a')")
	other := m.Server.Database(t)
	user := "u" + m.Database
	tail := m.Tail(ready(m))
	var want []string
	for _, c := range []struct {
		run  string
		want []string
	}{
		{"UPDATE t SET v = 'b'", nil},
		{"CREATE TABLE a (id INT PRIMARY KEY, v INT)", []string{"CREATE a"}},
		{"INSERT INTO a VALUES (1, 1)", nil},
		{"CREATE TABLE b LIKE a", []string{"CREATE b"}},
		{"CREATE TABLE c (id INT PRIMARY KEY) AS SELECT id FROM a", []string{"CREATE c"}},
		{"CREATE INDEX i ON a (v)", []string{"CINDEX a"}},
		{"DROP INDEX i ON a", []string{"DINDEX a"}},
		{"ALTER TABLE a ADD INDEX j (v)", []string{"CINDEX a"}},
		{"ALTER TABLE a DROP INDEX j", []string{"DINDEX a"}},
		{"ALTER TABLE a ADD COLUMN w INT DEFAULT 3, ADD INDEX (w)", []string{"ALTER a"}},
		{"UPDATE a SET w = 4; INSERT INTO b VALUES (1, 1)", nil},
		{"ALTER TABLE a RENAME TO a2", []string{"RENAME a2"}},
		{"UPDATE a2 SET w = 5", nil},
		{"RENAME TABLE a2 TO x, b TO a2, x TO b", []string{"RENAME x", "RENAME a2", "RENAME b"}},
		{"UPDATE a2 SET v = 6; UPDATE b SET w = 6", nil},
		{"TRUNCATE TABLE b", []string{"TRUNCATE b"}},
		{"INSERT INTO b VALUES (2, 2, 2)", nil},
		{"CREATE TABLE d (id INT PRIMARY KEY); CREATE TABLE e (id INT PRIMARY KEY); INSERT INTO d VALUES (1); DROP TABLE d, e", []string{"CREATE d", "CREATE e", "ERASE d", "ERASE e"}},
		{"CREATE VIEW v AS SELECT id FROM t", []string{"CREATE v"}},
		{"ALTER VIEW v AS SELECT v FROM t", []string{"ALTER v"}},
		{"DROP VIEW v", []string{"ERASE v"}},
		{"CREATE PROCEDURE p() SELECT 1", []string{"QUERY p"}},
		{"CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1", []string{"QUERY f"}},
		{"CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW INSERT INTO c VALUES (NEW.id + 100)", []string{"QUERY g"}},
		{"UPDATE t SET v = 'c'", nil},
		{"DROP TRIGGER g; DROP FUNCTION f; DROP PROCEDURE p", []string{"QUERY g", "QUERY f", "QUERY p"}},
		{"CREATE EVENT ev ON SCHEDULE EVERY 10 YEAR STARTS '2100-01-01' DO TRUNCATE TABLE t; DROP EVENT ev", nil},
		{"/* it's */ ALTER TABLE /* x */ t -- y\n ADD z INT # w", []string{"ALTER t"}},
		{"SET sql_mode = 'ANSI_QUOTES'; CREATE TABLE \"q \"\"1\" (\"id\" INT PRIMARY KEY COMMENT 'say \"x\"'); INSERT INTO \"q \"\"1\" VALUES (1); SET sql_mode = DEFAULT", []string{`CREATE q "1`}},
		{"USE " + other + "; CREATE TABLE away (id INT); INSERT INTO away VALUES (1); CREATE TABLE " + m.Database + ".near (id INT PRIMARY KEY); INSERT INTO " + m.Database + ".near VALUES (1); USE " + m.Database, []string{"CREATE near"}},
		{"CREATE TEMPORARY TABLE tmp (id INT); INSERT INTO tmp VALUES (1); DROP TEMPORARY TABLE tmp", nil},
		{"ANALYZE TABLE t; OPTIMIZE TABLE t; FLUSH TABLES", nil},
		{"CREATE USER " + user + " IDENTIFIED BY 'secret'; GRANT SELECT ON " + m.Database + ".* TO " + user + "; ALTER USER " + user + " IDENTIFIED BY 'secret2'; DROP USER " + user, nil},
		{"INSERT INTO t VALUES (9, 'i', 9)", nil},
	} {
		m.Exec(c.run)
		want = append(want, c.want...)
	}
	report := tail.Check("t", "a2", "b", "c", `q "1`, "near")
	if got := statements(t, m); !slices.Equal(got, want) {
		t.Errorf("statements in the topic:\n got %s\nwant %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	if int(report.DDL) != len(want) {
		t.Errorf("%d statements in the topic, want %d", report.DDL, len(want))
	}
	for _, msg := range messages(m) {
		if strings.Contains(string(msg.Body), "IDENTIFIED") || strings.Contains(string(msg.Body), "away") {
			t.Errorf("this had to stay at home: %s", msg.Body)
		}
	}
	tail.Stop()
}

// Each row carries the columns it had when it was written, also when the table
// was changed, twice in a row, while no tail was there.
func TestT5RowsCarryTheColumnsTheyWereWrittenWith(t *testing.T) {
	t.Parallel()
	servertest.MySQL(t).Needs(t, 80019, "integers that don't show a display width")
	m := apptest.New(t, "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20))", "INSERT INTO t VALUES (1, 'a')")
	tail := m.Tail(ready(m))
	steps := []struct{ alter, columns string }{
		{"ADD b INT UNSIGNED DEFAULT 7", "a=varchar(20) b=int unsigned id=int"},
		{"DROP a", "b=int unsigned id=int"},
		{"MODIFY b BIGINT", "b=bigint id=int"},
		{"CHANGE b c BIGINT", "c=bigint id=int"},
		{"ADD e ENUM('x','y') FIRST", "c=bigint e=enum('x','y') id=int"},
		{"MODIFY e ENUM('x','y','z') AFTER c", "c=bigint e=enum('x','y','z') id=int"},
		{"DROP e, ADD e TEXT CHARACTER SET latin1", "c=bigint e=text id=int"},
		{"CHANGE c d DECIMAL(20,3), ADD f INT NOT NULL DEFAULT 1, ADD UNIQUE (f, id)", "d=decimal(20,3) e=text f=int id=int"},
	}
	want := map[string]string{}
	id := 1
	run := func() {
		m.Exec("DELETE FROM t") // their columns go and come again, and a consumer keeps what it has
		for _, s := range steps {
			id++
			m.Exec("ALTER TABLE t "+s.alter, fmt.Sprintf("INSERT INTO t (id) VALUES (%d)", id))
			want[fmt.Sprint(id)] = s.columns
		}
		// Back to the start, so that the same steps can be taken again.
		m.Exec("ALTER TABLE t DROP d, DROP e, DROP f, ADD a VARCHAR(20)")
	}
	run()
	tail.Caught()
	tail.Stop()
	run()
	run()
	tail = m.Tail(0)
	tail.Check("t")
	got := map[string]string{}
	for _, msg := range messages(m) {
		b := parsed(t, msg)
		if b.Type != "INSERT" || msg.Properties["phase"] == "full" {
			continue
		}
		var columns []string
		for _, name := range slices.Sorted(maps.Keys(b.MysqlType)) {
			columns = append(columns, name+"="+b.MysqlType[name])
		}
		for _, row := range b.Data {
			got[*row["id"]] = strings.Join(columns, " ")
		}
	}
	if !maps.Equal(got, want) {
		for id, w := range want {
			if got[id] != w {
				t.Errorf("row %s carries %s, was written with %s", id, got[id], w)
			}
		}
	}
	tail.Stop()
}
