// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/servertest"
)

// column is a column of the table of all types, with values as SQL writes them. Its last value stands in for missing ones.
type column struct {
	name, declared string
	values         []string
}

const (
	anyByte = "X'00017f80ff0d0a5c2227'"
	texts   = `CONCAT('"\\/', CHAR(1,9,10,13,31,127 USING utf8mb4), 'é船🚢 <&>''')`
)

// plainColumns are of the types that canal knows as well.
func plainColumns() []column {
	integer := func(name, declared, low, high string) column { return column{name, declared, []string{"0", low, high}} }
	return []column{
		integer("tiny", "tinyint", "-128", "127"), integer("utiny", "tinyint unsigned", "128", "255"),
		integer("small", "smallint", "-32768", "32767"), integer("usmall", "smallint unsigned", "32768", "65535"),
		integer("medium", "mediumint", "-8388608", "8388607"), integer("umedium", "mediumint unsigned", "8388608", "16777215"),
		integer("num", "int", "-2147483648", "2147483647"), integer("unum", "int unsigned", "2147483648", "4294967295"),
		integer("big", "bigint", "-9223372036854775808", "9223372036854775807"),
		integer("ubig", "bigint unsigned", "9223372036854775808", "18446744073709551615"),
		{"flt", "float", []string{"0", "1.1", "-3.4e38", "16777216"}},
		{"dbl", "double", []string{"0", "0.1", "-1.7976931348623157e308", "1e7"}},
		{"dec2", "decimal(10,2)", []string{"0", "1.25", "-12345678.90", "99999999.99"}},
		{"dec0", "decimal(20,0)", []string{"0", "-7", "12345678901234567890"}},
		{"bits", "bit(10)", []string{"b'0'", "b'101'", "1023"}},
		{"bits64", "bit(64)", []string{"1", "18446744073709551615"}},
		{"yr", "year", []string{"2024", "0", "1901"}},
		{"dt", "date", []string{"'2024-02-29'", "'0000-00-00'", "'2024-00-00'"}},
		{"tm", "time", []string{"'12:34:56'", "'-838:59:59'"}},
		{"tm3", "time(3)", []string{"'12:34:56.789'", "'-00:00:00.001'"}},
		{"dtm", "datetime", []string{"'2024-02-29 12:34:56'", "'0000-00-00 00:00:00'"}},
		{"dtm6", "datetime(6)", []string{"'2024-02-29 12:34:56.000001'", "'9999-12-31 23:59:59.999999'"}},
		{"stamp", "timestamp NULL", []string{"'2024-02-29 12:34:56'", "'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'"}},
		{"stamp3", "timestamp(3) NULL", []string{"'2024-02-29 23:34:56.100'", "'2038-01-19 03:14:07.999'"}},
		{"chr", "char(40)", []string{"''", "'trailing  '", texts}},
		{"vchr", "varchar(100)", []string{"''", "'trailing  '", texts}},
		{"ttxt", "tinytext", []string{"''", texts}},
		{"txt", "text", []string{"''", texts}},
		{"mtxt", "mediumtext", []string{"REPEAT('long ', 60)", texts}},
		{"ltxt", "longtext", []string{"''", texts}},
		{"bin", "binary(4)", []string{"'abcd'", "X'6162'", "X'01ff807f'"}},
		{"vbin", "varbinary(300)", []string{"''", anyByte}},
		{"tblob", "tinyblob", []string{"''", anyByte}},
		{"blb", "blob", []string{"''", anyByte}},
		{"mblob", "mediumblob", []string{"''", anyByte}},
		{"lblob", "longblob", []string{"''", anyByte}},
		{"enm", "enum('small','it''s','船')", []string{"'small'", "'it''s'", "'船'"}},
		{"st", "set('a','b','c')", []string{"''", "'a,c'", "'b'"}},
		{"js", "json", []string{`'{"b":1,"a":[true,null,1.5]}'`, "'[]'", `JSON_OBJECT('d', CAST('2024-02-29' AS DATE))`}},
		{"geo", "geometry", []string{"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)', 4326)"}},
	}
}

// createTypes is the statement that makes a table of these columns beside its key.
func createTypes(name string, columns []column) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (id int NOT NULL PRIMARY KEY", name)
	for _, c := range columns {
		fmt.Fprintf(&b, ", `%s` %s", c.name, c.declared)
	}
	return b.String() + ") CHARACTER SET utf8mb4"
}

// values is the n-th row of values.
func values(columns []column, n int) (list []string) {
	for _, c := range columns {
		list = append(list, c.values[min(n, len(c.values)-1)])
	}
	return list
}

func rowCount(columns []column) (n int) {
	for _, c := range columns {
		n = max(n, len(c.values))
	}
	return n
}

// lenient is a session that takes every value there is.
func lenient(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	run(t, conn, "SET time_zone = '+00:00', sql_mode = ''")
	return conn
}

func run(t *testing.T, conn *sql.Conn, statement string) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v\n%.300s", err, statement)
	}
}

