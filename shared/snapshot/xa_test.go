// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"testing"

	"slipway/shared/app"
	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/servertest"
)

// xaBranch is an XA transaction on connections of its own: a prepared one is
// detached from its session by ending that.
type xaBranch struct {
	m   *apptest.Migration
	xid string
}

func prepareXA(m *apptest.Migration, xid string, statements ...string) xaBranch {
	m.T.Helper()
	xid = fmt.Sprintf("'%s-%s'", m.Database, xid)
	all := append([]string{"XA START " + xid}, statements...)
	all = append(all, "XA END "+xid, "XA PREPARE "+xid)
	oneSession(m, all...)
	return xaBranch{m, xid}
}

func (x xaBranch) commit()   { oneSession(x.m, "XA COMMIT "+x.xid) }
func (x xaBranch) rollback() { oneSession(x.m, "XA ROLLBACK "+x.xid) }

// oneSession runs statements on one connection and closes it.
func oneSession(m *apptest.Migration, statements ...string) {
	m.T.Helper()
	conn, err := m.DB.Conn(m.T.Context())
	if err != nil {
		m.T.Error(err)
		return
	}
	defer conn.Raw(func(any) error { return driver.ErrBadConn }) //nolint:errcheck // makes the pool close it: before 8.0.29 its prepared transactions are nobody else's
	for _, s := range statements {
		if _, err := conn.ExecContext(context.WithoutCancel(m.T.Context()), s); err != nil {
			m.T.Errorf("%s: %v", s, err)
		}
	}
}

// XA RECOVER is the server's, not a database's: these tests have their own.
func withXA(t *testing.T) *apptest.Migration {
	t.Helper()
	k := keyTables()[0]
	m := apptest.On(t, servertest.StartMySQL(t), servertest.RocketMQ(t), integers, k.fill(), "ANALYZE TABLE t")
	m.Tune.ChunkRows = 200
	return m
}

// XA transactions around the plan, all on one server of their own.
func TestS5XAAndThePlan(t *testing.T) {
	t.Parallel()
	k := keyTables()[0]
	m := withXA(t)

	// Prepared before P0 and committed between P0 and XA RECOVER: its rows are in
	// no event after P0, and in every chunk (rules S2, S5).
	early := prepareXA(m, "early", k.insert(401, "xa"), k.update(402, "xa"), k.remove(404), k.insert(5001, "above"))
	m.Tune.PlanHooks.P0 = func() { early.commit() }
	m.Plan()
	m.Tune.PlanHooks.P0 = nil

	// Prepared before a chunk's L and committed in its window: the chunk can't know
	// the rows and is read again. Prepared and committed in the window; prepared
	// in it and committed in the next chunk's; rolled back; committed by the tail.
	before := prepareXA(m, "before", k.insert(411, "xa"), k.update(412, "xa"), k.remove(414), k.move(416, 417), k.move(418, 19))
	dropped := prepareXA(m, "dropped", k.insert(421, "never"), k.remove(422))
	late := prepareXA(m, "late", k.insert(431, "late"), k.update(432, "late"), k.remove(434), k.update(32, "late"), k.update(932, "late"))
	reads := 0
	var across xaBranch
	m.Tune.SnapshotHooks.Kept = func(chunk string) {
		if chunk == "1" {
			reads++
		}
	}
	m.Tune.SnapshotHooks.View = once("1", func() {
		before.commit()
		prepareXA(m, "inside", k.insert(441, "xa"), k.update(442, "xa"), k.remove(444), k.move(446, 7)).commit()
		across = prepareXA(m, "across", k.insert(451, "xa"), k.update(452, "xa"), k.update(952, "xa"), k.remove(954))
		oneSession(m, "XA START 'one'", k.insert(461, "one phase"), k.update(462, "one phase"), k.remove(464), "XA END 'one'", "XA COMMIT 'one' ONE PHASE")
		dropped.rollback()
	})
	m.Tune.SnapshotHooks.End = once("2", func() { across.commit() })
	m.Snapshot()
	if reads < 2 {
		t.Errorf("the chunk was read %d times; an XA transaction it could not know was committed in it", reads)
	}
	late.commit()
	tail := m.Tail(m.Settle())
	tail.Check("t")
	tail.Stop()

	// One that stays prepared: planning another task waits, then names it.
	open := prepareXA(m, "open", k.insert(471, "open"))
	other := *m
	other.Name += "-2"
	other.YAML = "name: " + other.Name + m.YAML[len("name: "+m.Name):]
	other.Tune.XAWait = 1
	_, err := other.Process().Plan(t.Context(), app.PlanInput{Task: other.Name})
	if fault.ClassOf(err) != fault.Blocked {
		t.Errorf("planning beside a prepared XA transaction: %v, want Blocked", err)
	}
	open.rollback()
}
