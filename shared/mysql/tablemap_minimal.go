// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
)

// rowID is the column that the server puts before a table without a primary
// key where sql_generate_invisible_primary_key is on; no statement shows it.
var rowID = change.Column{Name: "my_row_id", Type: change.TypeBigInt, Declared: "bigint unsigned", Unsigned: true, Invisible: true}

// resolveMinimal checks the definition against all that a table map with
// minimal metadata says: types and sizes, and since 8.0.1 signs and charsets.
// Which columns may be NULL is the table map's word: implicit defaults are not
// in a statement's text.
func resolveMinimal(e *replication.TableMapEvent, known *change.Table) (*change.Table, error) {
	if known == nil {
		return nil, ErrMinimalMetadata
	}
	if int(e.ColumnCount) == len(known.Columns)+1 && !known.Primary {
		known = withRowID(known)
	}
	if int(e.ColumnCount) != len(known.Columns) {
		return nil, fmt.Errorf("it has %d columns, the definition has %d", e.ColumnCount, len(known.Columns))
	}
	m := newMapColumns(e)
	nullable := make([]bool, len(known.Columns))
	for i := range known.Columns {
		col := &known.Columns[i]
		if err := m.fits(i, col); err != nil {
			return nil, fmt.Errorf("column %q (%s): %w", col.Name, col.Declared, err)
		}
		_, nullable[i] = e.Nullable(i)
	}
	if sameNulls(known, nullable) {
		return known, nil
	}
	t := *known
	t.Columns = slices.Clone(known.Columns)
	for i, null := range nullable {
		t.Columns[i].Nullable = null
	}
	return &t, nil
}

func withRowID(t *change.Table) *change.Table {
	out := *t
	out.Columns = append([]change.Column{rowID}, t.Columns...)
	out.Key, out.Primary = []int{0}, true
	return &out
}

func sameNulls(t *change.Table, nullable []bool) bool {
	for i, null := range nullable {
		if t.Columns[i].Nullable != null {
			return false
		}
	}
	return true
}

// fits tells whether a column of the table map can be the one defined.
func (m *mapColumns) fits(i int, col *change.Column) error {
	typ, meta := mapType(m.e, i)
	want, ok := binlogTypes[col.Type]
	if !ok || !slices.Contains(want, typ) {
		return fmt.Errorf("the table map has type %d", typ)
	}
	if unsigned, said := m.unsigned[i]; said && col.Type != change.TypeYear && unsigned != col.Unsigned {
		return fmt.Errorf("the table map says unsigned = %t", unsigned)
	}
	if id, said := m.collation[i]; said {
		if name := collationsByID()[id].name; name != cmp.Or(col.Collation, "binary") {
			return fmt.Errorf("the table map says collation %s", name)
		}
	}
	if expected, checked := mapMeta(col); checked && expected != meta {
		return fmt.Errorf("the table map has size %d, not %d", meta, expected)
	}
	return nil
}

// mapType is a column's type and size in the table map, ENUM and SET taken out
// of CHAR's.
func mapType(e *replication.TableMapEvent, i int) (typ byte, meta int) {
	typ, meta = e.ColumnType[i], int(e.ColumnMeta[i])
	if typ != gomysql.MYSQL_TYPE_STRING {
		return typ, meta
	}
	first, second := meta>>8, meta&0xff
	if real := byte(first); real == gomysql.MYSQL_TYPE_ENUM || real == gomysql.MYSQL_TYPE_SET {
		return real, second
	}
	return typ, second | (first&0x30^0x30)<<4
}

// binlogTypes are what a column of each type can be in a table map.
var binlogTypes = map[change.Type][]byte{
	change.TypeTinyInt: {gomysql.MYSQL_TYPE_TINY}, change.TypeSmallInt: {gomysql.MYSQL_TYPE_SHORT}, change.TypeMediumInt: {gomysql.MYSQL_TYPE_INT24},
	change.TypeInt: {gomysql.MYSQL_TYPE_LONG}, change.TypeBigInt: {gomysql.MYSQL_TYPE_LONGLONG},
	change.TypeFloat: {gomysql.MYSQL_TYPE_FLOAT}, change.TypeDouble: {gomysql.MYSQL_TYPE_DOUBLE}, change.TypeDecimal: {gomysql.MYSQL_TYPE_NEWDECIMAL},
	change.TypeBit: {gomysql.MYSQL_TYPE_BIT}, change.TypeYear: {gomysql.MYSQL_TYPE_YEAR}, change.TypeDate: {gomysql.MYSQL_TYPE_DATE},
	change.TypeTime:      {gomysql.MYSQL_TYPE_TIME, gomysql.MYSQL_TYPE_TIME2},
	change.TypeDateTime:  {gomysql.MYSQL_TYPE_DATETIME, gomysql.MYSQL_TYPE_DATETIME2},
	change.TypeTimestamp: {gomysql.MYSQL_TYPE_TIMESTAMP, gomysql.MYSQL_TYPE_TIMESTAMP2},
	change.TypeChar:      {gomysql.MYSQL_TYPE_STRING}, change.TypeBinary: {gomysql.MYSQL_TYPE_STRING},
	change.TypeVarchar: {gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_VAR_STRING}, change.TypeVarbinary: {gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_VAR_STRING},
	change.TypeText: {gomysql.MYSQL_TYPE_BLOB}, change.TypeBlob: {gomysql.MYSQL_TYPE_BLOB},
	change.TypeEnum: {gomysql.MYSQL_TYPE_ENUM}, change.TypeSet: {gomysql.MYSQL_TYPE_SET},
	change.TypeJSON: {gomysql.MYSQL_TYPE_JSON}, change.TypeGeometry: {gomysql.MYSQL_TYPE_GEOMETRY}, change.TypeVector: {gomysql.MYSQL_TYPE_VECTOR},
}

// mapMeta is the size the table map should have; false where we don't compare.
func mapMeta(col *change.Column) (meta int, checked bool) {
	perChar := 1
	if col.Charset != "" {
		perChar = bytesPerChar(col.Charset)
	}
	switch col.Type {
	case change.TypeDecimal:
		return col.Precision<<8 | col.Scale, true
	case change.TypeBit:
		return col.Length/8<<8 | col.Length%8, true
	case change.TypeTime, change.TypeDateTime, change.TypeTimestamp:
		return col.Scale, true
	case change.TypeChar, change.TypeBinary:
		return col.Length * perChar, true
	case change.TypeVarchar, change.TypeVarbinary:
		return declaredLength(col) * perChar, true
	case change.TypeText, change.TypeBlob:
		word, _ := splitDeclared(col.Declared)
		return lengthBytes[strings.TrimSuffix(strings.TrimSuffix(word, "text"), "blob")], true
	case change.TypeEnum, change.TypeSet:
		return labelBytes(col), true
	}
	return 0, false
}

// lengthBytes is how many bytes hold the length of each size of TEXT and BLOB.
var lengthBytes = map[string]int{"tiny": 1, "": 2, "medium": 3, "long": 4}

// labelBytes is how many bytes a value of an ENUM or SET takes.
func labelBytes(col *change.Column) int {
	n := len(col.Labels)
	switch bytes := (n + 7) / 8; {
	case col.Type == change.TypeEnum && n < 256:
		return 1
	case col.Type == change.TypeEnum:
		return 2
	case bytes > 4:
		return 8
	default:
		return bytes
	}
}
