// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// handler turns the binlog into items for the lanes. All its methods run on
// the reader's goroutine, which owns its fields.
type handler struct {
	ctx      context.Context // of the run; the reader hands none on
	pipe     *pipeline.Pipeline
	lanes    *deliver.Lanes
	progress *progress
	reserve  *reservation
	seams    *seams
	schema   *schema
	xa       *xaStore
	task     *state.Task
	plan     *snapshot.Plan
	ddlTopic string
	skipped  func(what string) // a statement that is none of our business

	seq int64
	// resume: of this transaction, this many rows were acknowledged before.
	resume      change.GTID
	resumedRows int64
	// replayTo and replayIn: what may have been sent before (rules D2, D8).
	replayTo int64
	replayIn change.GTIDSet

	tx txState
	// again is set when tables must be snapshotted anew; reading ends there.
	again []change.TableName
	// finished is asked at every boundary and ends reading; nil to read for ever.
	finished func() bool
	idle     atomic.Bool // the last event said that the source is idle
	// level: once in this run the source was idle, so that all a tail before this
	// one can have sent was read.
	level atomic.Bool

	key        change.Row // scratch
	boundaries int64
}

// txState is the transaction at hand.
type txState struct {
	gtid      change.GTID
	text      string // gtid's
	given     string // text, if the server gave the GTID; else ""
	time      int64
	n         int64 // rows and DDLs counted so far
	ordinals  map[change.TableName]int64
	redefined bool
	xa        bool
	effects   []func(*state.Checkpoint)
}

var (
	errAgain    = errors.New("tables must be snapshotted anew")
	errFinished = errors.New("everything asked for is delivered")
)

func (h *handler) handle(e mysql.Event) error {
	if e.Kind != mysql.Idle {
		h.idle.Store(false)
	}
	//exhaustive:enforce
	switch e.Kind {
	case mysql.Begin:
		h.begin(e)
		return nil
	case mysql.XAStart:
		h.tx.xa = true
		return h.xa.begin(e.GTID)
	case mysql.Rows:
		return h.rows(e)
	case mysql.Statement:
		return h.statement(e)
	case mysql.Prepare:
		if err := h.prepare(e); err != nil {
			return err
		}
	case mysql.XACommit:
		if err := h.xaCommit(e); err != nil {
			return err
		}
	case mysql.XARollback:
		h.xaForget(e.XID)
	case mysql.Commit:
		if h.tx.xa { // ONE PHASE: its rows count here
			if err := h.xa.replay(h.ctx, h.xa.take(), h.xaRows); err != nil {
				return err
			}
		}
	case mysql.Idle:
		h.progress.idle(&e)
		h.idle.Store(true)
		h.level.Store(true)
		h.releaseSeams()
		if err := h.schema.boundary(e.Position); err != nil {
			return err
		}
		if h.finished != nil && h.finished() {
			return errFinished
		}
		return nil
	}
	return h.end(e)
}

func (h *handler) begin(e mysql.Event) {
	h.tx = txState{gtid: e.GTID, time: e.Time, text: e.GTID.String(), ordinals: map[change.TableName]int64{}}
	if _, _, _, place := e.GTID.LogPlace(); !place {
		h.tx.given = h.tx.text
	}
	resumed := int64(0)
	if e.GTID == h.resume {
		resumed = h.resumedRows
	}
	h.progress.begin(e.GTID, h.seq, resumed, e.Time)
}

func (h *handler) end(e mysql.Event) error {
	h.lanes.Advance(h.seq)
	if h.tx.redefined {
		key, err := snapshot.SaveSchema(h.ctx, h.task, h.seq, h.schema.snapshot())
		if err != nil {
			return err
		}
		h.tx.effects = append(h.tx.effects, func(cp *state.Checkpoint) { cp.Schema = key })
	}
	h.progress.end(&e, h.seq, h.tx.effects...)
	h.tx = txState{}
	if err := h.schema.boundary(e.Position); err != nil {
		return err
	}
	if h.boundaries++; h.boundaries%1024 == 0 {
		h.releaseSeams()
	}
	if len(h.again) > 0 {
		return errAgain
	}
	if h.finished != nil && h.finished() {
		return errFinished
	}
	return nil
}

// releaseSeams lets the seams go once everything they speak of has been read:
// no transaction comes twice.
func (h *handler) releaseSeams() {
	if len(h.seams.tables) > 0 && h.progress.reached(h.seams.high) {
		h.seams.tables = nil
	}
}

// rows takes a rows event: XA rows are put aside until their COMMIT (rule S5).
func (h *handler) rows(e mysql.Event) error {
	table, err := h.schema.saw(e.Table)
	if err != nil {
		return err
	}
	if h.tx.xa {
		return h.xa.add(h.ctx, table, e.Op, e.Rows)
	}
	return h.changes(table, e.Op, e.Rows, e.Time)
}

// changes numbers, splits, drops and queues row changes.
func (h *handler) changes(table *change.Table, op change.Op, rows []mysql.RowChange, time int64) error {
	route, err := h.pipe.Route(table)
	if err != nil {
		return err
	}
	name, origin := table.FullName(), h.tx.text+"/"+table.String()
	ordinal := h.tx.ordinals[name] - 1
	defer func() { h.tx.ordinals[name] = ordinal + 1 }()
	for _, rc := range rows {
		ordinal++
		if !h.count() {
			continue
		}
		c := &change.Change{
			Op: op, Phase: change.PhaseIncremental, Table: table, Before: rc.Before, After: rc.After, Time: time,
			GTID: h.tx.given, Seq: h.seq, Origin: origin, Ordinal: ordinal, Replay: h.replay(),
		}
		if err := h.admit(c, route); err != nil {
			return err
		}
		h.lanes.Advance(h.seq)
	}
	return nil
}

