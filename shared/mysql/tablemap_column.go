// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"fmt"
	"maps"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
)

// mapColumns reads the columns of one table map.
type mapColumns struct {
	e          *replication.TableMapEvent
	unsigned   map[int]bool
	collation  map[int]uint64 // of text, ENUM and SET
	labels     map[int][]string
	geometry   map[int]uint64
	visibility map[int]bool
}

func newMapColumns(e *replication.TableMapEvent) mapColumns {
	m := mapColumns{
		e: e, unsigned: e.UnsignedMap(), collation: map[int]uint64{}, labels: map[int][]string{},
		geometry: e.GeometryTypeMap(), visibility: e.VisibilityMap(),
	}
	m.collate(isText, e.DefaultCharset, e.ColumnCharset)
	m.collate(hasLabels, e.EnumSetDefaultCharset, e.EnumSetColumnCharset)
	for _, of := range []map[int][]string{e.EnumStrValueMap(), e.SetStrValueMap()} {
		maps.Copy(m.labels, of)
	}
	return m
}

// collate spreads collation ids over the columns they are for: either one for
// all with (place, id) pairs of exceptions behind it, or one for each.
func (m *mapColumns) collate(of func(typ byte, meta uint16) bool, common, each []uint64) {
	place := 0
	for i, typ := range m.e.ColumnType {
		if !of(typ, m.e.ColumnMeta[i]) {
			continue
		}
		switch {
		case len(common) > 0:
			m.collation[i] = common[0]
			for j := 1; j+1 < len(common); j += 2 {
				if common[j] == uint64(place) {
					m.collation[i] = common[j+1]
				}
			}
		case place < len(each):
			m.collation[i] = each[place]
		}
		place++
	}
}

// isText tells what the server lists collations for. That a VECTOR is among
// them is unknown to go-mysql's CollationMap.
func isText(typ byte, meta uint16) bool {
	switch typ {
	case gomysql.MYSQL_TYPE_STRING:
		return !hasLabels(typ, meta)
	case gomysql.MYSQL_TYPE_VAR_STRING, gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_BLOB, gomysql.MYSQL_TYPE_VECTOR:
		return true
	}
	return false
}

func hasLabels(typ byte, meta uint16) bool {
	real := byte(meta >> 8)
	return typ == gomysql.MYSQL_TYPE_STRING && (real == gomysql.MYSQL_TYPE_ENUM || real == gomysql.MYSQL_TYPE_SET)
}

func (m *mapColumns) column(i int) (col change.Column, err error) {
	col.Name = string(m.e.ColumnName[i])
	_, col.Nullable = m.e.Nullable(i)
	visible, known := m.visibility[i]
	col.Invisible = known && !visible
	meta := int(m.e.ColumnMeta[i])
	switch typ := m.e.ColumnType[i]; typ {
	case gomysql.MYSQL_TYPE_STRING:
		err = m.stringColumn(&col, i, meta)
	case gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_VAR_STRING:
		err = m.textColumn(&col, i, change.TypeVarchar, change.TypeVarbinary, func(perChar int) {
			col.Declared = fmt.Sprintf("%s(%d)", textWord(&col, "varchar", "varbinary"), meta/perChar)
		})
	case gomysql.MYSQL_TYPE_BLOB:
		err = m.textColumn(&col, i, change.TypeText, change.TypeBlob, func(int) {
			size := [...]string{"", "tiny", "", "medium", "long"}[min(meta, 4)]
			col.Declared = size + textWord(&col, "text", "blob")
		})
	default:
		err = m.otherColumn(&col, i, typ, meta)
	}
	return col, err
}

// textWord chooses by what textColumn found the column to be.
func textWord(col *change.Column, text, bytes string) string {
	if col.Charset == "" {
		return bytes
	}
	return text
}

// textColumn tells text from bytes: they share their types in the binlog, and
// bytes have the collation "binary".
func (m *mapColumns) textColumn(col *change.Column, i int, text, bytes change.Type, declare func(perChar int)) error {
	id, ok := m.collation[i]
	if !ok {
		return fmt.Errorf("the table map has no collation for it: %w", ErrMinimalMetadata)
	}
	c, ok := collationsByID()[id]
	if !ok {
		return fmt.Errorf("unknown collation id %d", id)
	}
	col.Type = bytes
	perChar := 1
	if c.charset != "binary" {
		col.Type, col.Charset, col.Collation = text, c.charset, c.name
		perChar = bytesPerChar(c.charset)
	}
	declare(perChar)
	return nil
}

// stringColumn reads CHAR and BINARY, and ENUM and SET, which hide behind
// CHAR's type. Bits 4 and 5 of the first byte are the length's upper bits,
// inverted.
func (m *mapColumns) stringColumn(col *change.Column, i, meta int) error {
	first, second := meta>>8, meta&0xff
	switch byte(first) {
	case gomysql.MYSQL_TYPE_ENUM:
		return m.labelColumn(col, i, change.TypeEnum, "enum")
	case gomysql.MYSQL_TYPE_SET:
		return m.labelColumn(col, i, change.TypeSet, "set")
	}
	length := second | (first&0x30^0x30)<<4
	return m.textColumn(col, i, change.TypeChar, change.TypeBinary, func(perChar int) {
		col.Length = length / perChar
		col.Declared = fmt.Sprintf("%s(%d)", textWord(col, "char", "binary"), col.Length)
	})
}

