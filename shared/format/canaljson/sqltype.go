// SPDX-License-Identifier: Apache-2.0

package canaljson

import (
	"strings"

	"slipway/shared/change"
)

// The java.sql.Types that canal uses.
const (
	sqlBit       = -7
	sqlTinyInt   = -6
	sqlBigInt    = -5
	sqlChar      = 1
	sqlDecimal   = 3
	sqlInteger   = 4
	sqlSmallInt  = 5
	sqlReal      = 7
	sqlDouble    = 8
	sqlVarchar   = 12
	sqlDate      = 91
	sqlTime      = 92
	sqlTimestamp = 93
	sqlOther     = 1111
	sqlBlob      = 2004
	sqlClob      = 2005
)

// newColumn derives how a column's values are typed and written. TINYINT(1),
// which BOOL is, has BIT's code. Three sorts of values have another sqlType than
// their column: unsigned integers that would be negative if read as signed go
// one size up, a NULL SET is a BLOB and a NULL JSON has no type that Java knows.
func newColumn(c *change.Column) column {
	col := column{key: append(appendString(nil, c.Name), ':'), typ: c.Type, code: sqlCode(c.Type)}
	if strings.HasPrefix(c.Declared, "tinyint(1)") {
		col.code = sqlBit
	}
	switch c.Type {
	case change.TypeSet:
		col.oddNull, col.odd = true, sqlBlob
	case change.TypeJSON:
		col.oddNull, col.odd = true, sqlOther
	}
	if !c.Unsigned {
		return col
	}
	switch c.Type {
	case change.TypeTinyInt:
		col.oddFrom, col.odd = 1<<7, sqlSmallInt
	case change.TypeSmallInt:
		col.oddFrom, col.odd = 1<<15, sqlInteger
	case change.TypeInt:
		col.oddFrom, col.odd = 1<<31, sqlBigInt
	case change.TypeBigInt:
		col.oddFrom, col.odd = 1<<63, sqlDecimal
	}
	// MEDIUMINT is an INTEGER, signed or not: nothing varies.
	return col
}

// sqlCode is the sqlType of a column's usual values.
func sqlCode(t change.Type) int {
	//exhaustive:enforce
	switch t {
	case change.TypeTinyInt:
		return sqlTinyInt
	case change.TypeSmallInt:
		return sqlSmallInt
	case change.TypeMediumInt, change.TypeInt, change.TypeEnum:
		return sqlInteger
	case change.TypeBigInt:
		return sqlBigInt
	case change.TypeFloat:
		return sqlReal
	case change.TypeDouble:
		return sqlDouble
	case change.TypeDecimal:
		return sqlDecimal
	case change.TypeBit, change.TypeSet:
		return sqlBit
	case change.TypeDate:
		return sqlDate
	case change.TypeTime:
		return sqlTime
	case change.TypeDateTime, change.TypeTimestamp:
		return sqlTimestamp
	case change.TypeChar:
		return sqlChar
	case change.TypeVarchar, change.TypeYear, change.TypeJSON:
		return sqlVarchar
	case change.TypeText:
		return sqlClob
	case change.TypeBinary, change.TypeVarbinary, change.TypeBlob, change.TypeGeometry, change.TypeVector:
		return sqlBlob
	case change.TypeUnknown:
	}
	return sqlOther
}
