// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"math"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
	"slipway/shared/mysql"
)

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
	d, err := mysql.NewBinlogDecoder(table, "9")
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
