// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// Rules T1, S8: MySQL may be killed and its connections cut; what it no longer
// has, or never had, stops the tail with a remedy.
func TestT1ABadSource(t *testing.T) {
	t.Parallel()
	server := servertest.StartMySQL(t)
	m := apptest.On(t, server, servertest.RocketMQ(t), "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT i, 0 FROM "+servertest.Numbers(1, 5001, 1))
	m.DB.SetMaxIdleConns(0) // none outlives its server
	m.Tune.ChunkRows = 5000
	epoch := ready(m)

	tail := cutInTransactions(t, m, epoch)
	crashes(m, tail)

	// Another server at the address.
	file := m.YAML
	m.YAML = strings.Replace(file, server.Addr, servertest.MySQL(t).Addr, 1)
	fails(t, m.Tail(0), fault.PositionLost, "has not executed")
	m.YAML = file

	// What it needs was purged.
	m.Exec("UPDATE t SET v = v + 1", "FLUSH BINARY LOGS")
	purge(m)
	fails(t, m.Tail(0), fault.PositionLost, "purged", "new snapshot")

	// It was restored.
	reset(m)
	fails(t, m.Tail(0), fault.PositionLost, "has not executed", "restored")
}

// cutInTransactions starts a tail whose connection is killed in the middle of
// transactions.
func cutInTransactions(t *testing.T, m *apptest.Migration, epoch int64) *apptest.Tail {
	t.Helper()
	var events, kills atomic.Int64
	m.Tune.TailHooks.Event = func(e mysql.Event) {
		if e.Kind == mysql.Rows && events.Add(1)%8 == 4 && kills.Add(1) <= 3 {
			killDumps(t, m)
		}
	}
	tail := m.Tail(epoch)
	m.Exec("UPDATE t SET v = v + 1", "DELETE FROM t WHERE id > 4000", "UPDATE t SET v = v + 1")
	report := tail.Check("t")
	if kills.Load() < 3 || report.Copies > 0 {
		t.Errorf("%d kills, %s", kills.Load(), report.String())
	}
	return tail
}

// crashes has the server crash, and shut down, under a tail, which it stops.
func crashes(m *apptest.Migration, tail *apptest.Tail) {
	m.T.Helper()
	m.Exec("UPDATE t SET v = v + 1")
	m.Server.Kill9(m.T)
	m.Server.Restart(m.T)
	m.Exec("UPDATE t SET v = v + 1 WHERE id < 100")
	tail.Check("t")
	m.Server.Stop(m.T)
	m.Server.Restart(m.T)
	m.Exec("DELETE FROM t WHERE id < 10")
	tail.Check("t")
	tail.Stop()
}

// killDumps ends every binlog connection of the server.
func killDumps(t *testing.T, m *apptest.Migration) {
	rows, err := m.DB.QueryContext(t.Context(), "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
	if err != nil {
		t.Error(err)
		return
	}
	defer rows.Close()
	var kill []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Error(err)
		}
		kill = append(kill, s)
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	for _, s := range kill {
		if _, err := m.DB.ExecContext(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
}

// purge removes all binlogs but the last.
func purge(m *apptest.Migration) {
	m.T.Helper()
	m.Exec("PURGE BINARY LOGS TO '" + m.LogEnd().File + "'")
}

// reset has the server begin its log anew.
func reset(m *apptest.Migration) {
	m.T.Helper()
	if m.Server.VersionID(m.T) >= 80200 {
		m.Exec("RESET BINARY LOGS AND GTIDS")
	} else {
		m.Exec("RESET MASTER")
	}
}
