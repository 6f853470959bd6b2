// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// unevenly is how many times the rows of an even chunk a planned one may have.
const unevenly = 3

// Crowds, gaps and keys that are alike for long give chunks of about as many
// rows, and no more chunks than that makes (rule S9).
func TestS9UnevenKeysMakeEvenChunks(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	const rows, wanted = 60_000, 1_000
	query(t, c, "SET SESSION cte_max_recursion_depth = 1000000")
	query(t, c, fmt.Sprintf("CREATE TABLE %s.numbers AS WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM s WHERE i < %d) SELECT i FROM s", db, rows-1))
	for _, tt := range []struct{ name, columns, keys string }{
		{"one_after_another", "k BIGINT PRIMARY KEY", "i"},
		{"a_gap", "k BIGINT PRIMARY KEY", "IF(i < 1000, i, 1000000000000000 + i)"},
		{"crowds", "k BIGINT UNSIGNED PRIMARY KEY", "CAST(POW(4, i % 20) AS UNSIGNED) * 10000000 + i DIV 20"},
		{"both_ends", "k BIGINT PRIMARY KEY", "IF(i % 2, 9223372036854775807 - i, i - 9223372036854775807)"},
		{"squares", "k BIGINT PRIMARY KEY", "CAST(i AS SIGNED) * i * i"},
		{"hot_first_column", "k INT, j BIGINT, PRIMARY KEY (k, j)", "IF(i % 10, 7, i % 4999), i"},
		{"hot_second_column", "h INT, k INT, j BIGINT, PRIMARY KEY (h, k, j)", "3, IF(i % 10, 7, i % 4999), i"},
		{"few_firsts", "k ENUM('a','b'), n INT NOT NULL, j INT NOT NULL, UNIQUE (n, j)", "1, i % 3, i"},
		{"states", "k VARCHAR(20), j BIGINT, PRIMARY KEY (k, j)", "ELT(1 + (i % 40 = 0) + (i % 50 = 0), 'paid', 'open', 'refunded'), i"},
		{"uuids", "k CHAR(36) PRIMARY KEY", "INSERT(INSERT(INSERT(INSERT(LEFT(SHA2(i, 256), 32), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')"},
		{"uuids_in_ascii", "k CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY", "LEFT(SHA2(i, 256), 36)"},
		{"binary_uuids", "k BINARY(16) PRIMARY KEY", "UNHEX(LEFT(SHA2(i, 256), 32))"},
		{"ulids", "k VARCHAR(26) COLLATE utf8mb4_bin PRIMARY KEY", "CONCAT('01HQ', LPAD(CONV(1700000000 + i DIV 100, 10, 32), 8, '0'), UPPER(LEFT(SHA2(i, 256), 14)))"},
		{"order_numbers", "k VARCHAR(40) PRIMARY KEY", "CONCAT(ELT(1 + i % 3, 'ORDER-2024-AT-', 'ORDER-2024-DE-', 'REFUND-2023-'), LPAD(i, 9, '0'))"},
		{"mail_addresses", "k VARCHAR(100) COLLATE utf8mb4_general_ci PRIMARY KEY", "CONCAT('user.', i, '@', ELT(1 + i % 2, 'example.com', 'example.org'))"},
		{"names", "k VARCHAR(40) PRIMARY KEY", "CONCAT(CHAR(0x4e00 + i * 37 % 9000 USING ucs2), CHAR(0x4e00 + i * 11 % 9000 USING ucs2), i)"},
		{"latin1", "k VARCHAR(40) CHARACTER SET latin1 PRIMARY KEY", "CONCAT(ELT(1 + i % 4, 'Ä', 'é', 'ß', 'z'), ELT(1 + i % 5, 'ü', 'Ü', 'o', 'ø', 'ö'), i)"},
		{"decimals", "k DECIMAL(30,10) PRIMARY KEY", "IF(i % 2, -1, 1) * POW(i, 3) / 7 + i / 1000000"},
		{"days", "k DATE, j INT, PRIMARY KEY (k, j)", "IF(i % 7, DATE('2024-02-28') + INTERVAL i % 5 DAY, '0000-00-00'), i"},
		{"moments", "k DATETIME(6) PRIMARY KEY", "IF(i % 3, TIMESTAMP('2024-02-28 23:59:59.5') + INTERVAL i MICROSECOND, TIMESTAMP('1970-01-01') + INTERVAL i HOUR)"},
		{"stamps", "k TIMESTAMP(3), j INT, PRIMARY KEY (k, j)", "IF(i % 3, TIMESTAMP('2024-02-28 23:59:59.5') + INTERVAL i MICROSECOND, TIMESTAMP('1999-01-01') + INTERVAL i MINUTE), i"},
		{"times", "k TIME(2), j INT, PRIMARY KEY (k, j)", "SEC_TO_TIME((i - 30000) * POW(i / 60000, 3) * 100), i"},
		{"years", "k YEAR, j BIT(20), PRIMARY KEY (k, j)", "IF(i % 3, 1901 + i % 200, 0), i"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (%s, v CHAR(50) DEFAULT 'some more bytes in every row')", db, tt.name, tt.columns))
			table := loadTable(t, c, db, tt.name)
			columns := ""
			for i := range len(table.Columns) - 1 {
				columns += ", " + table.Columns[i].Name
			}
			query(t, c, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s.numbers", mysql.QuoteTable(table), columns[2:], tt.keys, db))
			query(t, c, "ANALYZE TABLE "+mysql.QuoteTable(table))
			ranges, err := c.PlanRanges(t.Context(), definition(t, c, table), wanted, rows)
			if err != nil {
				t.Fatal(err)
			}
			sum, most := 0, 0
			for _, r := range ranges {
				n := 0
				if err := c.ReadRange(t.Context(), table, r, func(change.Row) error { n++; return nil }); err != nil {
					t.Fatal(err)
				}
				sum, most = sum+n, max(most, n)
			}
			t.Logf("%d chunks, at most %d rows", len(ranges), most)
			if sum != rows {
				t.Errorf("the chunks hold %d rows, the table %d", sum, rows)
			}
			if most > unevenly*wanted || len(ranges) > 2*rows/wanted {
				t.Errorf("%d chunks of at most %d rows, wanted %d of %d", len(ranges), most, rows/wanted, wanted)
			}
		})
	}
}

