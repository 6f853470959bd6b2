// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
)

// Hooks let a test stop a chunk's reading at the moments that matter. All may
// be nil.
type Hooks struct {
	Kept      func(chunk string) // L is taken, changes are kept
	View      func(chunk string) // the view is open, E not yet taken
	End       func(chunk string) // E is taken
	Watermark func(chunk string) // H is known, the SELECT not begun
	Row       func(chunk string, n int64)
	Stored    func(chunk string) // .rows exists, nothing is sent
	Delivered func(chunk string) // all is acknowledged, done.json not written
}

func call(f func(string), chunk string) {
	if f != nil {
		f(chunk)
	}
}

// voidError says that a generation can't go on.
type voidError struct{ Void }

func (e *voidError) Error() string { return e.Reason }

// errAgain says that the chunk must be read again from its start.
var errAgain = errors.New("read the chunk again")

// errCut ends a SELECT whose chunk has reached its size.
var errCut = errors.New("chunk cut")

// maxAttempts bounds the re-reads of one chunk in one invocation: DDL or XA
// commits that keep coming leave it to the next.
const maxAttempts = 20

// view is one exact look at a table: an open transaction and what happened
// since L.
type view struct {
	conn  *mysql.Conn
	table *change.Table
	route *pipeline.Route
	kept  *Kept
	// H of the view, L if it isn't exact: then Upper is known only after the SELECT.
	h change.GTIDSet
}

