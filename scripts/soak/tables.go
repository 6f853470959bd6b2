// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// table is one table of the workload. Keys are drawn from a space twice as large as the table begins with, so that about
// half of them exist and every statement sometimes meets a row and sometimes none.
type table struct {
	name    string
	ddl     string
	keys    []string // key columns
	columns []string // the other columns
	// key draws a key out of a space of n; far keys are out of the others' way.
	key    func(r *rand.Rand, n int64, far bool) []any
	values func(r *rand.Rand) []any
	// between is a condition on a range of keys with two arguments; "" when the table has none.
	between string
}

// tables are of every kind of key that a snapshot cuts into chunks by; the first two have rows large enough for several
// chunks.
func tables() []*table {
	return []*table{
		{
			name: "accounts", keys: []string{"id"}, columns: []string{"owner", "balance", "rate", "changed", "note"},
			ddl: `id BIGINT PRIMARY KEY, owner VARCHAR(40) NOT NULL, balance DECIMAL(14,2) NOT NULL, rate DOUBLE,
				changed DATETIME(3), note TEXT`,
			key: func(r *rand.Rand, n int64, far bool) []any { return []any{number(r, n, far)} },
			values: func(r *rand.Rand) []any {
				return []any{word(r), money(r), r.NormFloat64(), moment(r), maybe(r, strings.Repeat(word(r), r.IntN(200)))}
			},
			between: "id BETWEEN ? AND ?",
		},
		{
			// Case doesn't matter to this key: a row may change its name's case and stay the same row.
			name: "people", keys: []string{"name"}, columns: []string{"city", "born", "doc"},
			ddl: `name VARCHAR(40) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, city VARCHAR(40) COLLATE utf8mb4_bin, born DATE,
				doc JSON`,
			key: func(r *rand.Rand, n int64, far bool) []any {
				name := fmt.Sprintf("pérson-%d", number(r, n, far))
				switch r.IntN(3) {
				case 0:
					name = strings.ToUpper(name)
				case 1:
					name = strings.ReplaceAll(name, "é", "e")
				}
				return []any{name}
			},
			values: func(r *rand.Rand) []any {
				return []any{maybe(r, word(r)), moment(r)[:10], document(r)}
			},
		},
		{
			name: "parts", keys: []string{"orders", "line"}, columns: []string{"item", "amount", "state"},
			ddl: `orders INT, line SMALLINT, item VARCHAR(60), amount INT UNSIGNED NOT NULL, state ENUM('new','paid','sent'),
				PRIMARY KEY (orders, line)`,
			key: func(r *rand.Rand, n int64, far bool) []any { return []any{number(r, n/5, far), r.IntN(5)} },
			values: func(r *rand.Rand) []any {
				return []any{maybe(r, word(r)), r.Uint32(), []string{"new", "paid", "sent"}[r.IntN(3)]}
			},
			between: "orders BETWEEN ? AND ?",
		},
		{
			name: "tokens", keys: []string{"id"}, columns: []string{"holder", "flags", "used"},
			ddl: `id BINARY(8) PRIMARY KEY, holder BIGINT UNSIGNED, flags BIT(10), used TIMESTAMP(6) NULL`,
			key: func(r *rand.Rand, n int64, far bool) []any {
				id := number(r, n, far) * 0x9E3779B97F4A7 // spread over the whole range
				return []any{[]byte{byte(id >> 48), byte(id >> 40), byte(id >> 32), byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id), 0}}
			},
			values: func(r *rand.Rand) []any { return []any{r.Uint64(), r.IntN(1024), moment(r)} },
		},
	}
}

// number draws from [0, n), or from the next such range.
func number(r *rand.Rand, n int64, far bool) int64 {
	n = max(n, 1)
	if far {
		return n + r.Int64N(n)
	}
	return r.Int64N(n)
}

var words = []string{"ash", "Бук", "cédre", "drago", "Eibe", "fig 🌱", "ginkgo", "höll", "柳", "juniper's", `k"elp`, "larch\\", ""}

