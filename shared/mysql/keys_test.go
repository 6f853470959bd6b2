// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// alphabets hold what collations disagree about: case, accents, expansions,
// contractions, ignorable and supplementary characters, spaces and what sorts
// below them.
const (
	westernAlphabet = "aAbBzZ019 _-\t!~äÄéÈßÿñÑçåØ\u0081\u00a0€"
	worldAlphabet   = westernAlphabet + "ıİœŒﬁßſẞłŁđžŽдДёαΑςσΣ日本語かカがガｶﾞ한글\u00ad\u200b\u0301\u0308\u3099😀😁𝄞𐐀𐐨\x01\x00\U0010ffff\ufffd"
)

// keyType is a key column to compare by.
type keyType struct {
	name string
	ddl  string // the column k
	draw *rapid.Generator[any]
}

func texts(alphabet string, most int) *rapid.Generator[any] {
	letters := []rune(alphabet)
	return rapid.Custom(func(t *rapid.T) any {
		n := rapid.IntRange(0, most).Draw(t, "n")
		var b strings.Builder
		for range n {
			b.WriteRune(rapid.SampledFrom(letters).Draw(t, "letter"))
		}
		return b.String()
	})
}

func sprint[T any](g *rapid.Generator[T], format func(T) any) *rapid.Generator[any] {
	return rapid.Map(g, format)
}

func keyTypes() []keyType {
	small := rapid.IntRange(-3, 3)
	list := []keyType{
		{"tinyint", "TINYINT", sprint(rapid.Int8(), func(n int8) any { return n })},
		{"bigint", "BIGINT", sprint(rapid.Int64(), func(n int64) any { return n })},
		{"bigint unsigned", "BIGINT UNSIGNED", sprint(rapid.Uint64(), func(n uint64) any { return fmt.Sprint(n) })},
		{"bit", "BIT(64)", sprint(rapid.Uint64(), func(n uint64) any {
			return []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		})},
		{"year", "YEAR", sprint(rapid.IntRange(1900, 2155), func(n int) any {
			if n == 1900 {
				return 0
			}
			return n
		})},
		{"decimal", "DECIMAL(30,10)", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%d.%010d", rapid.Int64Range(-1e3, 1e18).Draw(t, "whole"), rapid.Int64Range(0, 1e10-1).Draw(t, "part"))
		})},
		{"decimal, near zero", "DECIMAL(5,2)", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%s%d.%d", rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign"), small.Draw(t, "whole")&3, rapid.IntRange(0, 99).Draw(t, "part"))
		})},
		{"date", "DATE", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(0, 9999).Draw(t, "y"), rapid.IntRange(0, 12).Draw(t, "m"), rapid.IntRange(0, 28).Draw(t, "d"))
		})},
		{"time", "TIME(3)", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%s%d:%02d:%02d.%03d", rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign"), rapid.SampledFrom([]int{0, 1, 12, 99, 100, 837}).Draw(t, "h"),
				rapid.IntRange(0, 59).Draw(t, "m"), rapid.IntRange(0, 59).Draw(t, "s"), rapid.IntRange(0, 999).Draw(t, "ms"))
		})},
		{"datetime", "DATETIME(6)", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%04d-12-31 23:59:%02d.%06d", rapid.IntRange(1000, 9999).Draw(t, "y"), rapid.IntRange(0, 59).Draw(t, "s"), rapid.IntRange(0, 999999).Draw(t, "us"))
		})},
		{"timestamp", "TIMESTAMP(2)", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%04d-03-31 02:30:%02d.%02d", rapid.IntRange(1971, 2037).Draw(t, "y"), rapid.IntRange(0, 59).Draw(t, "s"), rapid.IntRange(0, 99).Draw(t, "f"))
		})},
		{"binary", "BINARY(4)", sprint(rapid.SliceOfN(rapid.SampledFrom([]byte{0, ' ', 'a', 0xff}), 0, 4), func(b []byte) any { return b })},
		{"varbinary", "VARBINARY(5)", sprint(rapid.SliceOfN(rapid.SampledFrom([]byte{0, ' ', 'a', 0xff}), 0, 5), func(b []byte) any { return b })},
		// Not cut along, but told apart.
		{"float", "FLOAT", sprint(rapid.Float32Range(-1e30, 1e30), func(f float32) any { return fmt.Sprint(f) })},
		{"double", "DOUBLE", sprint(rapid.Float64Range(-1e300, 1e300), func(f float64) any { return fmt.Sprint(f) })},
		{"enum", "ENUM('z','a','b','A2')", rapid.SampledFrom([]any{"z", "a", "b", "A2"})},
		{"set", "SET('z','a','b')", rapid.SampledFrom([]any{"", "z", "a", "b", "z,a", "a,b", "z,a,b"})},
	}
	for _, c := range []string{
		"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_bin",
		"utf8mb4_de_pb_0900_ai_ci", "utf8mb4_ja_0900_as_cs", "utf8mb4_zh_0900_as_cs", "utf8mb4_spanish_ci",
		"utf16_general_ci", "utf16_unicode_ci", "utf16_bin", "utf16le_general_ci", "utf16le_bin", "utf32_unicode_520_ci", "ucs2_general_ci", "utf8mb3_general_ci", "utf8mb3_unicode_ci",
		"gbk_chinese_ci", "gb2312_chinese_ci", "gb18030_chinese_ci", "big5_chinese_ci", "sjis_japanese_ci", "cp932_japanese_ci", "ujis_japanese_ci", "euckr_korean_ci",
		"cp1251_general_ci", "cp1250_czech_cs", "latin2_czech_cs", "latin2_general_ci", "koi8r_general_ci", "greek_general_ci", "hebrew_general_ci", "tis620_thai_ci", "cp850_general_ci",
	} {
		charset, _, _ := strings.Cut(c, "_")
		list = append(list, keyType{"varchar " + c, "VARCHAR(20) CHARACTER SET " + charset + " COLLATE " + c, texts(worldAlphabet, 5)})
	}
	for _, c := range []string{"latin1_swedish_ci", "latin1_german1_ci", "latin1_german2_ci", "latin1_bin", "latin1_general_cs"} {
		list = append(list, keyType{"char " + c, "CHAR(20) CHARACTER SET latin1 COLLATE " + c, texts(westernAlphabet, 5)})
	}
	return append(list, keyType{"ascii", "VARCHAR(20) CHARACTER SET ascii", texts("aAbBzZ019 _-\t!~", 5)})
}

