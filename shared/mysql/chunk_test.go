// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// chunked is a table whose keys are drawn.
type chunked struct {
	name, columns string
	draw          *rapid.Generator[[]any]
}

func one(g *rapid.Generator[any]) *rapid.Generator[[]any] {
	return rapid.Map(g, func(v any) []any { return []any{v} })
}

func chunkedTables() []chunked {
	// Runs, gaps, and both ends of the type.
	signed := rapid.Custom(func(t *rapid.T) any {
		base := rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 / 2, -100, 0, 1 << 40, math.MaxInt64 - 200}).Draw(t, "base")
		return base + rapid.Int64Range(0, 200).Draw(t, "off")
	})
	unsigned := rapid.Custom(func(t *rapid.T) any {
		base := rapid.SampledFrom([]uint64{0, 1 << 33, math.MaxInt64 - 50, math.MaxUint64 - 200}).Draw(t, "base")
		return fmt.Sprint(base + rapid.Uint64Range(0, 200).Draw(t, "off"))
	})
	pair := rapid.Custom(func(t *rapid.T) []any {
		return []any{rapid.IntRange(-2, 2).Draw(t, "a"), texts(worldAlphabet).Draw(t, "b"), fmt.Sprintf("%d.%02d", rapid.IntRange(-2, 2).Draw(t, "c"), rapid.IntRange(0, 99).Draw(t, "d"))}
	})
	return []chunked{
		{"signed", "k0 BIGINT, PRIMARY KEY (k0)", one(signed)},
		{"unsigned", "k0 BIGINT UNSIGNED, PRIMARY KEY (k0)", one(unsigned)},
		{"tiny", "k0 TINYINT, PRIMARY KEY (k0)", one(sprint(rapid.Int8(), func(n int8) any { return n }))},
		{"ai_ci", "k0 VARCHAR(10) COLLATE utf8mb4_0900_ai_ci, PRIMARY KEY (k0)", one(texts(worldAlphabet))},
		{"general_ci", "k0 VARCHAR(10) COLLATE utf8mb4_general_ci, PRIMARY KEY (k0)", one(texts(worldAlphabet))},
		{"unicode_ci", "k0 VARCHAR(10) COLLATE utf8mb4_unicode_ci, PRIMARY KEY (k0)", one(texts(worldAlphabet))},
		{"latin1", "k0 CHAR(10) CHARACTER SET latin1, PRIMARY KEY (k0)", one(texts("abcXYZ äöüß"))},
		{"composite", "k0 INT, k1 VARCHAR(10) COLLATE utf8mb4_0900_as_cs, k2 DECIMAL(5,2), PRIMARY KEY (k2, k0, k1)", pair},
		{"bytes", "k0 VARBINARY(6), PRIMARY KEY (k0)", one(sprint(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) any { return b }))},
	}
}

// The union of the chunks is the table, and no row is in two: the first chunk
// is open below, the last ends at the greatest key, each begins where the one
// before ends, and the server reads each in our order (rule S7).
func TestS7ChunksCoverTheTableOnce(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	for _, ct := range chunkedTables() {
		t.Run(ct.name, func(t *testing.T) {
			servertest.MySQL(t).NeedsTo(t, ct.columns)
			query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (%s)", db, ct.name, ct.columns))
			table := loadTable(t, c, db, ct.name)
			for round, want := range []int{0, 1, 2, 100} {
				query(t, c, "DELETE FROM "+mysql.QuoteTable(table))
				var rows []string
				var args []any
				for _, key := range rapid.SliceOfN(ct.draw, want, want).Example(seed(t) + round) {
					rows = append(rows, "("+strings.TrimSuffix(strings.Repeat("?, ", len(key)), ", ")+")")
					args = append(args, key...)
				}
				if want > 0 {
					query(t, c, "INSERT IGNORE INTO "+mysql.QuoteTable(table)+" VALUES "+strings.Join(rows, ", "), args...)
				}
				for _, rows := range []int64{2, 7, 1000} {
					checkChunks(t, c, table, rows)
				}
			}
		})
	}
}

func checkChunks(t *testing.T, c *mysql.Conn, table *change.Table, rows int64) {
	t.Helper()
	order := mysql.NewKeyOrder(table, table.Key)
	var all []string
	if err := c.ReadRange(t.Context(), table, mysql.Range{}, func(row change.Row) error {
		all = append(all, fmt.Sprint(table.KeyOf(row)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ranges, err := c.PlanRanges(t.Context(), definition(t, c, table), rows, max(int64(len(all)), 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		if len(ranges) != 0 {
			t.Errorf("an empty table has chunks %v", ranges)
		}
		return
	}
	if most := int64(len(all)) + 1; int64(len(ranges)) > most || len(ranges) == 0 || len(ranges[0].After) > 0 {
		t.Fatalf("%d rows by %d: chunks %v", len(all), rows, ranges)
	}
	var read []string
	for i, r := range ranges {
		if i > 0 && (order.Compare(r.After, ranges[i-1].UpTo) != 0 || order.Compare(r.After, r.UpTo) >= 0) {
			t.Errorf("chunk %d is %v behind %v", i, r, ranges[i-1])
		}
		var last change.Row
		if err := c.ReadRange(t.Context(), table, r, func(row change.Row) error {
			key := table.KeyOf(row)
			if !r.Contains(order, key) || last != nil && order.Compare(last, key) >= 0 {
				t.Errorf("chunk %v has %v behind %v", r, key, last)
			}
			last = key
			read = append(read, fmt.Sprint(key))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(read, all) {
		t.Errorf("by %d: chunks hold %d rows %.300v, the table %d %.300v", rows, len(read), read, len(all), all)
	}
}

// A range holds the rows that it says it does: the server takes its bounds for
// what they are, whatever the type (rule S7).
func TestS7RangesHoldWhatTheySay(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	for n, kt := range keyTypes() {
		t.Run(kt.name, func(t *testing.T) {
			name := fmt.Sprintf("r%d", n)
			query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (k %s PRIMARY KEY)", db, name, kt.ddl))
			table := loadTable(t, c, db, name)
			order := mysql.NewKeyOrder(table, table.Key)
			if !order.Ordered() {
				return // such a key never bounds a chunk; a skip is for what the source lacks
			}
			values := rapid.SliceOfN(kt.draw, 80, 80).Example(seed(t))
			query(t, c, "INSERT IGNORE INTO "+mysql.QuoteTable(table)+" VALUES (?)"+strings.Repeat(", (?)", len(values)-1), values...)
			read := func(r mysql.Range) (keys []change.Row) {
				if err := c.ReadRange(t.Context(), table, r, func(row change.Row) error { keys = append(keys, slices.Clone(row)); return nil }); err != nil {
					t.Fatal(err)
				}
				return keys
			}
			all := read(mysql.Range{})
			for i, after := range all {
				for _, r := range []mysql.Range{{After: after}, {UpTo: after}, {After: after, UpTo: all[max(i, len(all)-1-i)]}} {
					var want []change.Row
					for _, key := range all {
						if r.Contains(order, key) {
							want = append(want, key)
						}
					}
					if got := read(r); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Fatalf("range %v holds %d rows %.200v, want %d %.200v", r, len(got), got, len(want), want)
					}
				}
			}
		})
	}
}
