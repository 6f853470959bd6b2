// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// longest is how long an XA transaction stays prepared at most: longer than a kill and what follows it.
const longest = 45 * time.Second

// runXA makes XA transactions, out of the other writers' way since a prepared one keeps its locks. Most end soon; some stay
// prepared for long, once planned is closed (a plan waits until none is prepared), so that kills and restarts fall between
// PREPARE and COMMIT.
func (w *writer) runXA(ctx context.Context, planned <-chan struct{}) (err error) {
	defer w.conn.Close()
	var late errgroup.Group
	defer func() { err = errors.Join(err, late.Wait()) }()
	for !w.over() {
		n, xid, err := w.prepare(ctx)
		switch {
		case refused(err):
			w.refused.Add(1)
			if err := w.forget(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		commit, long := w.r.IntN(4) > 0, w.r.IntN(8) == 0
		wait := time.Duration(w.r.Int64N(int64(longest)))
		if long && closed(planned) {
			t := transaction{xid, commit, n}
			late.Go(func() error { return w.endLater(ctx, t, wait) })
		} else {
			if err := w.rest(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			if err := w.end(ctx, transaction{xid, commit, n}); err != nil {
				return err
			}
		}
		if err := w.rest(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// prepare runs a transaction up to its PREPARE; from then on any session may end it.
func (w *writer) prepare(ctx context.Context) (n int64, xid string, err error) {
	w.n++
	xid = fmt.Sprintf("'soak-%d-%d'", w.id, w.n)
	if _, err := w.conn.ExecContext(ctx, "XA START "+xid); err != nil {
		return 0, xid, err
	}
	for range 1 + w.r.IntN(5) {
		t := w.tables[w.r.IntN(len(w.tables))]
		// Every transaction has a few keys of its own, or it would wait for the locks of those that stay prepared.
		k, err := w.exec(ctx, t.random(w.r, w.space, true, 8))
		if err != nil {
			return 0, xid, err
		}
		n += k
	}
	for _, s := range []string{"XA END " + xid, "XA PREPARE " + xid} {
		if _, err := w.conn.ExecContext(ctx, s); err != nil {
			return 0, xid, fmt.Errorf("%s: %w", s, err)
		}
	}
	return n, xid, nil
}

// forget gives up a transaction that came into another's way.
func (w *writer) forget(ctx context.Context) error {
	xid := fmt.Sprintf("'soak-%d-%d'", w.id, w.n)
	_, _ = w.conn.ExecContext(ctx, "XA END "+xid) // refused after a deadlock, which ends it by itself
	if _, err := w.conn.ExecContext(ctx, "XA ROLLBACK "+xid); err != nil {
		return fmt.Errorf("XA ROLLBACK %s: %w", xid, err)
	}
	return nil
}

// transaction is a prepared one, and how it will end.
type transaction struct {
	xid    string
	commit bool
	rows   int64
}

// end commits or rolls back, from whatever session.
func (w *workload) end(ctx context.Context, t transaction) error {
	verb := "XA ROLLBACK "
	if t.commit {
		verb = "XA COMMIT "
	}
	if _, err := w.db.ExecContext(ctx, verb+t.xid); err != nil {
		return fmt.Errorf("%s%s: %w", verb, t.xid, err)
	}
	if t.commit {
		w.rows.Add(t.rows)
		w.xaDone.Add(1)
	} else {
		w.xaUndone.Add(1)
	}
	return nil
}

// endLater ends a transaction after wait, or as soon as no kill is left.
func (w *workload) endLater(ctx context.Context, t transaction, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.slow.Done():
	}
	w.late.Add(1)
	return w.end(context.WithoutCancel(ctx), t) // a prepared transaction outlives everything, its locks too
}
