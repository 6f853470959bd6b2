// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// jsonExpressions build documents in every way the server knows a scalar.
var jsonExpressions = []string{
	`'{}'`, `'[]'`, `'null'`, `'true'`, `'false'`, `'""'`, `'"a"'`, `'0'`, `'-0'`, `'-1'`,
	`'32767'`, `'32768'`, `'-32769'`, `'65535'`, `'65536'`, `'2147483647'`, `'2147483648'`, `'-2147483649'`, `'4294967295'`, `'4294967296'`,
	`'9223372036854775807'`, `'-9223372036854775808'`, `'9223372036854775808'`, `'18446744073709551615'`, `'18446744073709551616'`,
	`'1.0'`, `'-0.0'`, `'1e15'`, `'1e16'`, `'123456789012345.5'`, `'1234567890123456.5'`, `'0.1'`, `'1e-4'`, `'1e-14'`, `'1e-15'`, `'1.5e-15'`, `'1.5e-5'`,
	`'1.7976931348623157e308'`, `'5e-324'`, `'1e100'`, `'-1.25e-200'`, `'0.30000000000000004'`, `'100000000000000000000'`, `'999999999999999.9'`, `'99999999999999990'`,
	`'{"b": 1, "aa": 2, "a": 3, "B": 4, "": 5}'`, `'{"k": {"k": {"k": [[], {}, [1]]}}}'`, `'[1, "2", [3, null], {"four": 4.0}]'`,
	`'"\\"\\\\ \\b\\f\\n\\r\\t \\u0000\\u0001\\u001f \\u007f / 😀 é 漢 \\u2028"'`, `'{"é\\"\\n😀": "ü"}'`,
	`JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-0.05 AS DECIMAL(4,3)), CAST(0 AS DECIMAL(5,2)), CAST(12345678901234567890.123456789012345 AS DECIMAL(40,15)))`,
	`JSON_ARRAY(CAST(-1 AS DECIMAL(1,0)), CAST(0.5 AS DECIMAL(2,2)), CAST(-0.5 AS DECIMAL(1,1)), 1.10, 1000000000, 1000000001.000000001)`,
	`JSON_ARRAY(DATE'2024-02-29', TIME'-12:34:56.000001', TIME'838:59:59', TIMESTAMP'2024-01-31 12:34:56.789', TIMESTAMP'0001-01-01 00:00:00')`,
	`CAST(CAST('2024-01-31 12:00:00' AS DATETIME) AS JSON)`, `CAST(TIME'00:00:00' AS JSON)`, `CAST(CAST('0000-00-00' AS DATE) AS JSON)`,
	`JSON_OBJECT('blob', CAST('abc' AS BINARY), 'bit', b'101', 'hex', x'00ff', 'year', CAST(2024 AS YEAR), 'geo', ST_GeomFromText('POINT(1 2.5)'))`,
	`JSON_OBJECT('long', CAST(REPEAT('x', 57) AS BINARY), 'longer', CAST(REPEAT('y', 58) AS BINARY), 'longest', CAST(REPEAT('z', 500) AS BINARY), 'none', CAST('' AS BINARY))`,
	`JSON_ARRAY(REPEAT('s', 127), REPEAT('s', 128), REPEAT('s', 16383), REPEAT('s', 16384))`,
	`JSON_ARRAY(REPEAT('s', 70000), 1, 70000, -70000, 3000000000, true, null, 1.5)`,
	`JSON_OBJECT('a', REPEAT('s', 70000), 'b', 1, 'cc', 70000, 'd', JSON_ARRAY(1, 100000))`,
	`JSON_ARRAY(1.5e0, 2e0, 1e300, PI(), 1/3)`,
	`'` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `'`,
}

func TestD1JSONIsAsASelectPrintsIt(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int PRIMARY KEY, j json)")
	table := loadTable(t, c, db, "t")
	start := logEnd(t, c)
	for i, expr := range jsonExpressions {
		query(t, c, fmt.Sprintf("INSERT INTO %s.t VALUES (%d, %s)", db, i, expr))
	}
	compareJSON(t, c, start, table)
}

func TestD1EmptyJSONDocumentIsNull(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int PRIMARY KEY, j json NOT NULL)")
	table := loadTable(t, c, db, "t")
	start := logEnd(t, c)
	query(t, c, "INSERT IGNORE INTO "+db+".t SELECT 1, NULL")
	compareJSON(t, c, start, table)
}

func compareJSON(t testing.TB, c *mysql.Conn, start mysql.LogPosition, table *change.Table) {
	t.Helper()
	want := selectRows(t, c, table)
	images := binlogImages(t, c, start, table)
	if len(images) != len(want) || len(want) == 0 {
		t.Fatalf("%d row images, %d rows", len(images), len(want))
	}
	for i := range want {
		mustEqualRows(t, table, fmt.Sprintf("document %d", i), images[i].row, want[i])
	}
}

// genJSON draws a document as JSON text.
func genJSON(t *rapid.T, depth int) string {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = 0.5
		}
		return strconv.FormatFloat(f, 'e', -1, 64)
	case 1:
		return strconv.FormatFloat(float64(rapid.Int64Range(-1e17, 1e17).Draw(t, "n"))/math.Pow10(rapid.IntRange(0, 20).Draw(t, "scale")), 'g', -1, 64)
	case 2:
		return strconv.FormatInt(rapid.Int64().Draw(t, "int"), 10)
	case 3:
		text, _ := json.Marshal(rapid.String().Draw(t, "text"))
		return string(text)
	case 4:
		var parts []string
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			parts = append(parts, genJSON(t, depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for range rapid.IntRange(0, 5).Draw(t, "n") {
		key, _ := json.Marshal(rapid.String().Draw(t, "key"))
		parts = append(parts, string(key)+":"+genJSON(t, depth-1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestD1RandomJSONIsAsASelectPrintsIt(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int PRIMARY KEY AUTO_INCREMENT, j json)")
	table := loadTable(t, c, db, "t")
	start := logEnd(t, c)
	rapid.Check(t, func(rt *rapid.T) {
		query(t, c, "INSERT INTO "+db+".t (j) VALUES (?)", genJSON(rt, 3))
	})
	compareJSON(t, c, start, table)
}

func FuzzJSONDocument(f *testing.F) {
	f.Add([]byte{0, 1, 0, 12, 0, 11, 0, 1, 0, 5, 1, 0, 'a'})
	f.Add([]byte{2, 2, 0, 10, 0, 4, 1, 0, 5, 1, 0})
	f.Add([]byte{15, 246, 4, 4, 2, 0x81, 0x32})
	f.Add([]byte{12, 3, 'a', 'b', 'c'})
	d, err := mysql.NewBinlogDecoder(&change.Table{Columns: []change.Column{{Name: "j", Type: change.TypeJSON}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		row, err := d.Decode([]any{doc})
		if err == nil && row[0].Kind() != change.Text {
			t.Errorf("%x gives %s", doc, row[0])
		}
	})
}
