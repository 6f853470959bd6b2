// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"fmt"
	"math/bits"

	"github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
)

// SelectDecoder turns rows of the binary protocol into change rows. The SELECT
// must list all columns in table order by SelectExpr, on a session with
// character_set_results NULL, time_zone '+00:00' and an empty sql_mode.
//
// It keeps scratch memory: one decoder per goroutine.
type SelectDecoder struct {
	table *change.Table
	cols  []columnDecoder
	arena arena
}

// NewSelectDecoder builds the decoder of a table definition. The error names a
// column whose type or charset is unknown.
func NewSelectDecoder(t *change.Table) (*SelectDecoder, error) {
	cols, err := newColumnDecoders(t)
	if err != nil {
		return nil, err
	}
	return &SelectDecoder{table: t, cols: cols}, nil
}

// Decode copies the row out of the driver's buffers, which a streaming read
// uses again. The error names the column it cannot decode; a row never comes
// back half right.
func (d *SelectDecoder) Decode(fields []mysql.FieldValue) (change.Row, error) {
	if len(fields) != len(d.cols) {
		return nil, fmt.Errorf("%s: the SELECT returned %d columns, the definition has %d", d.table, len(fields), len(d.cols))
	}
	d.arena.reset()
	row := make(change.Row, len(d.cols))
	for i := range fields {
		v, err := d.value(&d.cols[i], &fields[i])
		if err != nil {
			return nil, d.cols[i].unreadable(d.table, err, "run this step again")
		}
		row[i] = v
		d.arena.ends = append(d.arena.ends, len(d.arena.buf))
	}
	d.arena.share(row)
	return row, nil
}

func (d *SelectDecoder) value(c *columnDecoder, f *mysql.FieldValue) (change.Value, error) {
	switch f.Type {
	case mysql.FieldValueTypeNull:
		return change.Value{}, nil
	case mysql.FieldValueTypeSigned:
		if c.kind == change.Int {
			return change.NewInt(f.AsInt64()), nil
		}
	case mysql.FieldValueTypeUnsigned:
		switch c.kind {
		case change.Int: // YEAR is sent unsigned.
			return change.NewInt(f.AsInt64()), nil
		case change.Uint:
			return change.NewUint(f.AsUint64()), nil
		}
	case mysql.FieldValueTypeFloat:
		switch c.kind {
		case change.Float32:
			return change.NewFloat32(float32(f.AsFloat64())), nil
		case change.Float64:
			return change.NewFloat64(f.AsFloat64()), nil
		}
	case mysql.FieldValueTypeString:
		return d.bytes(c, f.AsString())
	}
	return change.Value{}, fmt.Errorf("unexpected driver value of kind %d", f.Type)
}

func (d *SelectDecoder) bytes(c *columnDecoder, raw []byte) (change.Value, error) {
	if c.typ == change.TypeBit {
		return bigEndianBits(raw)
	}
	a := &d.arena
	from := len(a.buf)
	a.buf = append(a.buf, raw...)
	if err := a.canonical(c, from); err != nil {
		return change.Value{}, err
	}
	switch c.kind {
	case change.Text:
		return change.NewText(""), nil
	case change.Bytes:
		return change.NewBytes(""), nil
	}
	return change.Value{}, fmt.Errorf("unexpected driver text %q", raw)
}

func bigEndianBits(raw []byte) (change.Value, error) {
	if len(raw) > bits.UintSize/8 {
		return change.Value{}, fmt.Errorf("a BIT value of %d bytes", len(raw))
	}
	var n uint64
	for _, b := range raw {
		n = n<<8 | uint64(b)
	}
	return change.NewUint(n), nil
}
