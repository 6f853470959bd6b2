// SPDX-License-Identifier: Apache-2.0

package canaljson

import (
	"slices"
	"strconv"

	"slipway/shared/change"
)

// layout is what every message of one table definition has in common, rendered
// once. It never changes.
type layout struct {
	cols    []column
	varying []int // columns whose sqlType depends on the value
	keys    int   // bytes of a row's column names and punctuation

	// The fixed stretches of a message, in its order.
	database  []byte // `],"database":"shop","es":`
	mysqlType []byte // `,"isDdl":false,"mysqlType":{…},"old":`
	pkNames   []byte // `,"pkNames":["id"],"sql":"","sqlType":`
	sqlType   []byte // the sqlType object of a row without odd values
	table     []byte // `,"table":"orders","ts":`
}

// column is one column's part of a layout.
type column struct {
	key  []byte // `"name":`
	typ  change.Type
	code int // the sqlType of nearly all values
	// odd is the sqlType of a NULL, if oddNull, or of an unsigned number of at
	// least oddFrom, if that isn't 0.
	odd     int
	oddNull bool
	oddFrom uint64
}

// normal tells whether a value has the column's usual sqlType.
func (c *column) normal(v change.Value) bool {
	switch v.Kind() {
	case change.Null:
		return !c.oddNull
	case change.Uint:
		return c.oddFrom == 0 || v.Uint() < c.oddFrom
	}
	return true
}

func newLayout(t *change.Table) *layout {
	l := &layout{cols: make([]column, len(t.Columns)), keys: len(`{},`)}
	mysql, sql := []byte{'{'}, []byte{'{'}
	for i := range t.Columns {
		c := newColumn(&t.Columns[i])
		l.cols[i] = c
		l.keys += len(c.key) + 1
		if c.oddNull || c.oddFrom > 0 {
			l.varying = append(l.varying, i)
		}
		if i > 0 {
			mysql, sql = append(mysql, ','), append(sql, ',')
		}
		mysql = appendString(append(mysql, c.key...), t.Columns[i].Declared)
		sql = strconv.AppendInt(append(sql, c.key...), int64(c.code), 10)
	}

	l.database = append(appendString([]byte(`],"database":`), t.Database), `,"es":`...)
	l.mysqlType = slices.Concat([]byte(`,"isDdl":false,"mysqlType":`), mysql, []byte(`},"old":`))
	l.pkNames = append(appendNames([]byte(`,"pkNames":`), t.PrimaryNames()), `,"sql":"","sqlType":`...)
	l.sqlType = slices.Concat(sql, []byte{'}'})
	l.table = append(appendString([]byte(`,"table":`), t.Name), `,"ts":`...)
	return l
}

// appendNames appends a list of names, null for none.
func appendNames(dst []byte, names []string) []byte {
	if names == nil {
		return append(dst, `null`...)
	}
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
	}
	return append(dst, ']')
}

// appendSQLTypes appends the sqlType object of a row.
func (l *layout) appendSQLTypes(dst []byte, row change.Row) []byte {
	if l.usual(row) {
		return append(dst, l.sqlType...)
	}
	dst = append(dst, '{')
	for i := range l.cols {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &l.cols[i]
		dst = append(dst, c.key...)
		code := c.code
		if !c.normal(row[i]) {
			code = c.odd
		}
		dst = strconv.AppendInt(dst, int64(code), 10)
	}
	return append(dst, '}')
}

func (l *layout) usual(row change.Row) bool {
	for _, i := range l.varying {
		if !l.cols[i].normal(row[i]) {
			return false
		}
	}
	return true
}
