// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// runDDL adds a column to one of the tables, or truncates the smallest, every few seconds, until the writers have stopped.
func (w *workload) runDDL(ctx context.Context, r *rand.Rand, stopped <-chan struct{}) error {
	conn, err := w.session(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A DDL that waits for a prepared transaction's metadata lock would hold up all others.
	if _, err := conn.ExecContext(ctx, "SET SESSION lock_wait_timeout = 1"); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for n := 0; ; {
		timer.Reset(5*time.Second + time.Duration(r.Int64N(int64(10*time.Second))))
		select {
		case <-timer.C:
		case <-stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		t := w.tables[r.IntN(len(w.tables))]
		s := fmt.Sprintf("ALTER TABLE %s ADD COLUMN extra%d INT DEFAULT %d", t.name, n, r.IntN(1000))
		if r.IntN(4) == 0 {
			s = "TRUNCATE TABLE tokens"
		}
		_, err := conn.ExecContext(ctx, s)
		switch {
		case refused(err):
			w.refused.Add(1)
		case err != nil:
			return fmt.Errorf("%s: %w", s, err)
		default:
			n++
			w.ddls.Add(1)
		}
	}
}