// count numbers the next row or DDL; false for one that was acknowledged in an
// earlier run, and has its number already.
func (h *handler) count() bool {
	h.tx.n++
	if h.tx.gtid == h.resume && h.tx.n <= h.resumedRows {
		return false
	}
	h.seq++
	return true
}

func (h *handler) replay() bool {
	return h.seq <= h.replayTo || h.replayIn.Contains(h.tx.gtid)
}

// admit splits an update that moves its key (rule S6), drops what the snapshot
// holds, and queues the rest.
func (h *handler) admit(c *change.Change, route *pipeline.Route) error {
	if c.Op != change.OpUpdate {
		return h.half(c, route)
	}
	if !route.Moves(c.Before, c.After) {
		if slices.Equal(c.Before, c.After) {
			return nil // nothing changed: no message, as canal does
		}
		return h.half(c, route)
	}
	del, ins := *c, *c
	del.Op, del.After, del.Half = change.OpDelete, nil, '-'
	ins.Op, ins.Before, ins.Half = change.OpInsert, nil, '+'
	keepDel, maybeDel := h.survives(&del)
	keepIns, maybeIns := h.survives(&ins)
	from, to := route.Lane(c.Before), route.Lane(c.After)
	if keepDel && keepIns && from == to && maybeDel == maybeIns {
		c.Replay = c.Replay || maybeDel
		return h.put(c, route, to)
	}
	if keepDel {
		del.Replay = del.Replay || maybeDel
		if err := h.put(&del, route, from); err != nil {
			return err
		}
	}
	if keepIns {
		ins.Replay = ins.Replay || maybeIns
		return h.put(&ins, route, to)
	}
	return nil
}

// half queues a change of one key unless the snapshot holds it.
func (h *handler) half(c *change.Change, route *pipeline.Route) error {
	keep, maybe := h.survives(c)
	if !keep {
		return nil
	}
	c.Replay = c.Replay || maybe
	return h.put(c, route, route.Lane(c.Image()))
}

func (h *handler) survives(c *change.Change) (keep, maybe bool) {
	if len(h.seams.tables) == 0 {
		return true, false
	}
	h.key = h.key[:0]
	for _, i := range c.Table.Key {
		h.key = append(h.key, c.Image()[i])
	}
	held, maybe := h.seams.holds(c.Table, h.key, h.tx.gtid)
	return !held, maybe
}

func (h *handler) put(c *change.Change, route *pipeline.Route, lane int) error {
	if err := h.reserve.await(h.ctx, c.Seq); err != nil {
		return err
	}
	return h.lanes.Put(h.ctx, deliver.Item{Change: c, Lane: lane, Topic: route.Topic})
}

// statement takes what came as text: DDL of selected tables is a barrier,
// whatever changes rows unseen is fatal (rule T4).
func (h *handler) statement(e mysql.Event) error {
	q := e.Query
	changes := h.expand(q.Parsed.Changes)
	if h.schema.apply(q, e.Position) {
		h.tx.redefined = true
	}
	switch q.Parsed.Class {
	case mysql.ClassNone, mysql.ClassAccount:
		return nil
	case mysql.ClassUnknown:
		if h.concerns(q) {
			return fault.New(fault.UnreadableEvent, "take a new snapshot under a new task name once the statement is behind it",
				"transaction %s has a statement that can't be understood and may change a selected table: %s", h.tx.gtid, excerpt(q.SQL))
		}
		h.skipped(excerpt(q.SQL))
		return nil
	case mysql.ClassDML:
		return h.dml(q)
	}
	for i := range changes {
		c := &changes[i]
		if !h.pipe.Selected(c.Database, c.Name) && (c.FromName == "" || !h.pipe.Selected(c.FromDatabase, c.FromName)) {
			continue
		}
		if err := h.ddl(e, c); err != nil {
			return err
		}
	}
	return nil
}

// expand names the tables of a statement about a whole database.
func (h *handler) expand(changes []mysql.TableChange) []mysql.TableChange {
	var out []mysql.TableChange
	for _, c := range changes {
		if !c.WholeDatabase {
			out = append(out, c)
			continue
		}
		for _, t := range h.schema.names() {
			if t.Database == c.Database {
				out = append(out, mysql.TableChange{Type: change.DDLErase, Database: t.Database, Name: t.Name, Removes: c.Removes})
			}
		}
	}
	return out
}

func (h *handler) dml(q *mysql.Query) error {
	for _, c := range q.Parsed.Changes {
		if h.pipe.Selected(c.Database, c.Name) {
			return fault.New(fault.UnreadableEvent, "SET GLOBAL binlog_format = ROW (and in sessions that set it), then take a new snapshot under a new task name",
				"transaction %s changes %s.%s by a statement, not by rows: %s", h.tx.gtid, c.Database, c.Name, excerpt(q.SQL))
		}
	}
	return nil
}

// concerns tells whether a statement we can't parse may be about a selected
// table: its session's database has selected tables, or it names one that has.
func (h *handler) concerns(q *mysql.Query) bool {
	lower := strings.ToLower(q.SQL)
	for _, name := range h.schema.names() {
		if strings.EqualFold(q.Database, name.Database) || strings.Contains(lower, strings.ToLower(name.Database)) {
			return true
		}
	}
	return false
}

func excerpt(sql string) string {
	const most = 200
	if len(sql) <= most {
		return sql
	}
	return strings.ToValidUTF8(sql[:most], "") + "…"
}
