// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rendering tells how a column is compared: expr is what MySQL is asked for,
// same whether its answer is the same value as the topic's text.
type rendering struct {
	expr string
	same func(source, topic string) bool
	// float: the texts differ although the values are the same. bytes: the source
	// answers with hexadecimal digits.
	float, bytes bool
}

// renderColumn lets MySQL itself make the text Canal JSON has for a column. dataType is
// information_schema's DATA_TYPE.
func renderColumn(name, dataType string) rendering {
	q := quote(name)
	switch strings.ToLower(dataType) {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return rendering{expr: "(" + q + " + 0)", same: equal} // without ZEROFILL's padding; DIV fails on the lowest BIGINT
	case "bit", "enum", "set":
		return rendering{expr: "CAST(" + q + " AS UNSIGNED)", same: equal}
	case "decimal":
		return rendering{expr: "(" + q + " + 0)", same: equal}
	case "float":
		// A SELECT rounds a FLOAT to six digits; as a DOUBLE it is exact.
		return rendering{expr: "(" + q + " * 1e0)", same: sameFloat(32), float: true}
	case "double":
		return rendering{expr: "(" + q + " * 1e0)", same: sameFloat(64), float: true}
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return rendering{expr: "CONVERT(" + q + " USING utf8mb4)", same: equal}
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		return rendering{expr: "HEX(" + q + ")", same: sameBytes, bytes: true}
	default: // dates and times, YEAR, JSON
		return rendering{expr: "CAST(" + q + " AS CHAR CHARACTER SET utf8mb4)", same: equal}
	}
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func equal(source, topic string) bool { return source == topic }

// sameFloat compares numbers, since MySQL and Java write them differently, to
// the bit: 0 and -0 differ.
func sameFloat(bits int) func(source, topic string) bool {
	return func(source, topic string) bool {
		s, err := strconv.ParseFloat(source, 64)
		if err != nil {
			return false
		}
		t, err := strconv.ParseFloat(topic, bits)
		if err != nil {
			return false
		}
		if bits == 32 {
			return float32(s) == float32(t) && (s != 0 || 1/s == 1/t)
		}
		return s == t && (s != 0 || 1/s == 1/t)
	}
}

// sameBytes compares hexadecimal digits with Canal's text of bytes, in which
// each byte is the character of its number.
func sameBytes(source, topic string) bool {
	want, err := hex.DecodeString(source)
	if err != nil || utf8.RuneCountInString(topic) != len(want) {
		return false
	}
	i := 0
	for _, r := range topic {
		if r != rune(want[i]) {
			return false
		}
		i++
	}
	return true
}

// showSource gives the source's value in the topic's form where they differ, so
// that a report shows two comparable texts.
func showSource(r rendering, source string) string {
	if !r.bytes {
		return Value{Text: source}.String()
	}
	b, err := hex.DecodeString(source)
	if err != nil {
		return source
	}
	return Value{Text: latin1(b)}.String()
}

// latin1 writes bytes as Canal does.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}
