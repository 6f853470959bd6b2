// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/change"
	"slipway/shared/format/canaljson"
)

var updateGoldens = flag.Bool("update", false, "rewrite the golden files")

// golden compares messages, one per line, with testdata/name.jsonl, having
// made sure that each reads back.
func golden(t *testing.T, name string, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		if _, err := canaljson.Parse(m); err != nil {
			t.Errorf("%v\n%s", err, m)
		}
	}
	goldenFile(t, name+".jsonl", append(bytes.Join(messages, []byte("\n")), '\n'))
}

// goldenLines compares lines of text with testdata/name.txt.
func goldenLines(t *testing.T, name string, lines []string) {
	t.Helper()
	goldenFile(t, name+".txt", []byte(strings.Join(lines, "\n")+"\n"))
}

func goldenFile(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateGoldens {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// one encodes each change as a message of its own.
func one(changes ...*change.Change) (messages [][]byte) {
	e := canaljson.New(canaljson.Options{})
	for _, c := range changes {
		messages = append(messages, e.AppendMessage(nil, []*change.Change{c}, now))
	}
	return messages
}

// packed encodes changes as one message.
func packed(changes ...*change.Change) []byte {
	return canaljson.New(canaljson.Options{}).AppendMessage(nil, changes, now)
}

func TestGoldenEveryType(t *testing.T) {
	table := typesTable()
	var inserts, deletes []*change.Change
	for n := range sampleRows() {
		inserts = append(inserts, insert(table, int64(n), typesRow(int64(n), n)))
		deletes = append(deletes, remove(table, int64(n), typesRow(int64(n), n)))
	}
	golden(t, "insert", append(one(inserts...), one(insert(table, 9, nullRow(9)))...)...)
	golden(t, "delete", one(deletes[0], deletes[1], remove(table, 9, nullRow(9)))...)
	golden(t, "update", one(
		update(table, 1, typesRow(1, 0), typesRow(1, 1)),
		update(table, 2, typesRow(1, 2), nullRow(1)),
		update(table, 3, nullRow(1), typesRow(1, 0)),
	)...)
}

func TestGoldenVector(t *testing.T) {
	table := &change.Table{Database: "judge", Name: "vectors", Columns: []change.Column{
		{Name: "v", Type: change.TypeVector, Declared: "vector(2)"},
	}}
	golden(t, "vector", one(insert(table, 1, change.Row{change.NewBytes("\x00\x00\x80\x3f\x00\x00\x00\xc0")}))...)
}

// shop is a small table with a composite key declared in another order.
func shop() *change.Table {
	return &change.Table{
		Database: "shop", Name: "orders", Key: []int{2, 0}, Primary: true,
		Columns: []change.Column{
			{Name: "id", Type: change.TypeBigInt, Declared: "bigint unsigned", Unsigned: true},
			{Name: "note", Type: change.TypeVarchar, Declared: "varchar(50)", Nullable: true},
			{Name: "region", Type: change.TypeInt, Declared: "int"},
			{Name: "price", Type: change.TypeDecimal, Declared: "decimal(8,2)"},
		},
	}
}

func order(id uint64, note, price string) change.Row {
	row := change.Row{change.NewUint(id), {}, change.NewInt(7), change.NewText(price)}
	if note != "" {
		row[1] = change.NewText(note)
	}
	return row
}

func TestGoldenPacked(t *testing.T) {
	table := shop()
	golden(t, "packed",
		packed(insert(table, 10, order(1, "a", "1.00")), insert(table, 12, order(2, "", "2.50"))),
		packed(
			update(table, 20, order(1, "a", "1.00"), order(1, "b", "1.00")),
			update(table, 21, order(2, "", "2.50"), order(2, "", "3.00")),
			update(table, 22, order(3, "x", "3.00"), order(4, "x", "3.00")),
		),
		packed(remove(table, 30, order(1, "b", "1.00")), remove(table, 31, order(2, "", "3.00"))),
	)
}

func TestGoldenSnapshot(t *testing.T) {
	table := shop()
	a, b := insert(table, 0, order(1, "a", "1.00")), insert(table, 0, order(2, "b", "2.00"))
	for _, c := range []*change.Change{a, b} {
		c.Phase, c.GTID = change.PhaseFull, "never shown"
	}
	golden(t, "snapshot", packed(a, b))
}

func TestGoldenKeyless(t *testing.T) {
	table := &change.Table{
		Database: "shop", Name: "log", Key: []int{0}, // a unique key, not a primary one
		Columns: []change.Column{{Name: "line", Type: change.TypeInt, Declared: "int"}},
	}
	golden(t, "keyless", one(insert(table, 1, change.Row{change.NewInt(1)}))...)
}

func TestGoldenEscaping(t *testing.T) {
	table := &change.Table{
		Database: `a"b`, Name: "t\\\n", Key: []int{0}, Primary: true,
		Columns: []change.Column{
			{Name: awkward, Type: change.TypeVarchar, Declared: "enum('\"')"},
			{Name: "", Type: change.TypeBlob, Declared: "blob"},
		},
	}
	golden(t, "escaping",
		packed(insert(table, 1, change.Row{change.NewText(awkward), change.NewBytes(everyByte())})),
		packed(insert(table, 2, change.Row{change.NewText("cut \xe8\x88 off \xff"), change.NewBytes("\xe8\x88\xb9")})),
	)
}

func TestGoldenDDL(t *testing.T) {
	e := canaljson.New(canaljson.Options{})
	var messages [][]byte
	for i, d := range []change.DDL{
		{Type: change.DDLCreate, Database: "shop", Table: "orders", SQL: "CREATE TABLE orders (id int COMMENT 'a \"b\"')"},
		{Type: change.DDLAlter, Database: "shop", Table: "orders", SQL: "ALTER TABLE orders\n\tADD note text"},
		{Type: change.DDLRename, Database: "shop", Table: "bills", SQL: "RENAME TABLE orders TO bills"},
		{Type: change.DDLCreateIndex, Database: "shop", Table: "bills", SQL: "CREATE INDEX n ON bills (note(10))"},
		{Type: change.DDLDropIndex, Database: "shop", Table: "bills", SQL: "DROP INDEX n ON bills"},
		{Type: change.DDLTruncate, Database: "shop", Table: "bills", SQL: "TRUNCATE bills"},
		{Type: change.DDLErase, Database: "shop", Table: "bills", SQL: "DROP TABLE bills"},
		{Type: change.DDLQuery, Database: "shop", SQL: "DROP DATABASE `shop`"},
	} {
		c := dml(change.OpDDL, nil, int64(i), nil, nil)
		c.DDL = &d
		messages = append(messages, e.AppendDDL(nil, c, now))
	}
	golden(t, "ddl", messages...)
}

func TestGoldenTimezone(t *testing.T) {
	table := &change.Table{Database: "shop", Name: "times", Columns: slices.Clip([]change.Column{
		{Name: "ts", Type: change.TypeTimestamp, Declared: "timestamp"},
		{Name: "ts3", Type: change.TypeTimestamp, Declared: "timestamp(3)", Scale: 3},
		{Name: "dt", Type: change.TypeDateTime, Declared: "datetime"},
	})}
	row := func(ts, ts3, dt string) change.Row {
		return change.Row{change.NewText(ts), change.NewText(ts3), change.NewText(dt)}
	}
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	for _, loc := range []*time.Location{shanghai, time.FixedZone("", -5*3600-30*60)} {
		e := canaljson.New(canaljson.Options{Location: loc})
		for _, r := range []change.Row{
			row("2024-02-29 20:00:00", "2023-12-31 23:59:59.120", "2024-02-29 20:00:00"),
			row("0000-00-00 00:00:00", "0000-00-00 00:00:00.000", "0000-00-00 00:00:00"),
		} {
			messages = append(messages, e.AppendMessage(nil, []*change.Change{insert(table, 1, r)}, now))
		}
	}
	golden(t, "timezone", messages...)
}
