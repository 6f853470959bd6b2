// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// randomColumns draw a value to bind; the server rounds, cuts and pads it as
// the column's type says.
var randomColumns = []struct {
	declared string
	draw     func(*rapid.T) any
}{
	{"bigint", func(t *rapid.T) any { return rapid.Int64().Draw(t, "bigint") }},
	{"int unsigned", func(t *rapid.T) any { return rapid.Uint32().Draw(t, "int") }},
	{"mediumint", func(t *rapid.T) any { return rapid.Int64Range(-1<<23, 1<<23-1).Draw(t, "mediumint") }},
	{"float", func(t *rapid.T) any { return rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "float") }},
	{"double", func(t *rapid.T) any {
		return rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "double")
	}},
	{"decimal(30,11)", func(t *rapid.T) any {
		return rapid.StringMatching(`-?[0-9]{1,19}\.[0-9]{0,12}`).Draw(t, "decimal")
	}},
	{"decimal(65,0)", func(t *rapid.T) any { return rapid.StringMatching(`-?[0-9]{1,65}`).Draw(t, "decimal") }},
	{"bit(33)", func(t *rapid.T) any { return rapid.Uint64Range(0, 1<<33-1).Draw(t, "bit") }},
	{"date", func(t *rapid.T) any { return drawDate(t) }},
	{"datetime(4)", func(t *rapid.T) any { return drawDate(t) + " " + drawClock(t, 23) }},
	{"timestamp(5) NULL", func(t *rapid.T) any {
		return fmt.Sprintf("20%02d-%02d-%02d %s", rapid.IntRange(0, 37).Draw(t, "y"), rapid.IntRange(1, 12).Draw(t, "m"),
			rapid.IntRange(1, 28).Draw(t, "d"), drawClock(t, 23))
	}},
	{"time(2)", func(t *rapid.T) any {
		return rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + drawClock(t, 838)
	}},
	{"char(40)", func(t *rapid.T) any { return rapid.String().Draw(t, "char") }},
	{"varchar(60) CHARACTER SET utf16", func(t *rapid.T) any { return rapid.String().Draw(t, "varchar") }},
	{"text CHARACTER SET gb18030", func(t *rapid.T) any { return rapid.String().Draw(t, "text") }},
	{"varchar(60) CHARACTER SET latin1", func(t *rapid.T) any { return rapid.StringMatching("[ -~\u00a0-\u00ff€]{0,60}").Draw(t, "latin1") }},
	{"binary(20)", func(t *rapid.T) any { return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "binary") }},
	{"varbinary(300)", func(t *rapid.T) any { return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "varbinary") }},
	{"blob", func(t *rapid.T) any { return rapid.SliceOf(rapid.Byte()).Draw(t, "blob") }},
	{"set('a','b','c','d')", func(t *rapid.T) any { return rapid.Uint64Range(0, 15).Draw(t, "set") }},
	{"enum('a','b','c')", func(t *rapid.T) any { return rapid.Uint64Range(0, 3).Draw(t, "enum") }},
}

func drawDate(t *rapid.T) string {
	return fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(0, 9999).Draw(t, "y"), rapid.IntRange(0, 12).Draw(t, "m"), rapid.IntRange(0, 28).Draw(t, "d"))
}

func drawClock(t *rapid.T, hours int) string {
	return fmt.Sprintf("%02d:%02d:%02d.%06d", rapid.IntRange(0, hours).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "min"),
		rapid.IntRange(0, 59).Draw(t, "s"), rapid.IntRange(0, 999999).Draw(t, "us"))
}

func TestD1RandomRowsAreTheSameFromSelectAndBinlog(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	columns, marks := "id int PRIMARY KEY AUTO_INCREMENT", "NULL"
	for i, col := range randomColumns {
		columns += fmt.Sprintf(", c%d %s", i, col.declared)
		marks += ", ?"
	}
	query(t, c, "CREATE TABLE "+db+".t ("+columns+")")
	table := loadTable(t, c, db, "t")
	start := logEnd(t, c)
	rapid.Check(t, func(rt *rapid.T) {
		var args []any
		for _, col := range randomColumns {
			if rapid.IntRange(0, 9).Draw(rt, "null") == 0 {
				args = append(args, nil)
			} else {
				args = append(args, col.draw(rt))
			}
		}
		query(t, c, "INSERT INTO "+db+".t VALUES ("+marks+")", args...)
	})
	want := selectRows(t, c, table)
	images := binlogImages(t, c, start, table)
	if len(images) != len(want) || len(want) == 0 {
		t.Fatalf("%d row images, %d rows", len(images), len(want))
	}
	for i := range want {
		mustEqualRows(t, table, fmt.Sprintf("row %d", i), images[i].row, want[i])
	}
}