// Our comparator agrees with the server's ORDER BY, and our canonical bytes
// with its idea of equal keys, for every type and collation that chunks are cut
// along (rules D1, S7).
func TestS7ComparatorAgreesWithTheServer(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	for n, kt := range keyTypes() {
		t.Run(kt.name, func(t *testing.T) {
			name := fmt.Sprintf("k%d", n)
			query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (n INT PRIMARY KEY, k %s NOT NULL, INDEX (k))", db, name, kt.ddl))
			table, err := mysql.LoadTable(t.Context(), c, db, name)
			if err != nil {
				t.Fatal(err)
			}
			order := mysql.NewKeyOrder(table, []int{table.Column("k")})
			if !order.Canonical() {
				t.Skipf("not told apart: such tables are one lane and read loosely")
			}
			values := distinct(rapid.SliceOfN(kt.draw, 250, 250).Example(seed(t)))
			for at := 0; at < len(values); at += 40 {
				insertKeys(t, c, db+"."+name, at, values[at:min(at+40, len(values))])
			}
			compareWithServer(t, c, table, order)
		})
	}
}

func distinct(values []any) []any {
	seen := map[string]bool{}
	return slices.DeleteFunc(values, func(v any) bool {
		k := fmt.Sprint(v)
		was := seen[k]
		seen[k] = true
		return was
	})
}

func insertKeys(t *testing.T, c *mysql.Conn, table string, from int, values []any) {
	t.Helper()
	var rows []string
	var args []any
	for i, v := range values {
		row := fmt.Sprintf("(%d, ?)", from+i)
		if text, ok := v.(string); ok {
			row = fmt.Sprintf("(%d, CONVERT(_utf8mb4 0x%x USING utf8mb4))", from+i, text)
			if text == "" {
				row = fmt.Sprintf("(%d, '')", from+i)
			}
		} else {
			args = append(args, v)
		}
		rows = append(rows, row)
	}
	// IGNORE: what the column's charset lacks becomes a question mark.
	query(t, c, "INSERT IGNORE INTO "+table+" VALUES "+strings.Join(rows, ", "), args...)
}

// compareWithServer reads the keys in the server's order, with the server's
// verdict on neighbours, and compares each pair.
func compareWithServer(t *testing.T, c *mysql.Conn, table *change.Table, order *mysql.KeyOrder) {
	t.Helper()
	k := &table.Columns[table.Column("k")]
	dec, err := mysql.NewSelectDecoder(&change.Table{Database: table.Database, Name: table.Name, Columns: []change.Column{*k, {Name: "r", Type: change.TypeBigInt}}})
	if err != nil {
		t.Fatal(err)
	}
	// DENSE_RANK counts the keys the server holds different.
	sql := fmt.Sprintf("SELECT %s, r FROM (SELECT k, CAST(DENSE_RANK() OVER (ORDER BY k) AS SIGNED) r FROM %s) x ORDER BY r", mysql.SelectExpr(k), mysql.QuoteTable(table))
	var keys []change.Row
	var ranks []int64
	err = c.Stream(t.Context(), sql, nil, func(f []gomysql.FieldValue) error {
		row, err := dec.Decode(f)
		if err == nil {
			keys, ranks = append(keys, slices.Clone(row[:1])), append(ranks, row[1].Int())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 3 {
		t.Fatalf("%d keys", len(keys))
	}
	wrong := 0
	for i := range keys {
		for j := range keys {
			a, b := order.Append(nil, keys[i]), order.Append(nil, keys[j])
			if bytes.Equal(a, b) != (ranks[i] == ranks[j]) {
				t.Errorf("%v and %v: equal at the server %t, canonical bytes %x and %x", keys[i], keys[j], ranks[i] == ranks[j], a, b)
				wrong++
			}
			if got, want := order.Compare(keys[i], keys[j]), sign(ranks[i]-ranks[j]); order.Ordered() && sign(int64(got)) != want {
				t.Errorf("%v and %v: compared as %d, at the server %d", keys[i], keys[j], got, want)
				wrong++
			}
			if wrong > 10 {
				t.FailNow()
			}
		}
	}
}

func sign(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// seed makes each subtest draw values of its own, the same in every run.
func seed(t *testing.T) int {
	var n uint32
	for _, b := range []byte(t.Name()) {
		n = n*31 + uint32(b)
	}
	return int(n >> 1)
}
