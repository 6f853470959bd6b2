// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// What collations disagree about: case, accents, expansions, ignorable and
// supplementary characters, spaces and what sorts below them.
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

func texts(alphabet string) *rapid.Generator[any] {
	letters := []rune(alphabet)
	return rapid.Custom(func(t *rapid.T) any {
		n := rapid.IntRange(0, 4).Draw(t, "n")
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
			return fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(0, 9999).Draw(t, "y"), rapid.IntRange(0, 12).Draw(t, "m"), rapid.IntRange(0, 31).Draw(t, "d"))
		})},
		{"time, whole", "TIME", rapid.Custom(func(t *rapid.T) any {
			return fmt.Sprintf("%02d:%02d:%02d", rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 13).Draw(t, "m"), rapid.IntRange(0, 32).Draw(t, "s"))
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
		{"float", "FLOAT", sprint(rapid.OneOf(rapid.Float32Range(-1e30, 1e30), rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1))})), func(f float32) any { return fmt.Sprint(f) })},
		{"double", "DOUBLE", sprint(rapid.OneOf(rapid.Float64Range(-1e300, 1e300), rapid.SampledFrom([]float64{0, math.Copysign(0, -1)})), func(f float64) any { return fmt.Sprint(f) })},
		{"enum", "ENUM('z','a','b','A2')", rapid.SampledFrom([]any{"z", "a", "b", "A2"})},
		{"set", "SET('z','a','b')", rapid.SampledFrom([]any{"", "z", "a", "b", "z,a", "a,b", "z,a,b"})},
	}
	return list
}

// Our comparator agrees with the server's ORDER BY along an index, and our
// canonical bytes with its idea of equal keys, for every type of key (rules D1,
// S7).
func TestS7ComparatorAgreesWithTheServer(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	for n, kt := range keyTypes() {
		t.Run(kt.name, func(t *testing.T) {
			name := fmt.Sprintf("k%d", n)
			query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (n INT PRIMARY KEY, k %s NOT NULL, INDEX (k))", db, name, kt.ddl))
			table := loadTable(t, c, db, name)
			values := distinct(rapid.SliceOfN(kt.draw, 250, 250).Example(seed(t)))
			for at := 0; at < len(values); at += 40 {
				insertKeys(t, c, db+"."+name, at, values[at:min(at+40, len(values))])
			}
			compareAlongIndex(t, c, table)
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
		rows = append(rows, fmt.Sprintf("(%d, ?)", from+i))
		args = append(args, v)
	}
	query(t, c, "INSERT INTO "+table+" VALUES "+strings.Join(rows, ", "), args...)
}

// compareAlongIndex reads the keys as their index has them, with the server's
// verdict whether one equals the one before, and compares each pair.
func compareAlongIndex(t *testing.T, c *mysql.Conn, table *change.Table) {
	t.Helper()
	k := &table.Columns[table.Column("k")]
	order := mysql.NewKeyOrder(table, []int{table.Column("k")})
	dec, err := mysql.NewSelectDecoder(&change.Table{Database: table.Database, Name: table.Name, Columns: []change.Column{*k}})
	if err != nil {
		t.Fatal(err)
	}
	var keys []change.Row
	sql := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (k) ORDER BY k, n", mysql.SelectExpr(k), mysql.QuoteTable(table))
	err = c.Stream(t.Context(), sql, nil, func(f []gomysql.FieldValue) error {
		row, err := dec.Decode(f)
		keys = append(keys, slices.Clone(row))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var ranks []int
	for _, r := range query(t, c, fmt.Sprintf("SELECT COUNT(*) FROM %s FORCE INDEX (k) GROUP BY k ORDER BY k", mysql.QuoteTable(table))) {
		var equals int
		if _, err := fmt.Sscan(r[0], &equals); err != nil {
			t.Fatal(err)
		}
		ranks = append(ranks, slices.Repeat([]int{len(ranks)}, equals)...)
	}
	if len(keys) < 3 || len(ranks) != len(keys) {
		t.Fatalf("%d keys, %d ranks", len(keys), len(ranks))
	}
	wrong := 0
	for i := range keys {
		for j := range keys {
			a, b := order.Append(nil, keys[i]), order.Append(nil, keys[j])
			if order.Canonical() && bytes.Equal(a, b) != (ranks[i] == ranks[j]) {
				t.Errorf("%v and %v: equal at the server %t, canonical bytes %x and %x", keys[i], keys[j], ranks[i] == ranks[j], a, b)
				wrong++
			}
			if got, want := order.Compare(keys[i], keys[j]), cmp.Compare(ranks[i], ranks[j]); order.Ordered() && cmp.Compare(got, 0) != want {
				t.Errorf("%v and %v: compared as %d, at the server %d", keys[i], keys[j], got, want)
				wrong++
			}
			if wrong > 10 {
				t.FailNow()
			}
		}
	}
}

// seed makes each subtest draw values of its own, the same in every run.
func seed(t *testing.T) int {
	var n uint32
	for _, b := range []byte(t.Name()) {
		n = n*31 + uint32(b)
	}
	return int(n >> 1)
}
