// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"math"
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

// PlanRanges cuts a table into ranges of about rows rows each: the first open
// below, the last closed at the greatest key there is. An empty table has no
// range. estimate is the table's rough row count.
func (c *Conn) PlanRanges(ctx context.Context, t *change.Table, rows, estimate int64) ([]Range, error) {
	hi, err := c.keyRow(ctx, t, nil, "DESC", 0)
	if err != nil || hi == nil {
		return nil, err
	}
	var bounds []change.Row
	if len(t.Key) == 1 && hi[0].Kind() == change.Int || hi[0].Kind() == change.Uint && len(t.Key) == 1 {
		lo, err := c.keyRow(ctx, t, nil, "ASC", 0)
		if err != nil || lo == nil {
			return nil, err
		}
		bounds = splitIntegers(lo[0], hi[0], (estimate+rows-1)/rows)
	} else if bounds, err = c.walkBounds(ctx, t, rows, hi); err != nil {
		return nil, err
	}
	bounds = append(bounds, hi)
	ranges := make([]Range, len(bounds))
	for i, b := range bounds {
		ranges[i].UpTo = b
		if i > 0 {
			ranges[i].After = bounds[i-1]
		}
	}
	return ranges, nil
}

// splitIntegers gives the inner bounds that cut [lo, hi] into n even pieces.
// Keys that lie unevenly give uneven chunks, which reading cuts by size.
func splitIntegers(lo, hi change.Value, n int64) []change.Row {
	if lo.Kind() != hi.Kind() || lo.Kind() == change.Int && lo.Int() > hi.Int() || lo.Kind() == change.Uint && lo.Uint() > hi.Uint() {
		return nil // hi was read first, and its rows are gone
	}
	var span uint64
	if hi.Kind() == change.Int {
		span = uint64(hi.Int()) - uint64(lo.Int()) // right across the sign, modulo 2^64
	} else {
		span = hi.Uint() - lo.Uint()
	}
	if n < 1 {
		n = 1
	}
	if span < math.MaxInt64 && int64(span) < n {
		n = int64(span) + 1
	}
	step := span/uint64(n) + 1
	var out []change.Row
	for off := step - 1; off < span; off += step {
		v := change.NewUint(lo.Uint() + off)
		if hi.Kind() == change.Int {
			v = change.NewInt(int64(uint64(lo.Int()) + off))
		}
		out = append(out, change.Row{v})
		if off > math.MaxUint64-step {
			break
		}
	}
	return out
}

// walkBounds goes over the key's index in steps of rows rows.
func (c *Conn) walkBounds(ctx context.Context, t *change.Table, rows int64, hi change.Row) ([]change.Row, error) {
	order := NewKeyOrder(t, t.Key)
	var bounds []change.Row
	var last change.Row
	for {
		next, err := c.keyRow(ctx, t, last, "ASC", rows-1)
		if err != nil {
			return nil, err
		}
		if next == nil || order.Compare(next, hi) >= 0 {
			return bounds, nil
		}
		bounds = append(bounds, next)
		last = next
	}
}

// keyRow reads one key above after: the one at offset in the given order. nil
// when there is none.
func (c *Conn) keyRow(ctx context.Context, t *change.Table, after change.Row, dir string, offset int64) (change.Row, error) {
	keyTable := &change.Table{Database: t.Database, Name: t.Name}
	names, order := make([]string, len(t.Key)), make([]string, len(t.Key))
	for i, k := range t.Key {
		keyTable.Columns = append(keyTable.Columns, t.Columns[k])
		names[i] = SelectExpr(&t.Columns[k])
		order[i] = QuoteName(t.Columns[k].Name) + " " + dir
	}
	dec, err := NewSelectDecoder(keyTable)
	if err != nil {
		return nil, err
	}
	where, args, err := c.within(ctx, t, Range{After: after})
	if err != nil {
		return nil, err
	}
	sql := "SELECT " + strings.Join(names, ", ") + " FROM " + QuoteTable(t) + where
	sql += fmt.Sprintf(" ORDER BY %s LIMIT 1 OFFSET %d", strings.Join(order, ", "), offset)
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
	where, args, err := c.within(ctx, t, r)
	if err != nil {
		return err
	}
	sql := "SELECT " + strings.Join(exprs, ", ") + " FROM " + QuoteTable(t) + where
	if NewKeyOrder(t, t.Key).Ordered() {
		names := make([]string, len(t.Key))
		for i, k := range t.Key {
			names[i] = QuoteName(t.Columns[k].Name)
		}
		sql += " ORDER BY " + strings.Join(names, ", ")
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
