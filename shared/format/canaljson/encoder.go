// SPDX-License-Identifier: Apache-2.0

// Package canaljson turns changes into Canal JSON, the flat message that
// alibaba/canal writes to a queue, and reads such messages back.
//
// It keeps one promise: for the same row a consumer of canal finds the same 14
// keys in the same order with the same texts, except where canal is wrong;
// docs/canal-json.md lists those places. It only renders: which rows share a
// message, how large a message may grow and whether an UPDATE that changed
// nothing is sent is the caller's to decide.
package canaljson

import (
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slipway/shared/change"
)

// Options are what a task may set about the format.
type Options struct {
	// Location is the zone TIMESTAMP values are shown in; nil is UTC.
	Location *time.Location
}

// Encoder renders changes. It is safe for concurrent use.
type Encoder struct {
	location *time.Location // nil for UTC: nothing to shift
	layouts  sync.Map       // *change.Table → *layout
	cached   atomic.Int64   // entries in layouts, roughly
}

// maxLayouts bounds the cache: definitions that a DDL replaced are never asked
// for again, so a full cache is emptied rather than searched for the old ones.
const maxLayouts = 8192

// New returns an Encoder.
func New(o Options) *Encoder {
	e := &Encoder{location: o.Location}
	if e.location == time.UTC {
		e.location = nil
	}
	return e
}

// Shape says what rows must have in common to share a message: the table
// definition, the operation, the phase and the sqlType of every column, which
// some values change. Shapes are compared with ==.
type Shape struct {
	table *change.Table
	op    change.Op
	phase change.Phase
	odd   uint64 // bit n: the layout's n-th varying column has its other type
	more  string // the same for columns beyond the 64th, packed; nearly always ""
}

// Shape returns the shape of a row change. Replay, lane and the like are not
// part of it; they concern the message's properties, not its body.
func (e *Encoder) Shape(c *change.Change) Shape {
	s := Shape{table: c.Table, op: c.Op, phase: c.Phase}
	l, row := e.layout(c.Table), c.Image()
	var more []byte
	for n, i := range l.varying {
		if l.cols[i].normal(row[i]) {
			continue
		}
		if n < 64 {
			s.odd |= 1 << n
			continue
		}
		if more == nil {
			more = make([]byte, (len(l.varying)-64+7)/8)
		}
		more[(n-64)/8] |= 1 << (n % 8)
	}
	s.more = string(more)
	return s
}

// AppendMessage appends the message of one or more consecutive rows of one
// Shape. `id` is the first row's number; `es` and `gtid` are the last row's.
// Each entry of `old` has the columns that its own row changed; it is {} when
// there are none.
func (e *Encoder) AppendMessage(dst []byte, rows []*change.Change, now time.Time) []byte {
	first, last := rows[0], rows[len(rows)-1]
	l := e.layout(first.Table)

	dst = append(dst, `{"data":[`...)
	for i, c := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendRow(dst, l, c.Image())
	}
	dst = append(dst, l.database...) // `],"database":…,"es":`
	dst = strconv.AppendInt(dst, last.Time, 10)
	dst = append(dst, `,"gtid":"`...)
	if last.Phase != change.PhaseFull {
		dst = appendEscaped(dst, last.GTID)
	}
	dst = append(dst, `","id":`...)
	dst = strconv.AppendInt(dst, first.Seq, 10)
	dst = append(dst, l.mysqlType...) // `,"isDdl":false,"mysqlType":{…},"old":`
	dst = e.appendOld(dst, l, rows)
	dst = append(dst, l.pkNames...) // `,"pkNames":…,"sql":"","sqlType":`
	dst = l.appendSQLTypes(dst, first.Image())
	dst = append(dst, l.table...) // `,"table":…,"ts":`
	dst = strconv.AppendInt(dst, now.UnixMilli(), 10)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, first.Op.String()...)
	return append(dst, `"}`...)
}

// appendRow appends a row as an object in column order.
func (e *Encoder) appendRow(dst []byte, l *layout, row change.Row) []byte {
	dst = append(dst, '{')
	for i := range l.cols {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, l.cols[i].key...)
		dst = e.appendValue(dst, &l.cols[i], row[i])
	}
	return append(dst, '}')
}

func (e *Encoder) appendOld(dst []byte, l *layout, rows []*change.Change) []byte {
	if rows[0].Op != change.OpUpdate {
		return append(dst, `null`...)
	}
	dst = append(dst, '[')
	for i, c := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		sep := false
		for j := range l.cols {
			if c.Before[j] == c.After[j] {
				continue
			}
			if sep {
				dst = append(dst, ',')
			}
			sep = true
			dst = append(dst, l.cols[j].key...)
			dst = e.appendValue(dst, &l.cols[j], c.Before[j])
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendDDL appends the message of a statement: c.DDL must be set. What only
// rows have is null.
func (e *Encoder) AppendDDL(dst []byte, c *change.Change, now time.Time) []byte {
	dst = append(dst, `{"data":null,"database":`...)
	dst = appendString(dst, c.DDL.Database)
	dst = append(dst, `,"es":`...)
	dst = strconv.AppendInt(dst, c.Time, 10)
	dst = append(dst, `,"gtid":`...)
	dst = appendString(dst, c.GTID)
	dst = append(dst, `,"id":`...)
	dst = strconv.AppendInt(dst, c.Seq, 10)
	dst = append(dst, `,"isDdl":true,"mysqlType":null,"old":null,"pkNames":null,"sql":`...)
	dst = appendString(dst, c.DDL.SQL)
	dst = append(dst, `,"sqlType":null,"table":`...)
	dst = appendString(dst, c.DDL.Table)
	dst = append(dst, `,"ts":`...)
	dst = strconv.AppendInt(dst, now.UnixMilli(), 10)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, string(c.DDL.Type))
	return append(dst, '}')
}

// RowSize estimates, from above but for texts full of control characters, the
// bytes a row adds to a message. It is for packing; the limit of a message is
// judged by its encoded length.
func (e *Encoder) RowSize(c *change.Change) int {
	l, row := e.layout(c.Table), c.Image()
	n := l.keys
	for i := range l.cols {
		n += valueSize(row[i])
	}
	if c.Op != change.OpUpdate {
		return n
	}
	n += len(`{},`)
	for i := range l.cols {
		if c.Before[i] != c.After[i] {
			n += len(l.cols[i].key) + 1 + valueSize(c.Before[i])
		}
	}
	return n
}

// valueSize estimates a rendered value with its quotes.
func valueSize(v change.Value) int {
	switch v.Kind() {
	case change.Null:
		return len(`null`)
	case change.Int:
		n := v.Int()
		return digits(uint64(max(n, -n))) + 3
	case change.Uint:
		return digits(v.Uint()) + 2
	case change.Float32, change.Float64:
		return len(`"-2.2250738585072014E-308"`)
	case change.Bytes:
		return latin1Size(v.Str()) + 2
	}
	s := v.Str()
	return len(s) + strings.Count(s, `"`) + strings.Count(s, `\`) + strings.Count(s, "\n") + 2
}

// digits is the number of decimal digits of n, at times one more.
func digits(n uint64) int { return bits.Len64(n)*1233>>12 + 1 }

// layout returns what all messages of a table definition share.
func (e *Encoder) layout(t *change.Table) *layout {
	if l, ok := e.layouts.Load(t); ok {
		return l.(*layout)
	}
	if e.cached.Add(1) > maxLayouts {
		e.layouts.Clear()
		e.cached.Store(1)
	}
	l, _ := e.layouts.LoadOrStore(t, newLayout(t))
	return l.(*layout)
}
