// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
)

// A transaction is in the log before anybody sees it. With GTIDs the source
// says which are visible; without, time has to (rule S11): what has been in the
// log for the age is taken to be visible.
const (
	// DefaultAge is the least age: commits take milliseconds, and fsync seconds at
	// its worst.
	DefaultAge = time.Minute
	// MostWait is the longest time-out of semi-synchronous replication that is put
	// up with.
	MostWait = 5 * time.Minute
)

// ageAt gives the age at a source: the least, and on top of it what a commit may
// wait there for a replica. That is twice the time-out: a group of commits is
// written to the log while the one before it still waits, and then waits itself.
func ageAt(ctx context.Context, conn *mysql.Conn, least time.Duration) (time.Duration, error) {
	timeout, err := conn.SemiSyncTimeout(ctx)
	if err != nil {
		return 0, err
	}
	if timeout > MostWait {
		return 0, fault.New(fault.Blocked, "SET GLOBAL rpl_semi_sync_source_timeout = 60000 (rpl_semi_sync_master_timeout before 8.0.26) until the snapshot is done, or turn GTIDs on",
			"semi-synchronous replication may hold a commit for %v before it is visible, and without GTIDs the snapshot has to wait for twice that (rule S11); %v is the most", timeout, MostWait)
	}
	return least + 2*timeout, nil
}

// awaitAge waits until a moment of the source's clock is age old.
func awaitAge(ctx context.Context, conn *mysql.Conn, since time.Time, age time.Duration) error {
	for {
		now, err := conn.Clock(ctx)
		if err != nil {
			return err
		}
		left := age - now.Sub(since)
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(left):
		}
	}
}

// base is what a generation is planned behind: B, and since when all of it was
// in the log.
type base struct {
	b     change.GTIDSet
	since time.Time
}

// base takes B, and waits until it is visible where only time tells (rule S11).
func (p *Planner) base(ctx context.Context, conn *mysql.Conn, byPosition bool) (*base, error) {
	b, err := executed(ctx, conn, byPosition)
	if err != nil || !byPosition {
		return &base{b: b}, err
	}
	since, err := p.awaitVisible(ctx, conn)
	return &base{b, since}, err
}

// awaitVisible waits until all that is in the log now is visible, and gives that
// now by the source's clock.
func (p *Planner) awaitVisible(ctx context.Context, conn *mysql.Conn) (since time.Time, err error) {
	if since, err = conn.Clock(ctx); err != nil {
		return since, err
	}
	age, err := ageAt(ctx, conn, p.cfg.Age)
	if err != nil {
		return since, err
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < age {
		return since, fault.New(fault.Config, "raise the plan function's timeout, in s.yaml",
			"the plan function has %s left, and without GTIDs it has to wait %s (rule S11)", time.Until(deadline).Round(time.Second), age)
	}
	p.cfg.Logger.Info("the source gives no GTIDs: waiting until what is in its binlog is visible for certain", "for", age)
	return since, awaitAge(ctx, conn, since, age)
}

// executed is what the source has executed. Without GTIDs it doesn't say: then
// it is all that its log holds, visible or not yet.
func executed(ctx context.Context, conn *mysql.Conn, byPosition bool) (change.GTIDSet, error) {
	if !byPosition {
		return conn.Executed(ctx)
	}
	set, _, err := conn.Logged(ctx)
	return set, err
}

// window is what a Watcher remembers of the last while where the source gives
// no GTIDs: boundaries, so that there is one that is old enough, and what may
// have changed tables' definitions behind the first of them.
type window struct {
	age        time.Duration
	boundaries []boundary // oldest first; all but the first are younger than age
	statements []mysql.Event
}

// boundary is how far had been read at a moment of our monotonic clock.
type boundary struct {
	time time.Time
	read change.GTIDSet
}

// grain is how many boundaries a window holds, and so how exact its age is.
const grain = 64

// pass notes that everything in read has been read by now.
func (w *window) pass(now time.Time, read change.GTIDSet) {
	if n := len(w.boundaries); n > 0 && now.Sub(w.boundaries[n-1].time) < w.age/grain {
		return
	}
	w.boundaries = append(w.boundaries, boundary{now, read.Clone()})
	old := 0
	for old+1 < len(w.boundaries) && now.Sub(w.boundaries[old+1].time) >= w.age {
		old++
	}
	w.boundaries = w.boundaries[old:]
	first := w.boundaries[0].read
	for len(w.statements) > 0 && first.Contains(w.statements[0].GTID) {
		w.statements = w.statements[1:]
	}
}

// old is the newest boundary that is old enough; ok is false before there is
// one.
func (w *window) old(now time.Time) (read change.GTIDSet, ok bool) {
	for _, b := range w.boundaries {
		if now.Sub(b.time) < w.age {
			break
		}
		read, ok = b.read, true
	}
	return read, ok
}

// saw takes a statement. Rows that were changed by one are the tail's to refuse.
func (w *window) saw(e mysql.Event) {
	if c := e.Query.Parsed.Class; c == mysql.ClassDDL || c == mysql.ClassUnknown {
		w.statements = append(w.statements, e)
	}
}

// last is the last transaction with a statement that may be about the table;
// zero if there is none in the window.
func (w *window) last(table change.TableName) (g change.GTID) {
	for _, e := range w.statements {
		if e.Query.Parsed.Class == mysql.ClassUnknown {
			g = e.GTID
		}
		for _, c := range e.Query.Parsed.Changes {
			if c.Touches(table.Database, table.Name) {
				g = e.GTID
			}
		}
	}
	return g
}
