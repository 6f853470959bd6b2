// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
)

// Watcher reads the binlog beside the chunk reads of one invocation and tells
// them what happened between two moments (rule S1). It is never paused; between
// chunks it reads on and discards.
type Watcher struct {
	reader *mysql.Reader

	mu sync.Mutex
	// read is R: executed at the opening, and every transaction read to its end.
	read change.GTIDSet
	// at is the log position at the last transaction boundary; inside tells that
	// a transaction is being read.
	at     mysql.LogPosition
	inside bool
	xa     bool                       // the transaction being read is an XA one
	kept   map[change.TableName]*Kept // tables whose changes are kept now
	moved  chan struct{}              // closed at the next boundary
	failed error
	recent *window // where the source gives no GTIDs; else nil
}

// NewWatcher makes a watcher that starts at cfg.From, which the same server must
// have executed before. A set by position is old since a moment, and age is how
// old a boundary must be to be kept from (rule S11).
func NewWatcher(cfg mysql.ReaderConfig, since time.Time, age time.Duration) *Watcher {
	w := &Watcher{read: cfg.From.Clone(), kept: map[change.TableName]*Kept{}, moved: make(chan struct{})}
	if isByPosition(cfg.From) {
		w.recent = &window{age: age}
		w.recent.pass(since, cfg.From)
	}
	cfg.Tables = w
	w.reader = mysql.NewReader(cfg)
	return w
}

// Run reads until ctx ends. What fails here fails every chunk that waits.
func (w *Watcher) Run(ctx context.Context) error {
	err := w.reader.Run(ctx, w.handle)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = context.Cause(ctx)
	}
	w.failed = err
	w.broadcast()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Kept is what happened to one table from L on.
type Kept struct {
	w     *Watcher
	table *change.Table
	route *pipeline.Route
	// L is R when keeping began.
	L change.GTIDSet

	// Owned by the watcher's mutex until h is set.
	overlay  map[string]change.Row // canonical key → last image, nil for gone
	prepared map[string][]mysql.RowChange
	open     []mysql.RowChange // rows of the XA transaction being read
	until    *mysql.LogPosition
	done     bool
	h        change.GTIDSet
	again    string // why the chunk must be read again; "" when it needn't
	removed  string // the row-removing statement seen, "" for none
}

// Keep starts keeping the changes of a table, at a transaction boundary. With
// a nil route only statements are kept, no rows: as it must be without GTIDs,
// where keeping starts at a boundary that is long past.
func (w *Watcher) Keep(ctx context.Context, table *change.Table, route *pipeline.Route) (*Kept, error) {
	k := &Kept{w: w, table: table, route: route, overlay: map[string]change.Row{}, prepared: map[string][]mysql.RowChange{}}
	if w.recent != nil {
		return k, w.keepRecent(ctx, k)
	}
	err := w.await(ctx, func() bool {
		if w.inside {
			return false
		}
		k.L = w.read.Clone()
		w.kept[table.FullName()] = k
		return true
	})
	return k, err
}

// keepRecent keeps from a boundary on that is old enough for all it holds to be
// visible. Of the statements that concern the table the last must be as old: the
// table can't be read before.
func (w *Watcher) keepRecent(ctx context.Context, k *Kept) (err error) {
	name := k.table.FullName()
	w.mu.Lock()
	last := w.recent.last(name)
	w.mu.Unlock()
	awaited := w.await(ctx, func() bool {
		l, ok := w.recent.old(time.Now())
		if !ok || !last.IsZero() && !l.Contains(last) {
			return false
		}
		k.L = l
		w.kept[name] = k
		for _, e := range w.recent.statements {
			if !l.Contains(e.GTID) {
				err = errors.Join(err, k.statement(e))
			}
		}
		return true
	})
	return errors.Join(awaited, err)
}

// Until waits for the first boundary at or past e and stops keeping there: H
// is R at that moment.
func (k *Kept) Until(ctx context.Context, e mysql.LogPosition) (h change.GTIDSet, err error) {
	k.w.mu.Lock()
	k.until = &e
	if !k.w.inside {
		k.w.settle(k)
	}
	k.w.mu.Unlock()
	err = k.w.await(ctx, func() bool { return k.done })
	return k.h, err
}

// Stop ends keeping whatever the state.
func (k *Kept) Stop() {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	name := k.table.FullName()
	if k.w.kept[name] == k {
		delete(k.w.kept, name)
	}
}

// await waits until ok holds; ok is called with the mutex held, at every
// boundary.
func (w *Watcher) await(ctx context.Context, ok func() bool) error {
	for {
		w.mu.Lock()
		if ok() {
			w.mu.Unlock()
			return nil
		}
		if w.failed != nil {
			w.mu.Unlock()
			return w.failed
		}
		moved := w.moved
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-moved:
		}
	}
}

