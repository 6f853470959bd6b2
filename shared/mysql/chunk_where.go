// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"slipway/shared/change"
)

// within is the WHERE clause of a range, empty for the whole table. The session
// must understand the range.
func within(t *change.Table, r Range) (string, []any) {
	var conds []string
	var args []any
	if len(r.After) > 0 {
		s, a := keyCondition(t, ">", r.After)
		conds, args = append(conds, s), append(args, a...)
	}
	if len(r.UpTo) > 0 {
		s, a := keyCondition(t, "<=", r.UpTo)
		conds, args = append(conds, s), append(args, a...)
	}
	if len(conds) == 0 {
		return "", nil
	}
	return " WHERE (" + strings.Join(conds, ") AND (") + ")", args
}

// keyCondition spells key OP bound out column by column, which the optimiser
// turns into index ranges (it doesn't for row constructors):
// a > ? OR (a = ? AND b > ?). A bound may be the beginning of a key.
func keyCondition(t *change.Table, op string, bound change.Row) (string, []any) {
	strict := strings.TrimSuffix(op, "=")
	var ors []string
	var args []any
	for i := range bound {
		var ands []string
		for j := range i {
			ands = append(ands, keyTerm(t, j, "="))
			args = append(args, keyArg(bound[j]))
		}
		o := strict
		if i == len(bound)-1 {
			o = op
		}
		ands = append(ands, keyTerm(t, i, o))
		args = append(args, keyArg(bound[i]))
		ors = append(ors, "("+strings.Join(ands, " AND ")+")")
	}
	return strings.Join(ors, " OR "), args
}

// keyTerm compares one key column with a parameter of its very own type, so
// that neither side is converted and the column's index and order are used.
func keyTerm(t *change.Table, i int, op string) string {
	c := &t.Columns[t.Key[i]]
	p := "?"
	switch c.Type {
	case change.TypeDecimal:
		p = fmt.Sprintf("CAST(? AS DECIMAL(%d,%d))", c.Precision, c.Scale)
	case change.TypeDate:
		p = "CAST(? AS DATE)"
	case change.TypeTime:
		// A bare parameter would be read as a date first: 01:02:03 is one.
		p = fmt.Sprintf("CAST(CONVERT(? USING utf8mb4) AS TIME(%d))", c.Scale)
	case change.TypeDateTime, change.TypeTimestamp:
		p = fmt.Sprintf("CAST(? AS DATETIME(%d))", c.Scale)
	case change.TypeChar, change.TypeVarchar:
		p = "CONVERT(? USING " + c.Charset + ") COLLATE " + c.Collation
	case change.TypeBinary, change.TypeVarbinary:
		p = "CAST(? AS BINARY)"
	}
	return QuoteName(c.Name) + " " + op + " " + p
}

func keyArg(v change.Value) any {
	switch v.Kind() {
	case change.Int:
		return v.Int()
	case change.Uint:
		return v.Uint()
	case change.Bytes:
		return []byte(v.Str())
	}
	return v.Str()
}

// understand has the session take the ranges' bounds for what they are (rule
// S9). A column can hold 31 February; its CAST is NULL unless the sql_mode
// allows it, and no row compares with NULL. Other ranges keep the empty mode,
// by which generated columns are more often shown as they are in the binlog.
func (c *Conn) understand(ctx context.Context, t *change.Table, ranges ...Range) error {
	mode := ""
	for _, r := range ranges {
		if offCalendar(t, r.After) || offCalendar(t, r.UpTo) {
			mode = "ALLOW_INVALID_DATES"
		}
	}
	if c.sqlMode == mode {
		return nil
	}
	if _, err := c.Query(ctx, "SET sql_mode = '"+mode+"'"); err != nil {
		return err
	}
	c.sqlMode = mode
	return nil
}

// offCalendar tells whether a key has a date that never was. MySQL's year 0 has
// no 29 February, Go's has.
func offCalendar(t *change.Table, key change.Row) bool {
	for i := range key {
		switch t.Columns[t.Key[i]].Type {
		case change.TypeDate, change.TypeDateTime, change.TypeTimestamp:
			date, _, _ := strings.Cut(key[i].Str(), " ")
			if d, err := time.Parse(time.DateOnly, date); err != nil || d.Year() == 0 {
				return true
			}
		default:
		}
	}
	return false
}

// keyNames are the key's columns, quoted.
func keyNames(t *change.Table) []string {
	names := make([]string, len(t.Key))
	for i, k := range t.Key {
		names[i] = QuoteName(t.Columns[k].Name)
	}
	return names
}