// definition loads a table's definition anew.
func definition(t *testing.T, c *mysql.Conn, table *change.Table) *mysql.Definition {
	t.Helper()
	loaded, err := mysql.LoadDefinitions(t.Context(), c, []change.TableName{table.FullName()})
	if err != nil {
		t.Fatal(err)
	}
	return loaded[table.FullName()]
}

// A key between two others is not below the first and below the last, so that
// both have some part of what lies between, whatever the type.
func TestS9BetweenTwoKeys(t *testing.T) {
	text := func(charset, collation string) change.Column {
		return change.Column{Type: change.TypeVarchar, Charset: charset, Collation: collation}
	}
	number := func(format string) *rapid.Generator[change.Value] {
		return rapid.Map(rapid.Int64Range(-1e9, 1e9), func(n int64) change.Value {
			sign := ""
			if n < 0 {
				sign, n = "-", -n
			}
			return change.NewText(fmt.Sprintf(sign+format, n/3600%800, n/60%60, n%60))
		})
	}
	moment := rapid.Custom(func(t *rapid.T) change.Value {
		n := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		return change.NewText(fmt.Sprintf("%04d-%02d-%02d %02d:59:%02d.%03d", n("y", 9999), n("m", 12), n("d", 31), n("h", 23), n("s", 59), n("ms", 999)))
	})
	words := func(letters string) *rapid.Generator[change.Value] {
		return rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune(letters)), 0, 12, -1), change.NewText)
	}
	kinds := []struct {
		column change.Column
		draw   *rapid.Generator[change.Value]
	}{
		{change.Column{Type: change.TypeBigInt}, rapid.Map(rapid.Int64(), change.NewInt)},
		{change.Column{Type: change.TypeBigInt, Unsigned: true}, rapid.Map(rapid.Uint64(), change.NewUint)},
		{change.Column{Type: change.TypeDecimal, Scale: 4}, number("%d.%02d%02d")},
		{change.Column{Type: change.TypeTime, Scale: 1}, number("%02d:%02d:%02d.0")},
		{change.Column{Type: change.TypeDateTime, Scale: 3}, moment},
		{change.Column{Type: change.TypeVarbinary}, rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) change.Value { return change.NewBytes(string(b)) })},
		{text("utf8mb4", "utf8mb4_0900_ai_ci"), words(worldAlphabet)},
		{text("utf8mb4", "utf8mb4_bin"), words(worldAlphabet)},
		{text("utf8mb3", "utf8mb3_general_ci"), words("abcXYZäß日本")},
		{text("latin1", "latin1_swedish_ci"), words(westernAlphabet)},
	}
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		table := &change.Table{Columns: []change.Column{{Type: change.TypeInt}, k.column, {Type: change.TypeInt}}, Key: []int{0, 1, 2}}
		order := mysql.NewKeyOrder(table, table.Key)
		key := func(name string) change.Row {
			return change.Row{change.NewInt(rapid.Int64Range(1, 2).Draw(t, name)), k.draw.Draw(t, name), change.NewInt(rapid.Int64Range(math.MinInt64, math.MaxInt64).Draw(t, name))}
		}
		first, last := key("first"), key("last")
		switch c := order.Compare(first, last); {
		case c == 0:
			return
		case c > 0:
			first, last = last, first
		}
		n := rapid.Int64Range(2, 1000).Draw(t, "n")
		at := order.Between(first, last, rapid.Int64Range(1, n-1).Draw(t, "i"), n)
		whole := append(at, first[len(at):]...) //nolint:gocritic // a copy's rest
		if order.Compare(whole, first) < 0 || order.Compare(whole, last) >= 0 {
			t.Fatalf("%v lies between %v and %v", at, first, last)
		}
	})
}
