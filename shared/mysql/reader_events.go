// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/google/uuid"

	"slipway/shared/change"
	"slipway/shared/fault"
)

// tableMap is what a table id of the log stands for.
type tableMap struct {
	raw     []byte // the event's body, to notice a changed definition under one id
	table   *change.Table
	decoder *BinlogDecoder
}

// HandleEvent takes one event off the stream. It is called by go-mysql, on the
// goroutine that reads the connection. That library takes a panic for a lost
// connection, and the event in which it arose for handled: here it ends Run.
func (r *Reader) HandleEvent(e *replication.BinlogEvent) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "report this as a bug", "transaction %s at %s:%d: panic: %v\n%s", r.tx.gtid, r.log.File, r.log.Pos, p, debug.Stack())
			r.failure = err
		}
	}()
	r.moved = true
	if err := r.handle(e, e.Header.LogPos, int64(e.Header.Timestamp)*1000); err != nil {
		if r.failure == nil {
			r.failure = err
		}
		return err
	}
	return nil
}

func (r *Reader) emit(e Event) error {
	e.Position = r.log
	if err := r.reached(&e); err != nil {
		return err
	}
	if err := r.h(e); err != nil {
		return err
	}
	e.Extend(&r.read)
	return nil
}

func (r *Reader) handle(e *replication.BinlogEvent, logPos uint32, ms int64) error {
	if r.position != nil {
		if skip, err := r.follow(e, logPos); err != nil || skip {
			return err
		}
	} else if logPos > 0 {
		r.log.Pos = uint64(logPos)
	}
	switch ev := e.Event.(type) {
	case *replication.FormatDescriptionEvent:
		r.checksum, r.server = ev.ChecksumAlgorithm == replication.BINLOG_CHECKSUM_ALG_CRC32, ev.ServerVersion
	case *replication.RotateEvent:
		r.log = LogPosition{File: string(ev.NextLogName), Pos: ev.Position}
		return r.rotated()
	case *replication.HeartbeatEvent:
		r.log.File = ev.Filename
		if r.tx.gtid.IsZero() {
			return r.emit(Event{Kind: Idle})
		}
	case *replication.GTIDEvent:
		return r.begin(ev, e.Header.EventType, ms)
	case *replication.GtidTaggedLogEvent:
		return r.begin(&ev.GTIDEvent, e.Header.EventType, ms)
	case *replication.QueryEvent:
		return r.query(ev, ms)
	case *replication.ExecuteLoadQueryEvent:
		return r.loadQuery(ev, e.RawData, ms)
	case *replication.XIDEvent:
		return r.end(Commit, "", ms)
	case *replication.TableMapEvent:
		return r.tableMap(ev, e.RawData)
	case *replication.RowsEvent:
		return r.rows(ev, e.Header.EventType, ms)
	case *replication.TransactionPayloadEvent:
		outer := r.checksum
		defer func() { r.checksum = outer }()
		r.checksum = false // events in a payload have none of their own
		for _, inner := range ev.Events {
			if err := r.handle(inner, logPos, int64(inner.Header.Timestamp)*1000); err != nil {
				return err
			}
		}
	case *replication.GenericEvent:
		return r.generic(e.Header.EventType, ev.Data, ms)
	}
	return nil
}

// begin opens a transaction. Its own Begin event waits for nothing: a reader
// of whole transactions needs the GTID first.
func (r *Reader) begin(ev *replication.GTIDEvent, typ replication.EventType, ms int64) error {
	g, err := r.nameOf(ev, typ)
	if err != nil {
		return err
	}
	if r.read.Contains(g) {
		return fault.New(fault.PositionLost, "take a new snapshot under a new task name",
			"source sent transaction %s again, which was read to its end (rule T1)", g)
	}
	if r.tx.handed > 0 {
		if r.tx.gtid != g {
			return fault.New(fault.PositionLost, "take a new snapshot under a new task name",
				"source sent transaction %s where %s was half read", g, r.tx.gtid)
		}
		return nil // its Begin was handed out before
	}
	r.tx = openTransaction{gtid: g}
	return r.emit(Event{Kind: Begin, GTID: g, Time: ms})
}

