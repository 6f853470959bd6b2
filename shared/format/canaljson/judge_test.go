// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"slipway/scripts/canal"
	"slipway/shared/change"
	"slipway/shared/format/canaljson"
	"slipway/shared/servertest"
)

// known are the differences in this test's data in which canal 1.1.4 is wrong,
// by reason. Each must show up: one that doesn't is out of date.
var known = map[string][]canal.Difference{
	"loses an all-zero last group of a DECIMAL's scale": {
		differs("value", "num", `"0.00"`, `"0.0"`),
		differs("value", "num", `"1.00"`, `"1.0"`),
		differs("value", "num_long", `"0.00000000000000000000"`, `"0.000000000000000000"`),
		differs("value", "num_long", `"1.50000000000000000000"`, `"1.500000000000000000"`),
	},
	"loses the sign of a TIME between -1 s and 0 (mended in later versions)": {
		differs("value", "tm3", `"-00:00:00.001"`, `"00:00:00.001"`),
	},
	"loses the zeros that BINARY(n) ends in": {
		differs("value", "bin", `"ab\u0000\u0000"`, `"ab"`),
	},
	"writes control characters inside JSON unescaped, which is no JSON": {
		differs("value", "js", `"{\"a\": [true, null, \"é\\n\"], \"b\": 1, \"ccc\": 1.5}"`, `"{\"a\": [true, null, \"é\n\"], \"b\": 1, \"ccc\": 1.5}"`),
	},
	"makes a DATE inside JSON a datetime": {
		differs("value", "js", `"{\"d\": \"2024-02-29\"}"`, `"{\"d\": \"2024-02-29 00:00:00.000000\"}"`),
	},
	"reads every charset as UTF-8": {
		differs("value", "latin", `"é"`, "\"\uFFFD\""),
		differs("value", "chinese", `"船"`, "\"\uFFFD\uFFFD\""),
	},
	"lists in a row's old what earlier rows of the message changed": {
		differs("old", "", "a", "a note"),
	},
	"gives a NULL another sqlType than a value (mended in later versions, but for SET and JSON)": {
		differs("sqlType", "ttxt", "2005", "-3"),
		differs("sqlType", "txt", "2005", "-4"),
		differs("sqlType", "mtxt", "2005", "-4"),
		differs("sqlType", "ltxt", "2005", "-4"),
		differs("sqlType", "bin", "2004", "-2"),
		differs("sqlType", "vbin", "2004", "-3"),
		differs("sqlType", "tblob", "2004", "-3"),
		differs("sqlType", "blb", "2004", "-4"),
		differs("sqlType", "mblob", "2004", "-4"),
		differs("sqlType", "lblob", "2004", "-4"),
		differs("sqlType", "geo", "2004", "-2"),
		differs("sqlType", "st", "2004", "-2"),
	},
}

func differs(field, column, ours, theirs string) canal.Difference {
	return canal.Difference{Field: field, Column: column, Ours: ours, Canal: theirs}
}

// step is a statement and the changes it makes, which share a message.
type step struct {
	sql     string
	changes []*change.Change
}

// TestCanalAgrees makes the same changes in a real MySQL, by SQL, and by hand in
// the model, and compares canal's messages with ours: key by key in order, text
// by text.
func TestCanalAgrees(t *testing.T) {
	broker, source := servertest.RocketMQ(t), servertest.StartMySQL(t, canal.Flags()...)
	db := source.DB(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "SET time_zone = '+00:00', sql_mode = ''")
	run(t, conn, "CREATE DATABASE judge CHARACTER SET utf8mb4")
	run(t, conn, createTypes())
	run(t, conn, "CREATE TABLE judge.foreign_texts (latin varchar(10) CHARACTER SET latin1, chinese text CHARACTER SET gbk)")
	run(t, conn, "CREATE TABLE judge.pairs (a int, note varchar(20), b int, extra bit(1), PRIMARY KEY (b, a))")
	run(t, conn, "CREATE TABLE judge.fence (id int)")

	c := canal.Run(t, canal.Config{
		DB: db, Address: source.Addr, ServerID: 7001, Filter: `judge[.].*`,
		NameServer: broker.NameServer, Topic: broker.Topic(t, 1),
	})
	steps := append(rowSteps(), otherSteps()...)
	for _, s := range steps {
		run(t, conn, s.sql)
	}
	run(t, conn, "INSERT INTO judge.fence VALUES (1)")

	theirs := c.Messages(`"table":"fence"`)
	if len(theirs) != len(steps) {
		t.Fatalf("canal sent %d messages for %d statements", len(theirs), len(steps))
	}
	compare(t, steps, theirs)
}

// compare reports what differs and is not known, and what is known and doesn't.
func compare(t *testing.T, steps []step, theirs [][]byte) {
	t.Helper()
	reasons := map[canal.Difference]string{}
	for reason, list := range known {
		for _, d := range list {
			reasons[d] = reason
		}
	}
	unseen := map[canal.Difference]bool{}
	for d := range reasons {
		unseen[d] = true
	}
	e := canaljson.New(canaljson.Options{})
	for i, s := range steps {
		var ours []byte
		if first := s.changes[0]; first.Op == change.OpDDL {
			ours = e.AppendDDL(nil, first, now)
		} else {
			ours = e.AppendMessage(nil, s.changes, now)
		}
		found, err := canal.Differences(ours, theirs[i])
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, ours, theirs[i])
		}
		for _, d := range found {
			delete(unseen, d)
			if reasons[d] == "" {
				t.Errorf("%.60s…: %s %s: ours %s, canal %s", s.sql, d.Field, d.Column, d.Ours, d.Canal)
			}
		}
	}
	for d := range unseen {
		t.Errorf("not seen: %s (%+v)", reasons[d], d)
	}
}