func TestD1RowsOutliveTheDriversBuffers(t *testing.T) {
	table := &change.Table{Columns: []change.Column{{Name: "a", Type: change.TypeVarchar, Charset: "utf8mb4"}, {Name: "b", Type: change.TypeBlob}}}
	d, err := mysql.NewSelectDecoder(table)
	if err != nil {
		t.Fatal(err)
	}
	first, second := []byte("first"), []byte("second")
	row, err := d.Decode([]gomysql.FieldValue{
		gomysql.NewFieldValue(gomysql.FieldValueTypeString, 0, first),
		gomysql.NewFieldValue(gomysql.FieldValueTypeString, 0, second),
	})
	if err != nil {
		t.Fatal(err)
	}
	clear(first)
	clear(second)
	other := gomysql.NewFieldValue(gomysql.FieldValueTypeString, 0, []byte(strings.Repeat("x", 64)))
	if _, err := d.Decode([]gomysql.FieldValue{other, other}); err != nil {
		t.Fatal(err)
	}
	if row[0] != change.NewText("first") || row[1] != change.NewBytes("second") {
		t.Errorf("row %v", row)
	}
}

// benchTable has ten columns, of which each row carries about 190 bytes.
func benchTable() (*change.Table, []gomysql.FieldValue, []any) {
	text := func(s string) gomysql.FieldValue {
		return gomysql.NewFieldValue(gomysql.FieldValueTypeString, 0, []byte(s))
	}
	number := func(n uint64) gomysql.FieldValue {
		return gomysql.NewFieldValue(gomysql.FieldValueTypeSigned, n, nil)
	}
	c, pad := strings.Repeat("68487932199-", 10)[:119], strings.Repeat("67847967377-", 5)[:59]
	table := &change.Table{Database: "b", Name: "t", Columns: []change.Column{
		{Name: "id", Type: change.TypeBigInt},
		{Name: "k", Type: change.TypeInt},
		{Name: "c", Type: change.TypeChar, Charset: "utf8mb4"},
		{Name: "pad", Type: change.TypeVarchar, Charset: "utf8mb4"},
		{Name: "price", Type: change.TypeDecimal, Precision: 10, Scale: 2},
		{Name: "at", Type: change.TypeDateTime, Scale: 3},
		{Name: "status", Type: change.TypeEnum},
		{Name: "note", Type: change.TypeText, Charset: "utf8mb4", Nullable: true},
		{Name: "weight", Type: change.TypeDouble},
		{Name: "hash", Type: change.TypeBinary, Length: 16},
	}}
	selected := []gomysql.FieldValue{
		number(1 << 40), number(4711), text(c), text(pad), text("12345.60"), text("2024-01-31 12:34:56.789000"),
		gomysql.NewFieldValue(gomysql.FieldValueTypeUnsigned, 2, nil), gomysql.NewFieldValue(gomysql.FieldValueTypeNull, 0, nil),
		gomysql.NewFieldValue(gomysql.FieldValueTypeFloat, math.Float64bits(1.5), nil), text("0123456789abcdef"),
	}
	logged := []any{
		int64(1 << 40), int32(4711), c, pad, "12345.60", "2024-01-31 12:34:56.789",
		int64(2), nil, 1.5, "0123456789abcdef",
	}
	return table, selected, logged
}

func BenchmarkSelectDecode(b *testing.B) {
	table, row, _ := benchTable()
	d, err := mysql.NewSelectDecoder(table)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(row); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBinlogDecode(b *testing.B) {
	table, _, row := benchTable()
	d, err := mysql.NewBinlogDecoder(table)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(row); err != nil {
			b.Fatal(err)
		}
	}
}
