// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"fmt"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"
)

// modeRealAsFloat is sql_mode's bit that makes REAL a FLOAT.
const modeRealAsFloat = 1 << 0

// integerWidths are the display widths of signed and unsigned integers.
var integerWidths = map[string][2]int{
	"tinyint": {4, 3}, "smallint": {6, 5}, "mediumint": {9, 8}, "int": {11, 10}, "bigint": {20, 20},
}

// declare spells a type as information_schema's COLUMN_TYPE does.
func (x *Dialect) declare(t *sqlparser.ColumnType, charset string, mode uint64) (string, error) {
	word := strings.ToLower(t.Type)
	switch word {
	case "bool", "boolean":
		return "tinyint(1)", nil
	case "integer":
		word = "int"
	case "numeric", "dec", "fixed":
		word = "decimal"
	case "float4":
		word = "float"
	case "float8":
		word = "double"
	case "real":
		word = "double"
		if mode&modeRealAsFloat != 0 {
			word = "float"
		}
	}
	switch word {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return x.declareInteger(word, t) + signs(t), nil
	case "decimal":
		return fmt.Sprintf("decimal(%d,%d)", number(t.Length, 10), number(t.Scale, 0)) + signs(t), nil
	case "float", "double":
		return declareFloat(word, t) + signs(t), nil
	case "date", "json", "tinyblob", "mediumblob", "longblob",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon":
		return word, nil
	case "geometrycollection", "geomcollection":
		return x.geomcollection, nil
	case "time", "datetime", "timestamp":
		if n := number(t.Length, 0); n > 0 {
			return fmt.Sprintf("%s(%d)", word, n), nil
		}
		return word, nil
	case "year":
		if x.widths {
			return "year(4)", nil
		}
		return word, nil
	case "bit", "binary":
		return fmt.Sprintf("%s(%d)", word, number(t.Length, 1)), nil
	case "varbinary":
		return fmt.Sprintf("%s(%d)", word, number(t.Length, 0)), nil
	case "vector":
		return fmt.Sprintf("%s(%d)", word, number(t.Length, 2048)), nil
	case "blob":
		return declareLarge("blob", t.Length, 1), nil
	}
	return declareText(word, t, charset)
}

// number is an optional argument.
func number(n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return *n
}

func signs(t *sqlparser.ColumnType) string {
	switch {
	case t.Zerofill:
		return " unsigned zerofill"
	case t.Unsigned:
		return " unsigned"
	}
	return ""
}

// declareInteger shows the display width where the server does: before 8.0.19
// always, since then for ZEROFILL and TINYINT(1).
func (x *Dialect) declareInteger(word string, t *sqlparser.ColumnType) string {
	unsigned := t.Unsigned || t.Zerofill
	shown := x.widths || t.Zerofill || word == "tinyint" && !unsigned && number(t.Length, 0) == 1
	if !shown {
		return word
	}
	width := integerWidths[word][0]
	if unsigned {
		width = integerWidths[word][1]
	}
	if n := number(t.Length, 0); n > 0 {
		width = n
	}
	return fmt.Sprintf("%s(%d)", word, width)
}

// declareFloat: FLOAT(p) only chooses between the two types.
func declareFloat(word string, t *sqlparser.ColumnType) string {
	switch {
	case t.Scale != nil:
		return fmt.Sprintf("%s(%d,%d)", word, number(t.Length, 0), *t.Scale)
	case word == "float" && number(t.Length, 0) > 24:
		return "double"
	}
	return word
}

// declareLarge: a TEXT or BLOB that says how much it must hold becomes the
// smallest type that does.
func declareLarge(word string, length *int, perChar int) string {
	if n := number(length, 0); n > 0 {
		return textOfSize(n*perChar, word)
	}
	return word
}

// declareText spells text types; text in the charset "binary" is bytes.
func declareText(word string, t *sqlparser.ColumnType, charset string) (string, error) {
	bytes := charset == "binary"
	switch word {
	case "char", "varchar":
		if bytes {
			word = map[string]string{"char": "binary", "varchar": "varbinary"}[word]
		}
		return fmt.Sprintf("%s(%d)", word, number(t.Length, 1)), nil
	case "text":
		if bytes {
			return declareLarge("blob", t.Length, 1), nil
		}
		return declareLarge("text", t.Length, bytesPerChar(charset)), nil
	case "tinytext", "mediumtext", "longtext":
		if bytes {
			return strings.TrimSuffix(word, "text") + "blob", nil
		}
		return word, nil
	case "enum", "set":
		var labels []string
		for _, quoted := range t.EnumValues {
			label, _, err := unquote(strings.TrimPrefix(quoted, "'"))
			if err != nil {
				return "", err
			}
			labels = append(labels, strings.TrimRight(label, " "))
		}
		return word + declareLabels(labels), nil
	}
	return "", fmt.Errorf("type %q is beyond us", t.Type)
}