// body is what a message says of its rows.
type body struct {
	Data      []map[string]any
	MysqlType map[string]string
	SQLType   map[string]int
	PkNames   []string
}

// rows reads the topic and gives the last row with each id in a phase, with what its message says of the types.
func rows(m *apptest.Migration, table, phase string) map[string]body {
	m.T.Helper()
	messages, err := checker.Read(m.T.Context(), m.Broker.NameServer, []string{m.Topic})
	m.Must(err)
	out := map[string]body{}
	for _, msg := range messages {
		if msg.Properties["phase"] != phase || msg.Properties["table"] != table || msg.Properties["op"] == "DDL" {
			continue
		}
		var b body
		m.Must(json.Unmarshal(msg.Body, &b))
		for _, row := range b.Data {
			one := b
			one.Data = []map[string]any{row}
			out[fmt.Sprint(row["id"])] = one
		}
	}
	return out
}

// TestD1SnapshotAndTailSayTheSame: of each row, whatever its types, the snapshot and the binlog say the same text. Only
// column v tells the two apart.
func TestD1SnapshotAndTailSayTheSame(t *testing.T) {
	id := servertest.MySQL(t).VersionID(t)
	columns := append(plainColumns(),
		column{"v", "int", []string{"0"}},
		column{"dec20", "decimal(40,20)", []string{"0", "1.5", "-0.00000000000000000001"}},
		column{"latin", "varchar(20) CHARACTER SET latin1", []string{"'é'"}}, column{"chinese", "text CHARACTER SET gbk", []string{"'船'"}},
		column{"wide", "varchar(20) CHARACTER SET utf16", []string{"'船🚢'"}}, column{"sjis", "varchar(20) CHARACTER SET sjis", []string{"'船'"}},
		column{"js2", "json", []string{`'{"n":18446744073709551615,"s":"\\\\n"}'`, "JSON_ARRAY(CAST('1:02:03.5' AS TIME(6)), CAST(1.50 AS DECIMAL(5,2)), 1e300)"}},
	)
	if id >= 80023 {
		columns = append(columns, column{"hidden", "int INVISIBLE", []string{"7"}})
	}
	if id >= 90000 {
		columns = append(columns, column{"vec", "vector(3)", []string{"STRING_TO_VECTOR('[1,-2.5,3e10]')"}})
	}
	m := apptest.New(t, createTypes("types", columns), "CREATE TABLE bare (id INT PRIMARY KEY)", createWide(300))
	run(t, lenient(t, m.DB), "ALTER TABLE types ADD made int GENERATED ALWAYS AS (v + 1) STORED, ADD virtually varchar(20) AS (CONCAT('v', v))")
	conn := lenient(t, m.DB)
	var names []string
	for _, c := range columns {
		names = append(names, "`"+c.name+"`")
	}
	for n := range rowCount(columns) {
		run(t, conn, fmt.Sprintf("INSERT INTO types (id, %s) VALUES (%d, %s)", strings.Join(names, ", "), n, strings.Join(values(columns, n), ", ")))
	}
	run(t, conn, "INSERT INTO types (id, v) VALUES (100, 0)")
	run(t, conn, "INSERT INTO wide (id, c7) VALUES (1, 'x'), (2, NULL), (3, '')")
	m.Plan()
	m.Snapshot()
	tail := m.Tail(m.Settle())
	run(t, conn, "UPDATE types SET v = v + 1")
	run(t, conn, "UPDATE wide SET c299 = 'last'")
	report := tail.Check("types", "bare", "wide")
	tail.Stop()
	if report.Incremental != int64(rowCount(columns))+4 {
		t.Errorf("want an update of every row:\n%s", report.String())
	}

	full, incremental := rows(m, "types", "full"), rows(m, "types", "incremental")
	if len(full) != rowCount(columns)+1 || len(incremental) != len(full) {
		t.Fatalf("%d rows from the snapshot and %d from the tail", len(full), len(incremental))
	}
	for id, f := range full {
		i := incremental[id]
		for name, value := range f.Data[0] {
			if got := i.Data[0][name]; !reflect.DeepEqual(got, value) && !slices.Contains([]string{"v", "made", "virtually"}, name) {
				t.Errorf("row %s, %s: the snapshot says %v, the tail %v", id, name, value, got)
			}
		}
		if len(f.Data[0]) != len(columns)+3 || len(i.Data[0]) != len(f.Data[0]) {
			t.Errorf("row %s: %d columns from the snapshot and %d from the tail, want %d", id, len(f.Data[0]), len(i.Data[0]), len(columns)+3)
		}
		f.Data, i.Data = nil, nil
		if !reflect.DeepEqual(f, i) {
			t.Errorf("row %s: the snapshot says of the types\n%v, the tail\n%v", id, f, i)
		}
	}
}

// createWide makes a table of n columns beside its key.
func createWide(n int) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE wide (id INT PRIMARY KEY")
	for i := range n {
		b.WriteString(", c" + strconv.Itoa(i) + " VARCHAR(10)")
	}
	return b.String() + ") CHARACTER SET latin1"
}
