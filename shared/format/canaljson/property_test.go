// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/format/canaljson"
)

// anyValue draws a column type and a generator of its values.
func anyColumn(t *rapid.T, i int) (change.Column, *rapid.Generator[change.Value]) {
	name := fmt.Sprintf("%d%s", i, rapid.String().Draw(t, "name"))
	kinds := []struct {
		typ change.Type
		gen *rapid.Generator[change.Value]
	}{
		{change.TypeBigInt, rapid.Map(rapid.Int64(), change.NewInt)},
		{change.TypeBigInt, rapid.Map(rapid.Uint64(), change.NewUint)},
		{change.TypeFloat, rapid.Map(rapid.Float32(), change.NewFloat32)},
		{change.TypeDouble, rapid.Map(rapid.Float64(), change.NewFloat64)},
		{change.TypeVarchar, rapid.Map(rapid.String(), change.NewText)},
		{change.TypeText, rapid.Map(rapid.StringOf(rapid.SampledFrom([]rune(awkward))), change.NewText)},
		{change.TypeBlob, rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) change.Value { return change.NewBytes(string(b)) })},
		{change.TypeJSON, rapid.Just(change.NewText(`{"a": "\""}`))},
		{change.TypeSet, rapid.Map(rapid.Uint64(), change.NewUint)},
	}
	k := rapid.SampledFrom(kinds).Draw(t, "kind")
	null := rapid.Just(change.Value{})
	column := change.Column{Name: name, Type: k.typ, Declared: rapid.String().Draw(t, "declared"), Nullable: true}
	column.Unsigned = rapid.Bool().Draw(t, "unsigned")
	return column, rapid.OneOf(k.gen, k.gen, null)
}

// text is what a consumer must read, worked out another way than the encoder's.
func text(v change.Value) *string {
	var s string
	switch v.Kind() {
	case change.Null:
		return nil
	case change.Int:
		s = strconv.FormatInt(v.Int(), 10)
	case change.Uint:
		s = strconv.FormatUint(v.Uint(), 10)
	case change.Bytes:
		runes := make([]rune, 0, len(v.Str()))
		for _, b := range []byte(v.Str()) {
			runes = append(runes, rune(b))
		}
		s = string(runes)
	default:
		s = v.Str()
	}
	return &s
}

// checkValue compares a parsed text with its value; floats by their number.
func checkValue(t *rapid.T, name string, got *string, v change.Value) {
	switch v.Kind() {
	case change.Float32:
		f, err := strconv.ParseFloat(show(got), 32)
		if err != nil || float32(f) != v.Float32() {
			t.Errorf("%s: %s for %v", name, show(got), v)
		}
	case change.Float64:
		f, err := strconv.ParseFloat(show(got), 64)
		if err != nil || f != v.Float64() {
			t.Errorf("%s: %s for %v", name, show(got), v)
		}
	default:
		if want := text(v); (got == nil) != (want == nil) || show(got) != show(want) {
			t.Errorf("%s: %q for %v", name, show(got), v)
		}
	}
}

// TestEveryMessageReadsBack is the format's promise: valid JSON, every text
// intact, old exactly the changed columns, whatever names and values hold.
func TestEveryMessageReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := &change.Table{Database: rapid.String().Draw(t, "database"), Name: rapid.String().Draw(t, "table")}
		var gens []*rapid.Generator[change.Value]
		for i := range rapid.IntRange(1, 6).Draw(t, "columns") {
			c, gen := anyColumn(t, i)
			table.Columns, gens = append(table.Columns, c), append(gens, gen)
		}
		row := func() (r change.Row) {
			for _, gen := range gens {
				r = append(r, gen.Draw(t, "value"))
			}
			return r
		}
		e := canaljson.New(canaljson.Options{})
		first := update(table, 1, row(), row())
		rows := []*change.Change{first}
		for i := range rapid.IntRange(0, 3).Draw(t, "more rows") {
			if c := update(table, int64(i+2), row(), row()); e.Shape(c) == e.Shape(first) {
				rows = append(rows, c)
			}
		}

		b := e.AppendMessage([]byte("kept"), rows, now)
		if string(b[:4]) != "kept" || !json.Valid(b[4:]) {
			t.Fatalf("invalid: %s", b)
		}
		m, err := canaljson.Parse(b[4:])
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if m.Database != table.Database || m.Table != table.Name || len(m.Data) != len(rows) {
			t.Fatalf("%s.%s with %d rows", m.Database, m.Table, len(m.Data))
		}
		for i, c := range rows {
			for j, col := range table.Columns {
				checkValue(t, col.Name, m.Data[i][col.Name], c.After[j])
				old, changed := m.Old[i][col.Name]
				if changed != (c.Before[j] != c.After[j]) {
					t.Errorf("row %d: %q in old: %v", i, col.Name, changed)
				}
				if changed {
					checkValue(t, col.Name, old, c.Before[j])
				}
			}
		}
	})
}

// FuzzText looks for bytes that break out of a JSON string.
func FuzzText(f *testing.F) {
	f.Add(awkward)
	f.Add("\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf")
	table := &change.Table{Database: "d", Name: "t", Columns: []change.Column{
		{Name: "v", Type: change.TypeVarchar}, {Name: "b", Type: change.TypeBlob},
	}}
	f.Fuzz(func(t *testing.T, s string) {
		m := parse(t, packed(insert(table, 1, change.Row{change.NewText(s), change.NewBytes(s)})))
		if got, want := show(m.Data[0]["v"]), string([]rune(s)); got != want {
			t.Errorf("text %q came out as %q", want, got)
		}
		if got, want := show(m.Data[0]["b"]), show(text(change.NewBytes(s))); got != want {
			t.Errorf("bytes %q came out as %q", want, got)
		}
	})
}
