// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/servertest"
	"slipway/shared/state"
)

// xa runs statements inside an XA transaction up to its PREPARE.
func xa(m *apptest.Migration, xid string, statements ...string) {
	m.T.Helper()
	m.Exec(fmt.Sprintf("XA START '%s'; %s; XA END '%[1]s'; XA PREPARE '%[1]s'", xid, strings.Join(statements, "; ")))
}

// Rule S5: rows of an XA transaction count at its COMMIT, under its GTID; until
// then they are in objects that the checkpoint names, whatever happens to the
// tail.
func TestS5XAIsDeliveredAtItsCommit(t *testing.T) {
	t.Parallel()
	// A server of its own: others wait for prepared transactions to end (rule S2).
	xaIsDeliveredAtItsCommit(t, apptest.On(t, servertest.StartMySQL(t), servertest.RocketMQ(t)))
}

func xaIsDeliveredAtItsCommit(t *testing.T, m *apptest.Migration) {
	m.Server.Needs(t, 80029, "prepared transactions that leave their session")
	m.Exec("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))", "CREATE TABLE big (id INT PRIMARY KEY, v LONGTEXT)",
		"INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
	tail := m.Tail(ready(m))
	a, b, c, d := m.Database+"a", m.Database+"b", m.Database+"c", m.Database+"d"
	xa(m, a, "UPDATE t SET v = 'xa' WHERE id = 1", "INSERT INTO t VALUES (10, 'xa')")
	xa(m, b, "DELETE FROM t WHERE id = 2")
	m.Exec("UPDATE t SET v = 'between' WHERE id = 3", "XA COMMIT '"+a+"'", "XA ROLLBACK '"+b+"'")
	m.Exec(fmt.Sprintf("XA START '%s'; UPDATE t SET id = 20 WHERE id = 10; DELETE FROM t WHERE id = 1; XA END '%[1]s'; XA COMMIT '%[1]s' ONE PHASE", c))

	// A prepared one outlives its tail, in several parts.
	xa(m, d, "INSERT INTO big SELECT i, REPEAT(CHAR(64 + i), 600000) FROM "+servertest.Numbers(1, 17, 1), "UPDATE t SET v = 'parts'")
	tail.Caught()
	tip := m.Tip()
	var parts int
	for xid, ref := range tip.XA {
		if !strings.Contains(xid, fmt.Sprintf("%x", d)) {
			t.Errorf("checkpoint %d still names %s", tip.N, xid)
			continue
		}
		var gtid string
		if _, err := fmt.Sscanf(ref, "%s %d", &gtid, &parts); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= parts; n++ {
			if _, err := m.Store.Get(t.Context(), m.State().XA(gtid, n)); err != nil {
				t.Errorf("part %d: %v", n, err)
			}
		}
	}
	if parts < 2 {
		t.Errorf("the rows are in %d parts: %v", parts, tip.XA)
	}
	tail.P.Die()
	if _, err := tail.Wait(); err == nil {
		t.Fatal("a dead tail ended well")
	}
	second := m.Tail(0)
	m.Exec("XA COMMIT '"+d+"'", "INSERT INTO t VALUES (30, 'end')")
	second.Check("t", "big")
	if tip := m.Tip(); len(tip.XA) > 0 {
		t.Errorf("checkpoint %d names %v, and nothing is prepared", tip.N, tip.XA)
	}
	servertest.Eventually(t, "the deletion of ended XA transactions' rows", 10*time.Second, func() bool {
		left := 0
		for _, err := range m.Store.List(t.Context(), m.Name+"/xa/", "") {
			m.Must(err)
			left++
		}
		return left == 0
	})

	// A COMMIT whose PREPARE nobody knows of can't be delivered: that stops the
	// tail.
	e := m.Database + "e"
	xa(m, e, "INSERT INTO t VALUES (40, 'unknown')")
	second.Caught()
	second.Stop()
	tip = m.Tip()
	tip.XA = nil
	m.Store = changed(m, m.State().Checkpoint(tip.N), tip)
	third := m.Tail(0)
	m.Exec("XA COMMIT '" + e + "'")
	fails(t, third, fault.PositionLost, "never seen")
}

// changed is a copy of the store with one object changed.
func changed(m *apptest.Migration, key string, to any) state.Store {
	m.T.Helper()
	other := state.NewMem()
	for k, err := range m.Store.List(m.T.Context(), m.Name+"/", "") {
		m.Must(err)
		body, err := m.Store.Get(m.T.Context(), k)
		m.Must(err)
		m.Must(other.Put(m.T.Context(), k, body))
	}
	m.Must(state.PutJSON(m.T.Context(), other, key, to))
	return other
}