func word(r *rand.Rand) string { return words[r.IntN(len(words))] + words[r.IntN(len(words))] }

func money(r *rand.Rand) string {
	return fmt.Sprintf("%d.%02d", r.Int64N(1_000_000)-500_000, r.IntN(100))
}

func moment(r *rand.Rand) string {
	return time.UnixMilli(1_600_000_000_000 + r.Int64N(100_000_000_000)).UTC().Format("2006-01-02 15:04:05.000")
}

func document(r *rand.Rand) string {
	list := make([]string, r.IntN(60))
	for i := range list {
		list[i] = fmt.Sprintf("%q", word(r))
	}
	return fmt.Sprintf(`{"n": %d, "f": %g, "a": [%s], "": null}`, r.IntN(1000), r.Float64(), strings.Join(list, ", "))
}

// maybe is v, or at times NULL.
func maybe(r *rand.Rand, v string) any {
	if r.IntN(5) == 0 {
		return nil
	}
	return v
}

// statement is SQL with its arguments; rows is the most row changes that it counts for.
type statement struct {
	sql  string
	args []any
	rows int64
}

// where is a condition on one key.
func (t *table) where() string { return strings.Join(t.keys, " = ? AND ") + " = ?" }

// upsert writes rows with these keys, new or not.
func (t *table) upsert(r *rand.Rand, keys [][]any) statement {
	all := append(append([]string{}, t.keys...), t.columns...)
	one := "(?" + strings.Repeat(", ?", len(all)-1) + ")"
	s := statement{rows: int64(len(keys))}
	for _, k := range keys {
		s.args = append(append(s.args, k...), t.values(r)...)
	}
	set := make([]string, len(t.columns))
	for i, c := range t.columns {
		set[i] = c + " = VALUES(" + c + ")"
	}
	rows := one + strings.Repeat(", "+one, len(keys)-1)
	s.sql = "INSERT INTO " + t.name + " (" + strings.Join(all, ", ") + ") VALUES " + rows + " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", ")
	if r.IntN(6) == 0 {
		s.sql = "REPLACE INTO " + t.name + " (" + strings.Join(all, ", ") + ") VALUES " + rows
	}
	return s
}

// random draws a statement. big tells how many rows one statement may change at most.
func (t *table) random(r *rand.Rand, space int64, far bool, big int) statement {
	switch n := r.IntN(100); {
	case n < 35:
		keys := make([][]any, 1+r.IntN(max(big/4, 1)))
		for i := range keys {
			keys[i] = t.key(r, space, far)
		}
		return t.upsert(r, keys)
	case n < 60:
		i := r.IntN(len(t.columns))
		return statement{
			"UPDATE " + t.name + " SET " + t.columns[i] + " = ? WHERE " + t.where(),
			append([]any{t.values(r)[i]}, t.key(r, space, far)...), 1,
		}
	case n < 72 && t.between != "":
		from := t.key(r, space, far)[0].(int64)
		i := r.IntN(len(t.columns))
		return statement{
			"UPDATE " + t.name + " SET " + t.columns[i] + " = ? WHERE " + t.between,
			[]any{t.values(r)[i], from, from + int64(r.IntN(big))},
			int64(big) * 5,
		}
	case n < 84: // a row gets another key, or only other letters of the same key
		set := strings.Join(t.keys, " = ?, ") + " = ?"
		return statement{
			"UPDATE IGNORE " + t.name + " SET " + set + " WHERE " + t.where(),
			append(t.key(r, space, far), t.key(r, space, far)...), 1,
		}
	case n < 88 && t.between != "":
		from := t.key(r, space, far)[0].(int64)
		return statement{"DELETE FROM " + t.name + " WHERE " + t.between, []any{from, from + int64(r.IntN(big/4+1))}, int64(big) * 5}
	default:
		return statement{"DELETE FROM " + t.name + " WHERE " + t.where(), t.key(r, space, far), 1}
	}
}
