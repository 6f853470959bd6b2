// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slipway/shared/checker"
)

// column is one column of the table of many types: its definition, a literal,
// and the text Canal JSON has for it, written down by hand.
type column struct{ name, definition, literal, text string }

var manyTypes = []column{
	{"id", "bigint unsigned primary key", "18446744073709551615", "18446744073709551615"},
	{"ti", "tinyint", "-128", "-128"},
	{"lo", "bigint", "-9223372036854775808", "-9223372036854775808"},
	{"tz", "int(8) unsigned zerofill", "42", "42"},
	{"de", "decimal(20,4)", "-1.5", "-1.5000"},
	{"dz", "decimal(9,2) zerofill", "7", "7.00"},
	{"fl", "float", "0.1", "0.1"},
	{"f2", "float", "1e10", "1.0E10"},
	{"f3", "float", "-0e0", "-0.0"},
	{"f4", "float", "3.4028235e38", "3.4028235E38"},
	{"f5", "float", "1.17549435e-38", "1.17549435E-38"},
	{"do", "double", "1.0000000000000002", "1.0000000000000002"},
	{"d2", "double(8,2)", "5.25", "5.25"},
	{"bi", "bit(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "18446744073709551615"},
	{"ye", "year", "2024", "2024"},
	{"y0", "year", "0", "0000"},
	{"da", "date", "'2024-02-29'", "2024-02-29"},
	{"d0", "date", "'0000-00-00'", "0000-00-00"},
	{"t6", "time(6)", "'-12:00:00.000001'", "-12:00:00.000001"},
	{"dt", "datetime(3)", "'2024-01-31 12:00:00'", "2024-01-31 12:00:00.000"},
	{"ts", "timestamp(2)", "'2024-01-31 12:00:00.5'", "2024-01-31 12:00:00.50"},
	{"ch", "char(5)", "'é '", "é"},
	{"l1", "varchar(9) charset latin1", "'naïve'", "naïve"},
	{"gb", "varchar(9) charset gbk", "'中文'", "中文"},
	{"u16", "text charset utf16", "'😀\"\\\\'", "😀\"\\"},
	{"bn", "binary(4)", "x'FF00'", "\u00ff\x00\x00\x00"},
	{"vb", "varbinary(9)", "x'00FF80'", "\x00\u00ff\u0080"},
	{"bl", "blob", "x''", ""},
	{"en", "enum('a','é')", "'é'", "2"},
	{"e0", "enum('a')", "'nope'", "0"},
	{"se", "set('a','b','c')", "'a,c'", "5"},
	{"js", "json", `'{"b": [1, 1.0, null], "a": "é"}'`, `{"a": "é", "b": [1, 1.0, null]}`},
	{"ge", "point", "ST_GeomFromText('POINT(1 2)')", "\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\u00f0?\x00\x00\x00\x00\x00\x00\x00@"},
	{"gs", "point srid 4326", "ST_GeomFromText('POINT(1 2)', 4326)", "\u00e6\x10\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@\x00\x00\x00\x00\x00\x00\u00f0?"},
	{"ve", "vector(2)", "TO_VECTOR('[1,2]')", "\x00\x00\u0080?\x00\x00\x00@"},
	{"nu", "int", "NULL", "\x00NULL"},
	{"we ird`", "int", "3", "3"},
	{"inv", "int invisible", "4", "4"},
	{"gen", "int generated always as (`ti` + 1) virtual", "", "-127"},
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// allTypes makes the table with one row, and the message for it.
func allTypes(t *testing.T, db *sql.DB, database string) checker.Message {
	t.Helper()
	var defs, names, literals []string
	for _, c := range manyTypes {
		defs = append(defs, quoted(c.name)+" "+c.definition)
		if c.literal != "" {
			names, literals = append(names, quoted(c.name)), append(literals, c.literal)
		}
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{
		"SET time_zone = '+00:00', sql_mode = ''", "SET NAMES utf8mb4", "USE " + database,
		"CREATE TABLE types (" + strings.Join(defs, ", ") + ")",
		"INSERT INTO types (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(literals, ", ") + ")",
	} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return typesMessage(database, nil)
}

// typesMessage is the row of all types as a snapshot message, with some texts
// replaced.
func typesMessage(database string, instead map[string]string) checker.Message {
	var data, types, codes []string
	for _, c := range manyTypes {
		key, _ := json.Marshal(c.name)
		text := c.text
		if other, ok := instead[c.name]; ok {
			text = other
		}
		value, _ := json.Marshal(text)
		if text == "\x00NULL" {
			value = []byte("null")
		}
		data = append(data, string(key)+":"+string(value))
		types = append(types, string(key)+`:"x"`)
		codes = append(codes, string(key)+`:4`)
	}
	body := fmt.Sprintf(`{"data":[{%s}],"database":%q,"es":1,"gtid":"","id":1,"isDdl":false,"mysqlType":{%s},"old":null,"pkNames":["id"],"sql":"","sqlType":{%s},"table":"types","ts":2,"type":"INSERT"}`,
		strings.Join(data, ","), database, strings.Join(types, ","), strings.Join(codes, ","))
	return checker.Message{Topic: "x", Properties: map[string]string{
		"task": "t", "epoch": "1", "phase": "full", "lane": "1", "op": "INSERT", "database": database, "table": "types",
		"ts": "2", "seq": "0", "lastSeq": "0", "id": database + ".types/0/0/0", "rows": "1",
	}, Body: []byte(body)}
}

func compared(t *testing.T, db *sql.DB, database string, m ...checker.Message) checker.Report {
	t.Helper()
	c := checker.New(checker.Options{})
	for _, m := range m {
		c.Add(m)
	}
	if err := c.Compare(t.Context(), db, []checker.Table{{Database: database, Name: "types"}}); err != nil {
		t.Fatal(err)
	}
	return c.Report()
}

func TestCompareEveryTypeWithMySQLsOwnRendering(t *testing.T) {
	t.Parallel()
	db, database := source(t)
	m := allTypes(t, db, database)
	if r := compared(t, db, database, m); !r.OK() || len(r.Tables) != 1 || r.Tables[0].Source != 1 || r.Tables[0].Topic != 1 {
		t.Fatal(r.String())
	}
	for _, c := range manyTypes[1:] {
		wrong := c.text + "1"
		if c.name[0] == 'f' || c.name == "do" {
			wrong = "0.2" // one more digit may be the same number
		}
		for _, text := range []string{wrong, "\x00NULL"} {
			if text == c.text {
				text = "0"
			}
			r := compared(t, db, database, typesMessage(database, map[string]string{c.name: text}))
			if r.DifferenceCount != 1 || r.Differences[0].Column != c.name || r.Differences[0].Kind != checker.Different || r.ViolationCount != 0 {
				t.Errorf("column %s delivered as %q:\n%s", c.name, text, r.String())
			}
		}
	}
	// The sign of zero and a FLOAT's last bit count.
	for _, instead := range []map[string]string{{"f3": "0.0"}, {"fl": "0.10000001"}, {"do": "1.0"}} {
		if r := compared(t, db, database, typesMessage(database, instead)); r.DifferenceCount != 1 {
			t.Errorf("%v: %s", instead, r.String())
		}
	}
	// A key of other digits is one row missing and one extra.
	r := compared(t, db, database, typesMessage(database, map[string]string{"id": "7"}))
	if r.DifferenceCount != 2 || r.Differences[0].Kind != checker.Missing || r.Differences[1].Kind != checker.Extra {
		t.Error(r.String())
	}
	mustExec(t, db, "UPDATE "+database+".types SET ti = 5")
	if r := compared(t, db, database, m); r.DifferenceCount != 2 { // ti and the column made from it
		t.Error(r.String())
	}
}

// store puts a model's tables into a real database.
func (m *model) storeAt(t *testing.T, db *sql.DB, database string) []checker.Table {
	t.Helper()
	var tables []checker.Table
	for name, rows := range m.tables {
		mustExec(t, db, "CREATE TABLE "+database+"."+name+" (id int primary key, name varchar(9), note text)")
		for _, r := range rows {
			mustExec(t, db, "INSERT INTO "+database+"."+name+" VALUES (?, ?, ?)", r.id, r.name, r.note)
		}
		tables = append(tables, checker.Table{Database: database, Name: name})
	}
	return tables
}

// in moves a model's messages to another database name.
func in(database string, messages []checker.Message) []checker.Message {
	for i, m := range messages {
		p := maps.Clone(m.Properties)
		p["database"] = database
		p["id"] = strings.ReplaceAll(p["id"], "shop.", database+".")
		messages[i].Properties = p
		messages[i].Body = []byte(strings.ReplaceAll(string(m.Body), `"database":"shop"`, `"database":"`+database+`"`))
	}
	return messages
}

func TestRunProvesTopicAgainstSource(t *testing.T) {
	t.Parallel()
	db, database := source(t)
	nameServer, topic := newTopic(t)
	m := shop()
	cfg := checker.Config{
		NameServer: nameServer, Topics: []string{topic}, DB: db, Tables: m.storeAt(t, db, database),
		Committed: func(ctx context.Context) (set string, err error) {
			err = db.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&set)
			return set, err
		},
	}
	send(t, nameServer, topic, in(database, m.messages))
	r, err := checker.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || !r.Compared || len(r.Tables) != 2 || len(r.Seeds) != 2 {
		t.Fatal(r.String())
	}

	mustExec(t, db, "UPDATE "+database+".items SET name = 'altered' WHERE id = 1")
	mustExec(t, db, "DELETE FROM "+database+".items WHERE id = 2")
	mustExec(t, db, "INSERT INTO "+database+".items VALUES (99, 'x', NULL)")
	r, err = checker.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, d := range r.Differences {
		kinds[d.Kind+" "+d.Key]++
	}
	for _, want := range []string{`different id="1"`, `extra id="2"`, `missing id="99"`} {
		if kinds[want] != 1 {
			t.Errorf("want %s: %s", want, r.String())
		}
	}
	if r.DifferenceCount != 3 || r.ViolationCount != 0 {
		t.Error(r.String())
	}
}

func TestRunReportsFaultsOfTheTopic(t *testing.T) {
	t.Parallel()
	db, database := source(t)
	sound := shop()
	tables := sound.storeAt(t, db, database)
	for name, tt := range map[string]struct {
		rule string
		do   func([]checker.Message, int) []checker.Message
	}{
		"corrupted": {checker.RuleChain, func(ms []checker.Message, i int) []checker.Message {
			ms[i].Body = bytes.Replace(ms[i].Body, []byte(`"changed"`), []byte(`"chanqed"`), 1)
			return ms
		}},
		"lost": {checker.RuleChain, func(ms []checker.Message, i int) []checker.Message {
			return slices.Delete(ms, i, i+1)
		}},
		"doubled": {checker.RuleRepeat, func(ms []checker.Message, i int) []checker.Message {
			return slices.Insert(ms, i+1, ms[i])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nameServer, topic := newTopic(t)
			ms := in(database, shop().messages)
			i := find(t, ms, fresh("UPDATE"))
			want := ms[i]
			send(t, nameServer, topic, tt.do(ms, i))
			r, err := checker.Run(t.Context(), checker.Config{NameServer: nameServer, Topics: []string{topic}, DB: db, Tables: tables, Seeds: []uint64{}})
			if err != nil {
				t.Fatal(err)
			}
			if r.ByRule[tt.rule] == 0 || r.Violations[0].Topic != topic || r.Violations[0].Queue != want.Queue {
				t.Error(r.String())
			}
		})
	}
}

func TestCompareKeylessTablesAsBags(t *testing.T) {
	t.Parallel()
	db, database := source(t)
	mustExec(t, db, "CREATE TABLE "+database+".types (a int, f float)")
	for _, a := range []int{1, 1, 1, 2} {
		mustExec(t, db, "INSERT INTO "+database+".types VALUES (?, 0.1)", a)
	}
	message := func(n, seq int, op, a string) checker.Message {
		phase, id, gtid := "full", fmt.Sprintf("%s.types/0/0/%d", database, n), ""
		if seq > 0 {
			phase, gtid = "incremental", server+":"+strconv.Itoa(seq)
			id = gtid + "/" + database + ".types/1"
		}
		return checker.Message{Topic: "x", Offset: int64(n), Properties: map[string]string{
			"task": "t", "epoch": "1", "phase": phase, "lane": "1", "op": op, "database": database, "table": "types",
			"ts": "2", "seq": strconv.Itoa(seq), "lastSeq": strconv.Itoa(seq), "id": id, "rows": "1",
		}, Body: fmt.Appendf(nil, `{"data":[{"a":%q,"f":"0.1"}],"database":%q,"es":1,"gtid":%q,"id":1,"isDdl":false,"mysqlType":{"a":"int","f":"float"},"old":null,"pkNames":null,"sql":"","sqlType":{"a":4,"f":7},"table":"types","ts":2,"type":%q}`,
			a, database, gtid, op)}
	}
	sound := []checker.Message{
		message(0, 0, "INSERT", "1"), message(1, 0, "INSERT", "1"), message(2, 0, "INSERT", "3"),
		message(3, 1, "INSERT", "1"), message(4, 2, "DELETE", "3"), message(5, 3, "INSERT", "2"),
	}
	if r := compared(t, db, database, sound...); !r.OK() {
		t.Error(r.String())
	}
	if r := compared(t, db, database, sound[1:]...); r.DifferenceCount != 1 || r.Differences[0].Kind != checker.Missing {
		t.Error(r.String())
	}
	if r := compared(t, db, database, append(sound, message(6, 4, "INSERT", "1"))...); r.DifferenceCount != 1 || r.Differences[0].Kind != checker.Extra {
		t.Error(r.String())
	}
}

func TestCompareSkipsColumnsAddedAfterARow(t *testing.T) {
	t.Parallel()
	db, database := source(t)
	m := newModel("types")
	m.tables["types"][1] = row{1, "a", nil}
	m.snapshot("types", 0, 0)
	m.storeAt(t, db, database)
	mustExec(t, db, "ALTER TABLE "+database+".types ADD COLUMN extra int DEFAULT 5")
	if r := compared(t, db, database, in(database, m.messages)...); r.DifferenceCount != 1 || r.Differences[0].Column != "extra" {
		t.Errorf("without the ALTER the column is missing:\n%s", r.String())
	}
	m.statement("types", "ALTER", "alter table types add column extra int default 5", false)
	if r := compared(t, db, database, in(database, m.messages)...); !r.OK() || r.Tables[0].Skipped != 1 {
		t.Error(r.String())
	}
	mustExec(t, db, "UPDATE "+database+".types SET name = 'b'")
	if r := compared(t, db, database, in(database, m.messages)...); r.DifferenceCount != 1 || r.Differences[0].Column != "name" {
		t.Error(r.String())
	}
}

func TestFenceWaitsForTheCheckpoint(t *testing.T) {
	t.Parallel()
	db, _ := source(t)
	calls := 0
	err := checker.Fence(t.Context(), db, func(ctx context.Context) (set string, err error) {
		if calls++; calls < 3 {
			return "", nil
		}
		err = db.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&set)
		return set, err
	})
	if err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestFenceNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	db, _ := source(t)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := checker.Fence(ctx, db, func(context.Context) (string, error) {
		if calls++; calls == 2 {
			cancel()
		}
		return "", nil
	})
	var executed string
	if e := db.QueryRowContext(t.Context(), "SELECT SUBSTRING_INDEX(@@server_uuid, '-', 1)").Scan(&executed); e != nil {
		t.Fatal(e)
	}
	if err == nil || !strings.Contains(err.Error(), executed) {
		t.Errorf("want an error with the GTIDs missing, got %v", err)
	}
}
