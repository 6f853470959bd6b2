// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
)

// ConfigureDecoding sets the options of the binlog parser that a BinlogDecoder
// relies on: times and decimals as text, TIMESTAMP in UTC, JSON undecoded. It
// wraps a RowsEventDecodeFunc that is already there, so call it last.
//
// A rows event of an unknown kind (partial JSON) keeps its Rows empty: who
// selects its table must refuse it by its event type (T4).
func ConfigureDecoding(cfg *replication.BinlogSyncerConfig) {
	cfg.ParseTime = false
	cfg.TimestampStringLocation = time.UTC
	cfg.UseDecimal = false
	cfg.UseFloatWithTrailingZero = false
	decode := cfg.RowsEventDecodeFunc
	if decode == nil {
		decode = (*replication.RowsEvent).Decode
	}
	cfg.RowsEventDecodeFunc = func(e *replication.RowsEvent, data []byte) error {
		// Where an event is shorter than its rows, the parser would read on in
		// the memory behind it.
		return withRawJSON(e, slices.Clip(data), decode)
	}
}

// withRawJSON has a rows event decoded with its JSON columns left as the
// server's binary JSON, because go-mysql's rendering is not byte for byte what
// a SELECT prints. To the parser they are blobs meanwhile, which have the same
// frame; the table map, which later events share, gets its types back.
func withRawJSON(e *replication.RowsEvent, data []byte, decode func(*replication.RowsEvent, []byte) error) error {
	if _, err := e.DecodeHeader(data); err != nil {
		return err
	}
	if e.Type() == replication.EnumRowsEventTypeUnknown {
		return nil
	}
	table := e.Table
	if table.JsonColumnCount() == 0 {
		return decode(e, data)
	}
	types := table.ColumnType
	defer func() { table.ColumnType = types }()
	table.ColumnType = make([]byte, len(types))
	for i, t := range types {
		if t == mysql.MYSQL_TYPE_JSON {
			t = mysql.MYSQL_TYPE_BLOB
		}
		table.ColumnType[i] = t
	}
	return decode(e, data)
}

// BinlogDecoder turns the rows of a rows event, parsed as ConfigureDecoding
// says, into change rows. It keeps scratch memory: one decoder per goroutine.
type BinlogDecoder struct {
	table *change.Table
	cols  []columnDecoder
	json  jsonText
	arena arena
}

// NewBinlogDecoder builds the decoder of a table definition, which must be the
// one the rows were written with. server is the version of the server that wrote
// the log, as its format description has it: its SELECT is what JSON must look
// like. The error names a column whose type or charset is unknown.
func NewBinlogDecoder(t *change.Table, server string) (*BinlogDecoder, error) {
	cols, err := newColumnDecoders(t)
	if err != nil {
		return nil, err
	}
	return &BinlogDecoder{table: t, cols: cols, json: jsonTextOf(server)}, nil
}

// Decode decodes one image of the event's Rows, which must be a full one: the
// caller refuses partial images by the event's column bitmaps (T4). The row
// holds no memory of the event.
func (d *BinlogDecoder) Decode(image []any) (change.Row, error) {
	if len(image) != len(d.cols) {
		return nil, fmt.Errorf("%s: the binlog row has %d columns, the definition has %d", d.table, len(image), len(d.cols))
	}
	d.arena.reset()
	row := make(change.Row, len(d.cols))
	for i, raw := range image {
		v, err := d.value(&d.cols[i], raw)
		if err != nil {
			return nil, d.cols[i].unreadable(d.table, err, "take a new snapshot under a new task name")
		}
		row[i] = v
		d.arena.ends = append(d.arena.ends, len(d.arena.buf))
	}
	d.arena.share(row)
	return row, nil
}

func (d *BinlogDecoder) value(c *columnDecoder, raw any) (change.Value, error) {
	a := &d.arena
	from := len(a.buf)
	switch v := raw.(type) {
	case nil:
		return change.Value{}, nil
	case string:
		a.buf = append(a.buf, v...)
	case []byte:
		if c.typ == change.TypeJSON {
			var err error
			a.buf, err = d.json.append(a.buf, v)
			return change.NewText(""), err
		}
		a.buf = append(a.buf, v...)
	default:
		return c.number(raw)
	}
	if err := a.canonical(c, from); err != nil {
		return change.Value{}, err
	}
	switch c.kind {
	case change.Text:
		return change.NewText(""), nil
	case change.Bytes:
		return change.NewBytes(""), nil
	}
	return change.Value{}, fmt.Errorf("the binlog has text where the definition has a number: %q", raw)
}

func (c *columnDecoder) number(raw any) (change.Value, error) {
	var n int64
	switch v := raw.(type) {
	case int8:
		n = int64(v)
	case int16:
		n = int64(v)
	case int32:
		n = int64(v)
	case int64:
		n = v
	case int:
		n = int64(v)
	case uint8:
		n = int64(v)
	case uint16:
		n = int64(v)
	case uint32:
		n = int64(v)
	case uint64:
		n = int64(v)
	case float32:
		if c.kind == change.Float32 {
			return change.NewFloat32(v), nil
		}
		return change.Value{}, fmt.Errorf("the binlog has a FLOAT where the definition has another type")
	case float64:
		if c.kind == change.Float64 {
			return change.NewFloat64(v), nil
		}
		return change.Value{}, fmt.Errorf("the binlog has a DOUBLE where the definition has another type")
	default:
		return change.Value{}, fmt.Errorf("unexpected driver value of type %T", raw)
	}
	switch c.kind {
	case change.Int:
		return change.NewInt(n), nil
	case change.Uint:
		// Without metadata on signs the parser takes all integers for signed.
		return change.NewUint(uint64(n) << (64 - c.bits) >> (64 - c.bits)), nil
	}
	return change.Value{}, fmt.Errorf("the binlog has an integer where the definition has another type")
}
