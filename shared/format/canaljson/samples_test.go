// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"math"
	"slices"
	"strings"

	"slipway/shared/change"
)

// sample is a value as SQL writes it and as the model holds it.
type sample struct {
	sql   string
	value change.Value
}

// sampleColumn is a column of the table of all types. Its declaration in SQL is
// Declared, with the charset after it.
type sampleColumn struct {
	change.Column
	samples []sample
}

func integers(name string, t change.Type, declared string, low, high int64) sampleColumn {
	return sampleColumn{change.Column{Name: name, Type: t, Declared: declared, Nullable: true}, []sample{
		{"0", change.NewInt(0)},
		{itoa(low), change.NewInt(low)},
		{itoa(high), change.NewInt(high)},
	}}
}

// unsigned has the highest value that is positive as a signed number, the one
// after it and the highest of all.
func unsigned(name string, t change.Type, declared string, bits int) sampleColumn {
	half := uint64(1) << (bits - 1)
	c := sampleColumn{change.Column{Name: name, Type: t, Declared: declared, Unsigned: true, Nullable: true}, nil}
	for _, n := range []uint64{0, half - 1, half, half - 1 + half} {
		c.samples = append(c.samples, sample{utoa(n), change.NewUint(n)})
	}
	return c
}

func texts(name string, t change.Type, declared string, more ...string) sampleColumn {
	c := sampleColumn{change.Column{Name: name, Type: t, Declared: declared, Nullable: true, Charset: "utf8mb4"}, nil}
	for _, s := range append([]string{"", "plain"}, more...) {
		c.samples = append(c.samples, sample{quote(s), change.NewText(s)})
	}
	return c
}

func canonical(name string, t change.Type, declared string, values ...string) sampleColumn {
	c := sampleColumn{change.Column{Name: name, Type: t, Declared: declared, Nullable: true}, nil}
	for _, s := range values {
		c.samples = append(c.samples, sample{quote(s), change.NewText(s)})
	}
	return c
}

func octets(name string, t change.Type, declared string, values ...string) sampleColumn {
	c := sampleColumn{change.Column{Name: name, Type: t, Declared: declared, Nullable: true}, nil}
	for _, s := range values {
		c.samples = append(c.samples, sample{hexLiteral(s), change.NewBytes(s)})
	}
	return c
}

// everyByte is all 256 bytes: what a Latin-1 rendering has to get through.
func everyByte() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

// awkward is what text escaping trips over.
const awkward = "\"\\/\b\f\n\r\t\x01\x1f\x7f<>&'\u0080\u2028\u2029é船\U0001F6A2\uFFFD"

// point is SRID 0 and the WKB of POINT(1 2).
const point = "\x00\x00\x00\x00\x01\x01\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\xf0\x3f" + "\x00\x00\x00\x00\x00\x00\x00\x40"

// sampleColumns is one column per type and what is special about its values.
// TIMESTAMP is written in a session at UTC.
func sampleColumns() []sampleColumn {
	return slices.Concat(numberColumns(), timeColumns(), textColumns(), otherColumns())
}

func numberColumns() []sampleColumn {
	return []sampleColumn{
		integers("tiny", change.TypeTinyInt, "tinyint", math.MinInt8, math.MaxInt8),
		unsigned("tiny_u", change.TypeTinyInt, "tinyint unsigned", 8),
		integers("small", change.TypeSmallInt, "smallint", math.MinInt16, math.MaxInt16),
		unsigned("small_u", change.TypeSmallInt, "smallint unsigned", 16),
		integers("medium", change.TypeMediumInt, "mediumint", -1<<23, 1<<23-1),
		unsigned("medium_u", change.TypeMediumInt, "mediumint unsigned", 24),
		integers("int_s", change.TypeInt, "int", math.MinInt32, math.MaxInt32),
		unsigned("int_u", change.TypeInt, "int unsigned", 32),
		integers("big", change.TypeBigInt, "bigint", math.MinInt64, math.MaxInt64),
		unsigned("big_u", change.TypeBigInt, "bigint unsigned", 64),
		{change.Column{Name: "zero_filled", Type: change.TypeInt, Declared: "int(8) unsigned zerofill", Unsigned: true, Nullable: true}, []sample{
			{"42", change.NewUint(42)},
		}},
		{change.Column{Name: "flt", Type: change.TypeFloat, Declared: "float", Nullable: true}, []sample{
			{"0", change.NewFloat32(0)},
			{"1", change.NewFloat32(1)},
			{"-0.1", change.NewFloat32(-0.1)},
			{"1e10", change.NewFloat32(1e10)},
			{"3.4028235e38", change.NewFloat32(math.MaxFloat32)},
			{"0.001", change.NewFloat32(0.001)},
		}},
		{change.Column{Name: "dbl", Type: change.TypeDouble, Declared: "double", Nullable: true}, []sample{
			{"0", change.NewFloat64(0)},
			{"1", change.NewFloat64(1)},
			{"-1234567.5", change.NewFloat64(-1234567.5)},
			{"1e7", change.NewFloat64(1e7)},
			{"1.7976931348623157e308", change.NewFloat64(math.MaxFloat64)},
			{"0.00099", change.NewFloat64(0.00099)},
		}},
		canonical("num", change.TypeDecimal, "decimal(10,2)", "0.00", "1.00", "-12345678.90", "99999999.99"),
		canonical("num_int", change.TypeDecimal, "decimal(20,0)", "0", "-7", "12345678901234567890"),
		canonical("num_long", change.TypeDecimal, "decimal(40,20)", "0.00000000000000000000", "1.50000000000000000000", "-0.00000000000000000001"),
		{change.Column{Name: "bits", Type: change.TypeBit, Declared: "bit(10)", Length: 10, Nullable: true}, []sample{
			{"b'0'", change.NewUint(0)}, {"b'101'", change.NewUint(5)}, {"1023", change.NewUint(1023)},
		}},
		{change.Column{Name: "bits64", Type: change.TypeBit, Declared: "bit(64)", Length: 64, Nullable: true}, []sample{
			{"1", change.NewUint(1)}, {"18446744073709551615", change.NewUint(math.MaxUint64)},
		}},
	}
}