// nameOf is the transaction's GTID, or its place when reading by position,
// whether the server gave it a GTID or not.
func (r *Reader) nameOf(ev *replication.GTIDEvent, typ replication.EventType) (change.GTID, error) {
	if r.position != nil {
		return r.log.GTID(r.uuid)
	}
	if typ == replication.ANONYMOUS_GTID_EVENT {
		return change.GTID{}, fault.New(fault.UnreadableEvent, "keep gtid_mode = ON, and take a new snapshot under a new task name",
			"anonymous transaction at %s:%d although GTID mode is on", r.log.File, r.log.Pos)
	}
	id, err := uuid.FromBytes(ev.SID)
	if err != nil {
		return change.GTID{}, fmt.Errorf("GTID event at %s:%d: %w", r.log.File, r.log.Pos, err)
	}
	g := change.GTID{Source: id.String(), N: ev.GNO}
	if tag := ev.Tag.String(); tag != "" {
		g.Source += ":" + tag
	}
	return g, nil
}

func (r *Reader) end(kind EventKind, xid string, ms int64) error {
	if r.tx.seen < r.tx.handed {
		return fault.New(fault.PositionLost, "take a new snapshot under a new task name",
			"transaction %s ended at step %d, of which %d were read before", r.tx.gtid, r.tx.seen, r.tx.handed)
	}
	g := r.tx.gtid
	if g.IsZero() {
		return fault.New(fault.UnreadableEvent, "", "transaction end without a GTID at %s:%d", r.log.File, r.log.Pos)
	}
	if err := r.emit(Event{Kind: kind, GTID: g, Time: ms, XID: xid}); err != nil {
		return err
	}
	r.tx = openTransaction{}
	return nil
}

func (r *Reader) tableMap(ev *replication.TableMapEvent, raw []byte) error {
	raw = raw[min(replication.EventHeaderSize, len(raw)):]
	if r.checksum { // it covers the header, which differs from one event to the next
		raw = raw[:max(len(raw)-replication.BinlogChecksumLength, 0)]
	}
	db, name := string(ev.Schema), string(ev.Table)
	selected := r.cfg.Tables.Selected(db, name)
	if m := r.maps[ev.TableID]; m != nil && (m.table != nil) == selected && (!selected || bytes.Equal(m.raw, raw)) {
		return nil
	}
	if !selected {
		r.maps[ev.TableID] = &tableMap{}
		return nil
	}
	known, hints := r.cfg.Tables.Candidates(db, name)
	t, err := Resolve(ev, known, hints...)
	if err != nil {
		r.maps[ev.TableID] = &tableMap{}
		return r.cfg.Tables.Contradicted(db, name, fault.New(fault.SchemaMismatch, "", "table map of %s.%s at %s:%d: %w", db, name, r.log.File, r.log.Pos, err))
	}
	d, err := NewBinlogDecoder(t, r.server)
	if err != nil {
		return fault.New(fault.SchemaMismatch, "", "table map of %s at %s:%d: %w", t, r.log.File, r.log.Pos, err)
	}
	r.maps[ev.TableID] = &tableMap{raw: bytes.Clone(raw), table: t, decoder: d}
	return nil
}

// decodeRows replaces go-mysql's decoding of a rows event: rows of tables
// nobody selected are left alone, and rows that aren't whole, which rows refuses:
// to read rows of no columns would take for ever.
func (r *Reader) decodeRows(e *replication.RowsEvent, data []byte) error {
	pos, err := e.DecodeHeader(data)
	if err != nil || !r.cfg.Tables.Selected(string(e.Table.Schema), string(e.Table.Table)) || !fullImages(e, int(e.Table.ColumnCount)) {
		return err
	}
	return e.DecodeData(pos, data)
}

func (r *Reader) rows(ev *replication.RowsEvent, typ replication.EventType, ms int64) error {
	m := r.maps[ev.TableID]
	if m == nil || m.table == nil {
		return nil
	}
	if typ == replication.PARTIAL_UPDATE_ROWS_EVENT {
		return fault.New(fault.UnreadableEvent, "SET GLOBAL binlog_row_value_options = '' (and in sessions that set it), then take a new snapshot under a new task name",
			"partial JSON update of %s in transaction %s at %s:%d", m.table, r.tx.gtid, r.log.File, r.log.Pos)
	}
	if !fullImages(ev, len(m.table.Columns)) {
		return fault.New(fault.UnreadableEvent, "SET GLOBAL binlog_row_image = FULL (and in sessions that set it), then take a new snapshot under a new task name",
			"partial row image of %s in transaction %s at %s:%d", m.table, r.tx.gtid, r.log.File, r.log.Pos)
	}
	out := Event{Kind: Rows, GTID: r.tx.gtid, Time: ms, Table: m.table}
	step := 1
	switch ev.Type() {
	case replication.EnumRowsEventTypeInsert:
		out.Op = change.OpInsert
	case replication.EnumRowsEventTypeDelete:
		out.Op = change.OpDelete
	case replication.EnumRowsEventTypeUpdate:
		out.Op, step = change.OpUpdate, 2
	default:
		return fault.New(fault.UnreadableEvent, "", "rows event %s of %s at %s:%d", typ, m.table, r.log.File, r.log.Pos)
	}
	rows := ev.Rows
	before := r.tx.seen
	r.tx.seen += int64(len(rows) / step)
	if skip := min(r.tx.handed-before, int64(len(rows)/step)); skip > 0 {
		rows = rows[int(skip)*step:]
	}
	if len(rows) == 0 {
		return nil
	}
	out.Rows = make([]RowChange, 0, len(rows)/step)
	for i := 0; i+step <= len(rows); i += step {
		rc, err := decodeRowChange(m.decoder, out.Op, rows[i:i+step])
		if err != nil {
			return r.unreadableRow(err)
		}
		out.Rows = append(out.Rows, rc)
	}
	r.tx.handed = r.tx.seen
	return r.emit(out)
}

