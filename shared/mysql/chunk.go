// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
)

// Range is the part of a table with After < key <= UpTo, in the order of the
// table's key. An empty bound is open.
type Range struct {
	After, UpTo change.Row
}

// Contains tells whether a key lies in the range.
func (r Range) Contains(o *KeyOrder, key change.Row) bool {
	return (len(r.After) == 0 || o.Compare(key, r.After) > 0) && (len(r.UpTo) == 0 || o.Compare(key, r.UpTo) <= 0)
}

// keyRow reads a range's first key in the given direction, nil when it has
// none. Bounds may be the beginnings of keys.
func (c *Conn) keyRow(ctx context.Context, t *change.Table, r Range, dir string) (change.Row, error) {
	keyTable := &change.Table{Database: t.Database, Name: t.Name}
	exprs := make([]string, len(t.Key))
	for i, k := range t.Key {
		keyTable.Columns = append(keyTable.Columns, t.Columns[k])
		exprs[i] = SelectExpr(&t.Columns[k])
	}
	dec, err := NewSelectDecoder(keyTable)
	if err != nil {
		return nil, err
	}
	if err := c.understand(ctx, t, r); err != nil {
		return nil, err
	}
	where, args := within(t, r)
	order := strings.Join(keyNames(t), " "+dir+", ") + " " + dir
	sql := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT 1", strings.Join(exprs, ", "), QuoteTable(t), where, order)
	var key change.Row
	err = c.Stream(ctx, sql, args, func(f []gomysql.FieldValue) (err error) {
		key, err = dec.Decode(f)
		return err
	})
	return key, err
}

// ReadRange hands out the rows of a range in key order (in no order for an
// open range of a table without an ordered key), at most limit when limit > 0.
// It runs in whatever transaction the session has open.
func (c *Conn) ReadRange(ctx context.Context, t *change.Table, r Range, fn func(change.Row) error) error {
	dec, err := NewSelectDecoder(t)
	if err != nil {
		return err
	}
	exprs := make([]string, len(t.Columns))
	for i := range t.Columns {
		exprs[i] = SelectExpr(&t.Columns[i])
	}
	if err := c.understand(ctx, t, r); err != nil {
		return err
	}
	where, args := within(t, r)
	sql := "SELECT " + strings.Join(exprs, ", ") + " FROM " + QuoteTable(t) + where
	if NewKeyOrder(t, t.Key).Ordered() {
		sql += " ORDER BY " + strings.Join(keyNames(t), ", ")
	}
	return c.Stream(ctx, sql, args, func(f []gomysql.FieldValue) error {
		row, err := dec.Decode(f)
		if err != nil {
			return err
		}
		return fn(row)
	})
}

// Size is the server's estimate of a table; it can be far off.
type Size struct {
	Rows, AverageRow int64
}

// TableSize asks for the server's estimate of a table.
func (c *Conn) TableSize(ctx context.Context, t *change.Table) (Size, error) {
	r, err := c.Query(ctx, "SELECT COALESCE(TABLE_ROWS, 0), COALESCE(AVG_ROW_LENGTH, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", t.Database, t.Name)
	if err != nil || r.RowNumber() == 0 {
		return Size{}, err
	}
	rows, err := r.GetInt(0, 0)
	if err != nil {
		return Size{}, err
	}
	avg, err := r.GetInt(0, 1)
	return Size{Rows: rows, AverageRow: avg}, err
}

// Drain streams a whole table as a snapshot does and throws the rows away: the
// bare limit a snapshot is measured against.
func (c *Conn) Drain(ctx context.Context, t *change.Table) (rows int, err error) {
	exprs := make([]string, len(t.Columns))
	for i := range t.Columns {
		exprs[i] = SelectExpr(&t.Columns[i])
	}
	err = c.Stream(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM "+QuoteTable(t), nil, func([]gomysql.FieldValue) error {
		rows++
		return nil
	})
	return rows, err
}