func (m *mapColumns) labelColumn(col *change.Column, i int, typ change.Type, word string) error {
	id, ok := m.collation[i]
	if !ok {
		return fmt.Errorf("the table map has no collation for it: %w", ErrMinimalMetadata)
	}
	c, ok := collationsByID()[id]
	if !ok {
		return fmt.Errorf("unknown collation id %d", id)
	}
	col.Type, col.Charset, col.Collation = typ, c.charset, c.name
	for _, raw := range m.labels[i] {
		label, err := DecodeText(c.charset, []byte(raw))
		if err != nil {
			return fmt.Errorf("label: %w", err)
		}
		col.Labels = append(col.Labels, label)
	}
	col.Declared = word + declareLabels(col.Labels)
	return nil
}

// plainTypes are the types whose declaration needs no more than a word.
var plainTypes = map[byte]struct {
	typ  change.Type
	word string
}{
	gomysql.MYSQL_TYPE_TINY: {change.TypeTinyInt, "tinyint"}, gomysql.MYSQL_TYPE_SHORT: {change.TypeSmallInt, "smallint"},
	gomysql.MYSQL_TYPE_INT24: {change.TypeMediumInt, "mediumint"}, gomysql.MYSQL_TYPE_LONG: {change.TypeInt, "int"},
	gomysql.MYSQL_TYPE_LONGLONG: {change.TypeBigInt, "bigint"},
	gomysql.MYSQL_TYPE_FLOAT:    {change.TypeFloat, "float"}, gomysql.MYSQL_TYPE_DOUBLE: {change.TypeDouble, "double"},
	gomysql.MYSQL_TYPE_YEAR: {change.TypeYear, "year"}, gomysql.MYSQL_TYPE_DATE: {change.TypeDate, "date"},
	gomysql.MYSQL_TYPE_TIME: {change.TypeTime, "time"}, gomysql.MYSQL_TYPE_TIME2: {change.TypeTime, "time"},
	gomysql.MYSQL_TYPE_DATETIME: {change.TypeDateTime, "datetime"}, gomysql.MYSQL_TYPE_DATETIME2: {change.TypeDateTime, "datetime"},
	gomysql.MYSQL_TYPE_TIMESTAMP: {change.TypeTimestamp, "timestamp"}, gomysql.MYSQL_TYPE_TIMESTAMP2: {change.TypeTimestamp, "timestamp"},
	gomysql.MYSQL_TYPE_JSON: {change.TypeJSON, "json"}, gomysql.MYSQL_TYPE_VECTOR: {change.TypeVector, "vector"},
}

// geometryWords is indexed by the table map's geometry type.
var geometryWords = [...]string{
	"geometry", "point", "linestring", "polygon",
	"multipoint", "multilinestring", "multipolygon", "geomcollection",
}

func (m *mapColumns) otherColumn(col *change.Column, i int, typ byte, meta int) error {
	switch typ {
	case gomysql.MYSQL_TYPE_NEWDECIMAL:
		col.Type, col.Precision, col.Scale = change.TypeDecimal, meta>>8, meta&0xff
		col.Declared = fmt.Sprintf("decimal(%d,%d)", col.Precision, col.Scale)
	case gomysql.MYSQL_TYPE_BIT:
		col.Type, col.Length = change.TypeBit, meta>>8*8+meta&0xff
		col.Declared = fmt.Sprintf("bit(%d)", col.Length)
	case gomysql.MYSQL_TYPE_GEOMETRY:
		kind := m.geometry[i]
		if kind >= uint64(len(geometryWords)) {
			return fmt.Errorf("unknown geometry type %d", kind)
		}
		col.Type, col.Declared = change.TypeGeometry, geometryWords[kind]
	default:
		plain, ok := plainTypes[typ]
		if !ok {
			return fmt.Errorf("unknown binlog type %d", typ)
		}
		col.Type, col.Declared = plain.typ, plain.word
		if meta > 0 && hasFraction(col.Type) {
			col.Scale = meta
			col.Declared = fmt.Sprintf("%s(%d)", plain.word, meta)
		}
	}
	if m.unsigned[i] && col.Type != change.TypeYear {
		col.Unsigned = true
		col.Declared += " unsigned"
	}
	return nil
}

func hasFraction(t change.Type) bool {
	return t == change.TypeTime || t == change.TypeDateTime || t == change.TypeTimestamp
}

// plainType is a declared type without what no table map tells: display
// widths, ZEROFILL, a FLOAT's digits, a VECTOR's dimensions, a YEAR's width.
func plainType(col *change.Column) string {
	switch col.Type {
	case change.TypeTinyInt, change.TypeSmallInt, change.TypeMediumInt, change.TypeInt, change.TypeBigInt,
		change.TypeFloat, change.TypeDouble, change.TypeYear, change.TypeVector:
		word, _, _ := strings.Cut(col.Declared, "(")
		word, _, _ = strings.Cut(word, " ")
		if col.Unsigned {
			word += " unsigned"
		}
		return word
	case change.TypeDecimal:
		return strings.TrimSuffix(col.Declared, " zerofill")
	case change.TypeGeometry:
		return strings.Replace(col.Declared, "geometrycollection", "geomcollection", 1)
	}
	return col.Declared
}