// unreadableRow says where a row stands that can't be decoded.
func (r *Reader) unreadableRow(err error) error {
	f := &fault.Error{Class: fault.UnreadableEvent, Err: err}
	if inner, ok := errors.AsType[*fault.Error](err); ok {
		f.Remedy, f.Err = inner.Remedy, inner.Err
	}
	f.Err = fmt.Errorf("row in transaction %s at %s:%d: %w", r.tx.gtid, r.log.File, r.log.Pos, f.Err)
	return f
}

func decodeRowChange(d *BinlogDecoder, op change.Op, images [][]any) (rc RowChange, err error) {
	if op != change.OpInsert {
		if rc.Before, err = d.Decode(images[0]); err != nil {
			return rc, err
		}
	}
	if op != change.OpDelete {
		rc.After, err = d.Decode(images[len(images)-1])
	}
	return rc, err
}

// fullImages tells whether the event's rows have all n columns of their table.
func fullImages(e *replication.RowsEvent, n int) bool {
	return e.ColumnCount == uint64(n) && n > 0 && fullImage(e.ColumnBitmap1, n) && (e.ColumnBitmap2 == nil || fullImage(e.ColumnBitmap2, n))
}

// fullImage tells whether all n columns are in a row image.
func fullImage(bitmap []byte, n int) bool {
	for i := range n {
		if bitmap[i/8]&(1<<(i%8)) == 0 {
			return false
		}
	}
	return true
}

func (r *Reader) generic(typ replication.EventType, data []byte, ms int64) error {
	switch typ {
	case replication.XA_PREPARE_LOG_EVENT:
		xid, onePhase, err := parseXAPrepare(data)
		if err != nil {
			return fault.New(fault.UnreadableEvent, "", "XA PREPARE at %s:%d: %w", r.log.File, r.log.Pos, err)
		}
		if onePhase {
			return r.end(Commit, "", ms)
		}
		return r.end(Prepare, xid, ms)
	case replication.INCIDENT_EVENT:
		return fault.New(fault.UnreadableEvent, "take a new snapshot under a new task name",
			"the source lost events and says so by an INCIDENT at %s:%d", r.log.File, r.log.Pos)
	}
	return nil
}

// parseXAPrepare reads the body of an XA_PREPARE_LOG_EVENT: one byte
// one_phase, format id, the lengths of both id parts (4 bytes each, little
// endian), the parts.
func parseXAPrepare(b []byte) (xid string, onePhase bool, err error) {
	if len(b) < 13 {
		return "", false, fmt.Errorf("%d bytes are too few", len(b))
	}
	u32 := func(i int) int { return int(b[i]) | int(b[i+1])<<8 | int(b[i+2])<<16 | int(b[i+3])<<24 }
	format, g, q := u32(1), u32(5), u32(9)
	if g < 0 || q < 0 || g > 64 || q > 64 || len(b) < 13+g+q {
		return "", false, fmt.Errorf("id lengths %d and %d in %d bytes", g, q, len(b))
	}
	return formatXID(b[13:13+g], b[13+g:13+g+q], int64(int32(format))), b[0] != 0, nil
}

// formatXID writes an xid as the log's XA statements do, in lower case:
// x'..',x'..',1.
func formatXID(gtrid, bqual []byte, format int64) string {
	return fmt.Sprintf("x'%s',x'%s',%d", hex.EncodeToString(gtrid), hex.EncodeToString(bqual), format)
}