// open takes a view by the five steps of rule S1.
func (w *Worker) open(ctx context.Context, gen *Generation, chunk string) (*view, error) {
	conn, err := w.session(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{conn: conn}
	if err := w.fill(ctx, v, gen, chunk); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *view) close() {
	if v.kept != nil {
		v.kept.Stop()
	}
	v.conn.Close()
}

func (w *Worker) fill(ctx context.Context, v *view, gen *Generation, chunk string) (err error) {
	name := gen.Name()
	// (1) The definition is read while its changes are watched already; until it
	// is known the planned one stands in for it.
	if v.table, err = w.definition(ctx, v.conn, gen); err != nil {
		return err
	}
	if v.route, err = w.cfg.Pipeline.Route(v.table); err != nil {
		return err
	}
	keepRoute := v.route
	if !gen.exact() {
		keepRoute = nil
	}
	if v.kept, err = w.watcher.Keep(ctx, v.table, keepRoute); err != nil {
		return err
	}
	call(w.cfg.Hooks.Kept, chunk)
	if !isByPosition(v.kept.L) {
		if err := v.conn.AwaitExecuted(ctx, v.kept.L); err != nil {
			return err
		}
	}
	now, err := w.definition(ctx, v.conn, gen)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(now, v.table) {
		return fmt.Errorf("%w: the definition of %s changed", errAgain, name)
	}
	// (2)
	if _, err := v.conn.Query(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return err
	}
	call(w.cfg.Hooks.View, chunk)
	if !gen.exact() {
		v.h = v.kept.L
		return nil
	}
	// (3)
	e, err := v.conn.LogEnd(ctx)
	if err != nil {
		return err
	}
	call(w.cfg.Hooks.End, chunk)
	// (4)
	if v.h, err = v.kept.Until(ctx, e); err != nil {
		return err
	}
	call(w.cfg.Hooks.Watermark, chunk)
	return v.verdict(gen)
}

// upper gives the upper bound of an inexact view's watermark, once its rows are
// read, and nothing for an exact one.
func (v *view) upper(ctx context.Context, gen *Generation) (upper change.GTIDSet, err error) {
	if gen.exact() {
		return upper, nil
	}
	e, err := v.conn.LogEnd(ctx)
	if err != nil {
		return upper, err
	}
	if upper, err = v.kept.Until(ctx, e); err != nil {
		return upper, err
	}
	return upper, v.verdict(gen)
}

// verdict tells whether what was seen since L spoils the view.
func (v *view) verdict(gen *Generation) error {
	switch {
	case v.kept.removed != "":
		return &voidError{Void{Reason: "rows were removed or replaced by a " + v.kept.removed}}
	case v.kept.again != "":
		return fmt.Errorf("%w: %s of %s", errAgain, v.kept.again, gen.Name())
	}
	return nil
}

// definition loads the table as it is now and compares its key with the
// generation's.
func (w *Worker) definition(ctx context.Context, conn *mysql.Conn, gen *Generation) (*change.Table, error) {
	t, err := mysql.LoadTable(ctx, conn, gen.Table.Database, gen.Table.Name)
	if errors.Is(err, mysql.ErrNoTable) {
		return nil, &voidError{Void{Reason: "the table is gone"}}
	}
	if err != nil {
		return nil, err
	}
	if !SameKey(t, gen.Table) {
		return nil, &voidError{Void{Reason: "the key of the table changed"}}
	}
	if reflect.DeepEqual(t, gen.Table) {
		return gen.Table, nil // one pointer per definition: routes and layouts are cached by it
	}
	return t, nil
}

// SameKey tells whether keys of two definitions of a table compare with each
// other: the columns have the same names, types and collations.
func SameKey(a, b *change.Table) bool {
	if len(a.Key) != len(b.Key) {
		return false
	}
	for i := range a.Key {
		x, y := a.Columns[a.Key[i]], b.Columns[b.Key[i]]
		if x.Name != y.Name || x.Type != y.Type || x.Unsigned != y.Unsigned || x.Charset != y.Charset || x.Collation != y.Collation ||
			x.Scale != y.Scale || x.Precision != y.Precision {
			return false
		}
	}
	return true
}

// scan hands out the view's rows in a range, overlaid with what happened up to
// H. It returns how far it came: the whole range, or up to where add said
// errCut.
func (w *Worker) scan(ctx context.Context, v *view, gen *Generation, rng mysql.Range, chunk string, add func(change.Row) error) (mysql.Range, error) {
	covered := rng
	emitted := map[string]bool{}
	var last change.Row
	var n int64
	exact := gen.exact()
	err := v.conn.ReadRange(ctx, v.table, rng, func(row change.Row) error {
		if gen.Mode == Ranges {
			key := v.table.KeyOf(row)
			if last != nil && v.route.Key.Compare(last, key) >= 0 || !rng.Contains(v.route.Key, key) {
				return &voidError{Void{Reason: fmt.Sprintf("the server orders key %v after %v, we don't", key, last), Unordered: true}}
			}
			last = key
		}
		if w.cfg.Hooks.Row != nil {
			w.cfg.Hooks.Row(chunk, n)
		}
		n++
		if exact && len(v.kept.overlay) > 0 && !w.cfg.Faults.NoOverlay {
			k := v.route.KeyText(row)
			if image, changed := v.kept.overlay[k]; changed {
				emitted[k] = true
				if image == nil {
					return nil
				}
				row = image
			}
		}
		return add(row)
	})
	switch {
	case errors.Is(err, errCut):
		covered.UpTo = last
	case err != nil:
		return covered, err
	}
	if !exact || w.cfg.Faults.NoOverlay {
		return covered, nil
	}
	for k, image := range v.kept.overlay {
		if image == nil || emitted[k] || gen.Mode == Ranges && !covered.Contains(v.route.Key, v.table.KeyOf(image)) {
			continue
		}
		if err := add(image); err != nil && !errors.Is(err, errCut) {
			return covered, err
		}
	}
	return covered, nil
}

// attempt runs f until it no longer asks for another try.
func (w *Worker) attempt(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		again := errors.Is(err, errAgain)
		switch mysql.ErrorCode(err) {
		case 1412, 1146, 1054: // the definition changed under the SELECT
			again = true
		}
		if !again {
			return err
		}
		if n == maxAttempts {
			if errors.Is(err, errAgain) {
				return err
			}
			return &voidError{Void{Reason: err.Error()}}
		}
		w.cfg.Logger.Info("reading a chunk again", "reason", err)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// session opens a session at the server the watcher reads (rule S8).
func (w *Worker) session(ctx context.Context) (*mysql.Conn, error) {
	conn, err := mysql.Connect(ctx, w.cfg.Source)
	if err != nil {
		return nil, err
	}
	uuid, err := conn.ServerUUID(ctx)
	if err == nil && uuid != w.uuid {
		err = fault.New(fault.SourceUnreachable, "connect to one MySQL server directly, without a proxy that spreads connections",
			"source %s: one session is at server %s, another at %s", w.cfg.Source.Addr, uuid, w.uuid)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// sizeOf is the bytes a row counts for a chunk's size.
func sizeOf(row change.Row) int {
	c := change.Change{After: row}
	return c.Size()
}

// now is a chunk's time.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
