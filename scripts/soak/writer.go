// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/time/rate"
)

// workload is what all writers share.
type workload struct {
	db     *sql.DB
	tables []*table
	space  int64
	want   int64 // row changes in all
	// pace spreads the changes over the kills, until slow ends because no kill is left.
	pace  *rate.Limiter
	slow  context.Context
	hurry context.CancelFunc

	rows      atomic.Int64 // changed and committed
	committed atomic.Int64 // transactions
	undone    atomic.Int64 // transactions rolled back on purpose
	refused   atomic.Int64 // by a lock wait or a deadlock
	xaDone    atomic.Int64
	xaUndone  atomic.Int64
	late      atomic.Int64 // XA transactions that stayed prepared for long
	ddls      atomic.Int64
}

// writer is one session that changes rows, with its own source of choices.
type writer struct {
	*workload
	r    *rand.Rand
	conn *sql.Conn
	id   int
	n    int
}

// session opens a connection as writers use them.
func (w *workload) session(ctx context.Context) (*sql.Conn, error) {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range []string{"SET SESSION innodb_lock_wait_timeout = 1", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"} {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// start makes a writer; id tells its choices from the others'.
func (w *workload) start(ctx context.Context, seed uint64, id int) (*writer, error) {
	conn, err := w.session(ctx)
	return &writer{workload: w, r: rand.New(rand.NewPCG(seed, uint64(id))), conn: conn, id: id}, err
}

// over tells that the workload has changed what it should.
func (w *workload) over() bool { return w.rows.Load() >= w.want }

// paced waits until n more rows may be changed.
func (w *workload) paced(ctx context.Context, n int64) error {
	if err := w.pace.WaitN(w.slow, int(min(n, int64(w.pace.Burst())))); err != nil && w.slow.Err() == nil {
		return err
	}
	return ctx.Err()
}

// run changes rows until the workload is over.
func (w *writer) run(ctx context.Context) error {
	defer w.conn.Close()
	for !w.over() {
		n, err := w.transaction(ctx)
		switch {
		case refused(err):
			w.refused.Add(1)
			if _, err := w.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
				return fmt.Errorf("roll back: %w", err)
			}
		case err != nil:
			return err
		}
		w.rows.Add(n)
		if err := w.paced(ctx, max(n, 1)); err != nil {
			return err
		}
	}
	return nil
}

// refused tells an error that the server gives to one of two sessions in each other's way.
func refused(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (e.Number == 1205 || e.Number == 1213 || e.Number == 1614 || e.Number == 3058)
}

// exec runs a statement and gives how many row changes it counts for.
func (w *writer) exec(ctx context.Context, s statement) (int64, error) {
	res, err := w.conn.ExecContext(ctx, s.sql, s.args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.sql, err)
	}
	n, err := res.RowsAffected()
	return min(n, s.rows), err
}

// any draws a statement on any table.
func (w *writer) any() statement {
	big := 16
	if w.r.IntN(40) == 0 {
		big = 400 // now and then one that fills many messages
	}
	return w.tables[w.r.IntN(len(w.tables))].random(w.r, w.space, false, big)
}

// transaction is one of all kinds; it gives how many rows it changed for good.
func (w *writer) transaction(ctx context.Context) (n int64, err error) {
	kind := w.r.IntN(100)
	if kind < 30 { // autocommit
		n, err = w.exec(ctx, w.any())
		if err == nil {
			w.committed.Add(1)
		}
		return n, err
	}
	if _, err := w.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return 0, err
	}
	for range 1 + w.r.IntN(6) {
		k, err := w.exec(ctx, w.any())
		if err != nil {
			return 0, err
		}
		n += k
	}
	switch {
	case kind < 45: // half of it undone
		if err := w.savepoint(ctx); err != nil {
			return 0, err
		}
	case kind < 55: // all of it
		w.undone.Add(1)
		_, err = w.conn.ExecContext(ctx, "ROLLBACK")
		return 0, err
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return 0, err
	}
	w.committed.Add(1)
	return n, nil
}

// savepoint does something and undoes it, inside a transaction.
func (w *writer) savepoint(ctx context.Context) error {
	if _, err := w.conn.ExecContext(ctx, "SAVEPOINT half"); err != nil {
		return err
	}
	for range 1 + w.r.IntN(3) {
		if _, err := w.exec(ctx, w.any()); err != nil {
			return err
		}
	}
	_, err := w.conn.ExecContext(ctx, "ROLLBACK TO SAVEPOINT half")
	return err
}

// fill writes the rows that are there from the beginning.
func (w *workload) fill(ctx context.Context, seed uint64, each int64) error {
	r := rand.New(rand.NewPCG(seed, 1<<32))
	for _, t := range w.tables {
		for done := int64(0); done < each; done += 500 {
			keys := make([][]any, 500)
			for i := range keys {
				keys[i] = t.key(r, w.space, false)
			}
			s := t.upsert(r, keys)
			if _, err := w.db.ExecContext(ctx, s.sql, s.args...); err != nil {
				return fmt.Errorf("fill %s: %w", t.name, err)
			}
		}
	}
	return nil
}

// rest is a pause of at most most, which follows from the writer's choices.
func (w *writer) rest(ctx context.Context, most time.Duration) error {
	timer := time.NewTimer(time.Duration(w.r.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
