// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"fmt"
	"testing"

	"slipway/shared/change"
	"slipway/shared/format/canaljson"
)

// benchRows are rows of 10 columns and about 0.3 KB, as the bench of the whole
// pipeline has them.
func benchRows(n int) (rows []*change.Change) {
	table := &change.Table{Database: "shop", Name: "orders", Key: []int{0}, Primary: true, Columns: []change.Column{
		{Name: "id", Type: change.TypeBigInt, Declared: "bigint unsigned", Unsigned: true},
		{Name: "customer_id", Type: change.TypeInt, Declared: "int"},
		{Name: "status", Type: change.TypeEnum, Declared: "enum('new','paid')"},
		{Name: "amount", Type: change.TypeDecimal, Declared: "decimal(10,2)"},
		{Name: "weight", Type: change.TypeDouble, Declared: "double"},
		{Name: "created", Type: change.TypeTimestamp, Declared: "timestamp(3)"},
		{Name: "shipped", Type: change.TypeDateTime, Declared: "datetime", Nullable: true},
		{Name: "email", Type: change.TypeVarchar, Declared: "varchar(100)"},
		{Name: "note", Type: change.TypeText, Declared: "text"},
		{Name: "extra", Type: change.TypeJSON, Declared: "json", Nullable: true},
	}}
	for i := range n {
		rows = append(rows, insert(table, int64(i), change.Row{
			change.NewUint(uint64(i) + 1e6), change.NewInt(int64(i)), change.NewUint(2), change.NewText("1234.50"),
			change.NewFloat64(float64(i) * 1.37), change.NewText("2024-02-29 12:34:56.789"),
			{},
			change.NewText(fmt.Sprintf("customer%d@example.com", i)),
			change.NewText("leave it at the door, please, and ring the bell twice; the dog is friendly"),
			change.NewText(`{"gift": true, "tags": ["a", "b"]}`),
		}))
	}
	return rows
}

func BenchmarkAppendMessage(b *testing.B) {
	rows := benchRows(500)
	e := canaljson.New(canaljson.Options{})
	buf := e.AppendMessage(nil, rows, now)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendMessage(buf[:0], rows, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}

func BenchmarkShapeAndRowSize(b *testing.B) {
	rows := benchRows(500)
	e := canaljson.New(canaljson.Options{})
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range rows {
			if e.Shape(c) != e.Shape(rows[0]) || e.RowSize(c) == 0 {
				b.Fatal("unlike")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}

func BenchmarkParse(b *testing.B) {
	rows := benchRows(500)
	buf := packed(rows...)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := canaljson.Parse(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}