func timeColumns() []sampleColumn {
	year := sampleColumn{change.Column{Name: "yr", Type: change.TypeYear, Declared: "year", Nullable: true}, []sample{
		{"2024", change.NewInt(2024)}, {"0", change.NewInt(0)}, {"1901", change.NewInt(1901)},
	}}
	return []sampleColumn{
		year,
		canonical("dt", change.TypeDate, "date", "2024-02-29", "0000-00-00", "1000-01-01", "2024-00-00"),
		canonical("tm", change.TypeTime, "time", "12:34:56", "-838:59:59", "00:00:00", "838:59:59"),
		canonical("tm3", change.TypeTime, "time(3)", "12:34:56.789", "-00:00:00.001", "12:00:00.000"),
		canonical("tm6", change.TypeTime, "time(6)", "12:34:56.789012", "-01:00:00.500000", "12:00:00.000000"),
		canonical("dtm", change.TypeDateTime, "datetime", "2024-02-29 12:34:56", "0000-00-00 00:00:00", "1000-01-01 00:00:00"),
		canonical("dtm6", change.TypeDateTime, "datetime(6)", "2024-02-29 12:34:56.000001", "0000-00-00 00:00:00.000000", "9999-12-31 23:59:59.999999"),
		canonical("ts", change.TypeTimestamp, "timestamp", "2024-02-29 12:34:56", "0000-00-00 00:00:00", "1970-01-01 00:00:01"),
		canonical("ts3", change.TypeTimestamp, "timestamp(3)", "2024-02-29 23:34:56.100", "0000-00-00 00:00:00.000", "2038-01-19 03:14:07.999"),
	}
}

func textColumns() []sampleColumn {
	return []sampleColumn{
		texts("chr", change.TypeChar, "char(40)", "é船\U0001F6A2", awkward),
		texts("vchr", change.TypeVarchar, "varchar(100)", "é船\U0001F6A2", awkward, "trailing  "),
		texts("ttxt", change.TypeText, "tinytext", "é船"),
		texts("txt", change.TypeText, "text", awkward),
		texts("mtxt", change.TypeText, "mediumtext", strings.Repeat("long ", 60)),
		texts("ltxt", change.TypeText, "longtext", awkward),
		octets("bin", change.TypeBinary, "binary(4)", "abcd", "ab\x00\x00", "\x01\xff\x80\x7f"),
		octets("vbin", change.TypeVarbinary, "varbinary(300)", "", "\x00\x01\xff\x00", everyByte()),
		octets("tblob", change.TypeBlob, "tinyblob", "", "\x00\xff"),
		octets("blb", change.TypeBlob, "blob", "", everyByte()),
		octets("mblob", change.TypeBlob, "mediumblob", "\xe8\x88\xb9"),
		octets("lblob", change.TypeBlob, "longblob", "\x00"),
	}
}

func otherColumns() []sampleColumn {
	return []sampleColumn{
		{change.Column{Name: "enm", Type: change.TypeEnum, Declared: "enum('small','it''s','船')", Labels: []string{"small", "it's", "船"}, Charset: "utf8mb4", Nullable: true}, []sample{
			{"'small'", change.NewUint(1)}, {"'it''s'", change.NewUint(2)}, {"'船'", change.NewUint(3)},
		}},
		{change.Column{Name: "st", Type: change.TypeSet, Declared: "set('a','b','c')", Labels: []string{"a", "b", "c"}, Charset: "utf8mb4", Nullable: true}, []sample{
			{"''", change.NewUint(0)}, {"'a,c'", change.NewUint(5)}, {"'b'", change.NewUint(2)},
		}},
		{change.Column{Name: "js", Type: change.TypeJSON, Declared: "json", Nullable: true}, []sample{
			{`'{"b":1,"a":[true,null,"é\\n"],"ccc":1.5}'`, change.NewText(`{"a": [true, null, "é\n"], "b": 1, "ccc": 1.5}`)},
			{`JSON_OBJECT('d', CAST('2024-02-29' AS DATE))`, change.NewText(`{"d": "2024-02-29"}`)},
			{`'null'`, change.NewText(`null`)},
			{`'"text"'`, change.NewText(`"text"`)},
			{`'{}'`, change.NewText(`{}`)},
			{`'[1, -2, 18446744073709551615]'`, change.NewText(`[1, -2, 18446744073709551615]`)},
		}},
		octets("geo", change.TypeGeometry, "geometry", point),
	}
}