// createTypes is the statement that makes the table of all types.
func createTypes() string {
	var b strings.Builder
	b.WriteString("CREATE TABLE judge.types (id int NOT NULL PRIMARY KEY")
	for _, c := range sampleColumns() {
		fmt.Fprintf(&b, ", %s %s", c.Name, c.Declared)
		if c.Type == change.TypeTimestamp {
			b.WriteString(" NULL")
		}
	}
	return b.String() + ") CHARACTER SET utf8mb4"
}

// literals lists the SQL of the n-th row of samples.
func literals(n int) (list []string) {
	for _, c := range sampleColumns() {
		list = append(list, c.samples[min(n, len(c.samples)-1)].sql)
	}
	return list
}

// rowSteps insert every sample, update rows to NULL and to the next samples, and
// delete them.
func rowSteps() (steps []step) {
	table, columns := typesTable(), sampleColumns()
	one := func(sql string, c ...*change.Change) { steps = append(steps, step{sql, c}) }
	set := func(id int64, values []string) string {
		var list []string
		for i, c := range columns {
			list = append(list, c.Name+" = "+values[i])
		}
		return fmt.Sprintf("UPDATE judge.types SET %s WHERE id = %d", strings.Join(list, ", "), id)
	}
	nulls := strings.Fields(strings.Repeat("NULL ", len(columns)))
	for n := range sampleRows() {
		id := int64(n)
		one(fmt.Sprintf("INSERT INTO judge.types VALUES (%d, %s)", n, strings.Join(literals(n), ", ")),
			insert(table, 1, typesRow(id, n)))
		one(set(id, nulls), update(table, 1, typesRow(id, n), nullRow(id)))
		one(set(id, literals(n+1)), update(table, 1, nullRow(id), typesRow(id, n+1)))
		one(fmt.Sprintf("DELETE FROM judge.types WHERE id = %d", n), remove(table, 1, typesRow(id, n+1)))
	}
	one("INSERT INTO judge.types (id) VALUES (100), (101)", insert(table, 1, nullRow(100)), insert(table, 2, nullRow(101)))
	one("UPDATE judge.types SET id = 102 WHERE id = 101", update(table, 1, nullRow(101), nullRow(102)))
	one("DELETE FROM judge.types", remove(table, 1, nullRow(100)), remove(table, 2, nullRow(102)))
	return steps
}

// otherSteps are foreign charsets, what several rows share, and statements; the
// tables of those have no rows, because canal would look up a definition that
// a later statement has changed.
func otherSteps() []step {
	texts := &change.Table{Database: "judge", Name: "foreign_texts", Columns: []change.Column{
		{Name: "latin", Type: change.TypeVarchar, Declared: "varchar(10)"},
		{Name: "chinese", Type: change.TypeText, Declared: "text"},
	}}
	table := &change.Table{Database: "judge", Name: "pairs", Key: []int{2, 0}, Primary: true, Columns: []change.Column{
		{Name: "a", Type: change.TypeInt, Declared: "int"},
		{Name: "note", Type: change.TypeVarchar, Declared: "varchar(20)"},
		{Name: "b", Type: change.TypeInt, Declared: "int"},
		{Name: "extra", Type: change.TypeBit, Declared: "bit(1)"},
	}}
	row := func(a int64, note string) change.Row {
		return change.Row{change.NewInt(a), change.NewText(note), change.NewInt(7), {}}
	}
	ddl := func(kind change.DDLType, name, sql string) step {
		c := dml(change.OpDDL, nil, 1, nil, nil)
		c.DDL = &change.DDL{Type: kind, Database: "judge", Table: name, SQL: sql}
		return step{sql, []*change.Change{c}}
	}
	drop := ddl(change.DDLErase, "ddl2", "DROP TABLE judge.ddl2")
	drop.changes[0].DDL.SQL = "DROP TABLE `judge`.`ddl2` /* generated by server */" // as it logs it
	return []step{
		{"INSERT INTO judge.foreign_texts VALUES ('é', '船')", []*change.Change{insert(texts, 1, change.Row{change.NewText("é"), change.NewText("船")})}},
		ddl(change.DDLCreate, "ddl", "CREATE TABLE judge.ddl (a int, note varchar(20) COMMENT 'a \"note\"', b int, PRIMARY KEY (b, a))"),
		ddl(change.DDLAlter, "ddl", "ALTER TABLE judge.ddl ADD extra bit(1)"),
		{"INSERT INTO judge.pairs VALUES (1, 'x', 7, NULL), (2, 'y', 7, NULL)", []*change.Change{insert(table, 1, row(1, "x")), insert(table, 2, row(2, "y"))}},
		{"UPDATE judge.pairs SET note = IF(a = 1, 'z', note), a = IF(a = 2, 3, a)", []*change.Change{
			update(table, 1, row(1, "x"), row(1, "z")), update(table, 2, row(2, "y"), row(3, "y")),
		}},
		ddl(change.DDLCreateIndex, "ddl", "ALTER TABLE judge.ddl ADD INDEX i (note)"),
		ddl(change.DDLDropIndex, "ddl", "ALTER TABLE judge.ddl DROP INDEX i"),
		ddl(change.DDLCreateIndex, "ddl", "CREATE INDEX j ON judge.ddl (extra)"),
		ddl(change.DDLDropIndex, "ddl", "DROP INDEX j ON judge.ddl"),
		ddl(change.DDLTruncate, "ddl", "TRUNCATE TABLE judge.ddl"),
		ddl(change.DDLRename, "ddl2", "RENAME TABLE judge.ddl TO judge.ddl2"),
		drop,
	}
}

func run(t *testing.T, conn *sql.Conn, statement string) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v\n%.200s", err, statement)
	}
}
