// SPDX-License-Identifier: Apache-2.0

package typetest

import "strings"

// documents build JSON in every way the server knows a scalar.
func documents() []Column {
	list := []Column{
		column("json", `'{}'`, `'[]'`, `'null'`, `'true'`, `'false'`, `'""'`, `'"a"'`, `'0'`, `'-0'`, `'-1'`),
		{Name: "json integers", Declared: "json", Values: []string{
			`'[127, 128, -129, 32767, 32768, -32768, -32769, 65535, 65536]'`, `'[2147483647, 2147483648, -2147483648, -2147483649, 4294967295, 4294967296]'`,
			`'[9223372036854775807, -9223372036854775808, 9223372036854775808, 18446744073709551615, 18446744073709551616]'`, `'18446744073709551615'`, `'-9223372036854775808'`, `'65535'`,
		}},
		{Name: "json doubles", Declared: "json", Values: []string{
			`'[1.0, -0.0, 1e15, 1e16, 1e20, 123456789012345.5, 1234567890123456.5, 0.1, 1e-4, 1e-14, 1e-15, 1.5e-15, 1.5e-5]'`, `'1.0'`, `'-0.0'`, `'1e20'`,
			`'[1.7976931348623157e308, 5e-324, 1e100, -1.25e-200, 0.30000000000000004, 100000000000000000000, 999999999999999.9, 99999999999999990]'`,
			`JSON_ARRAY(1.5e0, 2e0, 1e300, PI(), 1/3)`,
		}},
		{Name: "json keys", Declared: "json", Values: []string{
			`'{"b": 1, "aa": 2, "a": 3, "B": 4, "": 5, "é": 6, "船": 7, "😀": 8}'`, `'{"a": 1, "a": 2, "b": {"x": 1, "x": [2]}}'`, `'{"k": {"k": {"k": [[], {}, [1]]}}}'`,
			`'[1, "2", [3, null], {"four": 4.0}]'`, `'{"é\\"\\n😀": "ü", "": "", " ": " "}'`, `'{"": {"": {"": ""}}}'`,
		}},
		{Name: "json texts", Declared: "json", Values: []string{
			`'"\\"\\\\ \\b\\f\\n\\r\\t \\u0000\\u0001\\u001f \\u007f / <>&'' 😀 é 漢 \\u2028"'`, `JSON_ARRAY(REPEAT('s', 127), REPEAT('s', 128), REPEAT('s', 16383), REPEAT('s', 16384))`,
			`JSON_ARRAY(CONVERT('é' USING latin1), CONVERT('漢' USING gbk))`,
		}},
		{Name: "json decimals", Declared: "json", Values: []string{
			`JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-0.05 AS DECIMAL(4,3)), CAST(0 AS DECIMAL(5,2)), CAST(12345678901234567890.123456789012345 AS DECIMAL(40,15)))`,
			`JSON_ARRAY(CAST(-1 AS DECIMAL(1,0)), CAST(0.5 AS DECIMAL(2,2)), CAST(-0.5 AS DECIMAL(1,1)), 1.10, 1000000000, 1000000001.000000001)`,
			`JSON_ARRAY(CAST(1e64 AS DECIMAL(65,0)), CAST(-1e-30 AS DECIMAL(65,30)), CAST(1.00 AS DECIMAL(3,2)), CAST(1.0000000000 AS DECIMAL(20,10)))`,
		}},
		{Name: "json times", Declared: "json", Values: []string{
			`JSON_ARRAY(DATE'2024-02-29', DATE'1000-01-01', DATE'9999-12-31')`, `CAST(CAST('0000-00-00' AS DATE) AS JSON)`, `JSON_OBJECT('d', CAST('2024-02-29' AS DATE))`,
			`JSON_ARRAY(TIME'-12:34:56.000001', TIME'838:59:59', TIME'-838:59:59', TIME'00:00:00', TIME'-00:00:00.5')`,
			`JSON_ARRAY(TIMESTAMP'2024-01-31 12:34:56.789', TIMESTAMP'0001-01-01 00:00:00', TIMESTAMP'9999-12-31 23:59:59.999999')`, `CAST(CAST('2024-01-31 12:00:00' AS DATETIME) AS JSON)`,
		}},
		{Name: "json bytes", Declared: "json", Values: []string{
			`JSON_OBJECT('blob', CAST('abc' AS BINARY), 'bit', b'101', 'hex', x'00ff', 'geo', ST_GeomFromText('POINT(1 2.5)'))`, `CAST(x'00' AS JSON)`,
			`JSON_OBJECT('long', CAST(REPEAT('x', 57) AS BINARY), 'longer', CAST(REPEAT('y', 58) AS BINARY), 'longest', CAST(REPEAT('z', 500) AS BINARY), 'none', CAST('' AS BINARY))`,
		}},
		{Name: "json year", Declared: "json", Since: 80022, Values: []string{`JSON_ARRAY(CAST(2024 AS YEAR), CAST(0 AS YEAR))`}},
		{Name: "json large", Declared: "json", Values: []string{
			`JSON_ARRAY(REPEAT('s', 70000), 1, 70000, -70000, 3000000000, true, null, 1.5)`,
			`JSON_OBJECT('a', REPEAT('s', 70000), 'b', 1, 'cc', 70000, 'd', JSON_ARRAY(1, 100000))`,
			`JSON_OBJECT(REPEAT('k', 65535), 1)`,
		}},
		{Name: "json deep", Declared: "json", Values: []string{
			`'` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `'`, `'` + strings.Repeat(`{"a":`, 99) + `1` + strings.Repeat("}", 99) + `'`,
		}},
	}
	for i := range list[1:] {
		list[1+i].Stalls = "one document at least of these columns; which wasn't found out"
	}
	return list
}

