// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"slipway/shared/change"
)

// baseTypes maps the first word of a declared type.
var baseTypes = map[string]change.Type{
	"tinyint": change.TypeTinyInt, "smallint": change.TypeSmallInt, "mediumint": change.TypeMediumInt,
	"int": change.TypeInt, "bigint": change.TypeBigInt,
	"float": change.TypeFloat, "double": change.TypeDouble, "decimal": change.TypeDecimal,
	"bit": change.TypeBit, "year": change.TypeYear,
	"date": change.TypeDate, "time": change.TypeTime, "datetime": change.TypeDateTime, "timestamp": change.TypeTimestamp,
	"char": change.TypeChar, "varchar": change.TypeVarchar,
	"tinytext": change.TypeText, "text": change.TypeText, "mediumtext": change.TypeText, "longtext": change.TypeText,
	"binary": change.TypeBinary, "varbinary": change.TypeVarbinary,
	"tinyblob": change.TypeBlob, "blob": change.TypeBlob, "mediumblob": change.TypeBlob, "longblob": change.TypeBlob,
	"enum": change.TypeEnum, "set": change.TypeSet, "json": change.TypeJSON, "vector": change.TypeVector,
	"geometry": change.TypeGeometry, "point": change.TypeGeometry, "linestring": change.TypeGeometry,
	"polygon": change.TypeGeometry, "multipoint": change.TypeGeometry, "multilinestring": change.TypeGeometry,
	"multipolygon": change.TypeGeometry, "geomcollection": change.TypeGeometry, "geometrycollection": change.TypeGeometry,
}

// newColumn reads a declared type as information_schema prints it:
// "decimal(10,2) unsigned", "enum('a','b')". An unknown type is no error here:
// only who must decode the column needs to care.
func newColumn(name, declared, charsetName string) (change.Column, error) {
	col := change.Column{Name: name, Declared: declared, Charset: charsetName}
	base, rest := splitDeclared(declared)
	col.Type = baseTypes[base]
	if col.Type == change.TypeEnum || col.Type == change.TypeSet {
		var err error
		col.Labels, err = parseLabels(rest)
		if err != nil {
			err = fmt.Errorf("column %q: type %s: %w", name, declared, err)
		}
		return col, err
	}
	col.Unsigned = strings.Contains(rest, " unsigned")
	args := typeArguments(rest)
	switch col.Type {
	case change.TypeDecimal:
		col.Precision, col.Scale = args[0], args[1]
	case change.TypeTime, change.TypeDateTime, change.TypeTimestamp:
		col.Scale = args[0]
	case change.TypeChar, change.TypeBinary, change.TypeBit:
		col.Length = args[0]
	}
	return col, nil
}

// splitDeclared parts a declared type behind its first word.
func splitDeclared(declared string) (word, rest string) {
	if i := strings.IndexAny(declared, "( "); i >= 0 {
		return declared[:i], declared[i:]
	}
	return declared, ""
}

// declaredLength is the length in a column's declared type: 9 of "varchar(9)".
func declaredLength(c *change.Column) int {
	_, rest := splitDeclared(c.Declared)
	return typeArguments(rest)[0]
}

// typeArguments reads up to two numbers in parentheses.
func typeArguments(s string) (args [2]int) {
	inside, ok := strings.CutPrefix(s, "(")
	if !ok {
		return args
	}
	inside, _, _ = strings.Cut(inside, ")")
	first, second, _ := strings.Cut(inside, ",")
	args[0], _ = strconv.Atoi(first)
	args[1], _ = strconv.Atoi(second)
	return args
}

// parseLabels reads "('a','it”s')": quotes are doubled; backslash, line ends
// and zero bytes come with a backslash.
//
// The server itself has written '?' for characters beyond the BMP; only table
// maps know those labels.
func parseLabels(s string) ([]string, error) {
	var labels []string
	for s != ")" {
		if len(s) < 3 || (s[0] != '(' && s[0] != ',') || s[1] != '\'' {
			return nil, fmt.Errorf("unexpected %q in the list of labels", s)
		}
		label, rest, err := unquote(s[2:])
		if err != nil {
			return nil, err
		}
		labels, s = append(labels, label), rest
	}
	return labels, nil
}

// unquote reads up to the closing quote.
func unquote(s string) (label, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), s[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("a label without a closing quote: %q", s)
}

func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	}
	return c
}

// declareLabels is the opposite of parseLabels.
func declareLabels(labels []string) string {
	escape := strings.NewReplacer(`\`, `\\`, "\x00", `\0`, "\n", `\n`, "\r", `\r`, "'", "''")
	var b strings.Builder
	for i, label := range labels {
		b.WriteByte("(,"[min(i, 1)])
		b.WriteString("'" + escape.Replace(label) + "'")
	}
	b.WriteByte(')')
	return b.String()
}