func (w *Watcher) broadcast() {
	close(w.moved)
	w.moved = make(chan struct{})
}

// settle fixes H of a kept table whose end has been reached.
func (w *Watcher) settle(k *Kept) {
	if k.done || k.until == nil || w.at.File == "" || w.at.Compare(*k.until) < 0 {
		return
	}
	k.done = true
	k.h = w.read.Clone()
	delete(w.kept, k.table.FullName())
}

// Selected implements mysql.Definitions: only kept tables' rows are decoded.
func (w *Watcher) Selected(database, table string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.kept[change.TableName{Database: database, Name: table}]
	return k != nil && k.route != nil
}

// Candidates implements mysql.Definitions.
func (w *Watcher) Candidates(database, table string) (*change.Table, []*change.Table) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.kept[change.TableName{Database: database, Name: table}]; k != nil {
		return k.table, nil
	}
	return nil, nil
}

// Contradicted implements mysql.Definitions: a row that the chunk's definition
// doesn't explain was written before a DDL that is yet to be read.
func (w *Watcher) Contradicted(database, table string, _ error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.kept[change.TableName{Database: database, Name: table}]; k != nil {
		k.again = otherDefinition
	}
	return nil
}

const otherDefinition = "a row was written with another definition"

func (w *Watcher) handle(e mysql.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case mysql.Begin:
		w.inside, w.xa = true, false
		for _, k := range w.kept {
			k.open = nil
		}
	case mysql.XAStart:
		w.xa = true
	case mysql.Rows:
		return w.rows(e)
	case mysql.Statement:
		return w.statement(e)
	}
	if e.Kind.IsEnd() {
		w.end(e)
		w.inside = false
	}
	if e.Kind.IsEnd() || e.Kind == mysql.Idle {
		w.at = e.Position
		e.Extend(&w.read)
		if w.recent != nil {
			w.recent.pass(time.Now(), w.read)
		}
		for _, k := range w.kept {
			w.settle(k)
		}
		w.broadcast()
	}
	return nil
}

func (w *Watcher) rows(e mysql.Event) error {
	k := w.kept[e.Table.FullName()]
	if k == nil {
		return nil
	}
	if e.Table != k.table && !reflect.DeepEqual(e.Table, k.table) {
		k.again = otherDefinition
		return nil
	}
	if w.xa {
		k.open = append(k.open, e.Rows...)
		return nil
	}
	for _, rc := range e.Rows {
		k.apply(rc)
	}
	return nil
}

// apply folds one change into the overlay.
func (k *Kept) apply(rc mysql.RowChange) {
	if rc.Before != nil {
		k.overlay[k.route.KeyText(rc.Before)] = nil
	}
	if rc.After != nil {
		k.overlay[k.route.KeyText(rc.After)] = rc.After
	}
}

func (w *Watcher) end(e mysql.Event) {
	for _, k := range w.kept {
		if k.route == nil {
			continue
		}
		switch e.Kind {
		case mysql.Prepare:
			k.prepared[e.XID] = k.open
		case mysql.XACommit:
			// Rule S5: its rows count from here; without its PREPARE we don't know
			// them.
			rows, known := k.prepared[e.XID]
			if !known {
				k.again = "an XA transaction prepared before the chunk was committed in it"
			}
			for _, rc := range rows {
				k.apply(rc)
			}
			delete(k.prepared, e.XID)
		case mysql.XARollback:
			delete(k.prepared, e.XID)
		case mysql.Commit:
			for _, rc := range k.open { // XA COMMIT ONE PHASE
				k.apply(rc)
			}
		}
		k.open = nil
	}
}

// statement looks for DDL on kept tables.
func (w *Watcher) statement(e mysql.Event) error {
	if w.recent != nil {
		w.recent.saw(e)
	}
	for _, k := range w.kept {
		if err := k.statement(e); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kept) statement(e mysql.Event) error {
	switch e.Query.Parsed.Class {
	case mysql.ClassAccount, mysql.ClassNone:
		return nil
	case mysql.ClassUnknown:
		k.again = "an unknown statement was seen"
		return nil
	}
	name := k.table.FullName()
	for _, c := range e.Query.Parsed.Changes {
		if !c.Touches(name.Database, name.Name) {
			continue
		}
		if e.Query.Parsed.Class == mysql.ClassDML {
			return fault.New(fault.UnreadableEvent, "SET GLOBAL binlog_format = ROW (and in sessions that set it), then start the task under a new name",
				"statement-based change of %s in transaction %s", name, e.GTID)
		}
		k.again = "a DDL was seen"
		if c.Removes || c.Unlogged {
			k.removed = string(c.Type)
		}
	}
	return nil
}