// others are what is neither number, time nor text, and what the server fills itself.
func others() []Column {
	list := []Column{
		column("geometry", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)', 4326)", "ST_GeomFromText('POINT(-1.5e300 1e-300)')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))', 3857)"),
		column("point", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(10 20)', 4326)"), column("linestring", "ST_GeomFromText('LINESTRING(0 0,1 1)')"),
		column("polygon", "ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 0),(1 1,2 1,2 2,1 1))')"), column("multipoint", "ST_GeomFromText('MULTIPOINT(1 2,3 4)')"),
		column("multilinestring", "ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"), column("multipolygon", "ST_GeomFromText('MULTIPOLYGON(((0 0,4 0,4 4,0 0)))')"),
		column("geometrycollection", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')", "ST_GeomFromText('GEOMETRYCOLLECTION()')", "ST_GeomFromText('GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(0 0)))')"),
		{Declared: "point /*!80003 SRID 4326 */", Name: "point with SRID", Values: []string{"ST_GeomFromText('POINT(1 2)', 4326)"}, Stalls: "SRID in a table's definition"},
		{Declared: "vector(3)", Since: 90000, Values: []string{"STRING_TO_VECTOR('[1,-2.5,3e10]')", "STRING_TO_VECTOR('[0,-0,2e-38]')", "X'0000803f'"}, Stalls: "the type VECTOR"},
		{Declared: "vector", Since: 90000, Values: []string{"STRING_TO_VECTOR('[1]')"}, Stalls: "the type VECTOR"},
		{Declared: "vector(16383)", Since: 90000, Values: []string{"STRING_TO_VECTOR('[1.5]')"}, Stalls: "the type VECTOR"},
		column("int default 5 comment 'a \"comment\", with `quotes`'", "1"),
		{Name: "virtual", Declared: "int generated always as (id + 1) virtual"},
		{Name: "stored", Declared: "varchar(20) character set latin1 as (concat('é', id)) stored"},
		{Name: "virtual json", Declared: "json as (json_array(id, 1.0e0, cast(1.50 as decimal(4,2)))) virtual"},
		{Name: "stored decimal not null", Declared: "decimal(6,3) as (id / 3) stored not null"},
		{Declared: "int /*!80023 invisible */", Name: "invisible", Values: []string{"7", "8"}, Stalls: "INVISIBLE"},
		{Declared: "int as (id * 2) virtual /*!80023 invisible */", Name: "invisible virtual", Stalls: "INVISIBLE"},
		{Declared: "varchar(36) default (uuid())", Name: "expression default", Since: 80013, Values: []string{"'set'"}, Stalls: "a DEFAULT that is an expression"},
		{Declared: "int check (checked > 0)", Name: "checked", Values: []string{"1"}, Stalls: "CHECK"},
	}
	return list
}
