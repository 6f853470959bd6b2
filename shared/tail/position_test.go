// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"strings"
	"testing"
	"time"

	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/servertest"
)

// byPosition is a migration off a server that gives no GTIDs, whose positions
// are old enough after half a second.
func byPosition(t *testing.T, statements ...string) *apptest.Migration {
	t.Helper()
	server := servertest.StartMySQL(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
	m := apptest.On(t, server, servertest.RocketMQ(t), statements...)
	m.Tune.Age = time.Second / 2
	m.DB.SetMaxIdleConns(0) // none outlives its server
	return m
}

// Rule S11: what holds for positions by GTID holds for those by file and
// offset, too.
func TestS11DiesAtEveryStep(t *testing.T) { t.Parallel(); diesAtEveryStep(t, byPosition(t)) }

func TestS11DiesInsideABigTransaction(t *testing.T) {
	t.Parallel()
	diesInsideABigTransaction(t, byPosition(t))
}

func TestS11XAIsDeliveredAtItsCommit(t *testing.T) {
	t.Parallel()
	xaIsDeliveredAtItsCommit(t, byPosition(t))
}

// Rules S11, T1: MySQL may be killed, its connections cut, its log rotated and
// purged up to the position; another log in the place of the one that was read
// stops the tail with a remedy.
func TestS11ABadSource(t *testing.T) {
	t.Parallel()
	m := byPosition(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT i, 0 FROM "+servertest.Numbers(1, 5001, 1))
	server := m.Server
	m.Tune.ChunkRows = 5000
	epoch := ready(m)

	tail := cutInTransactions(t, m, epoch)

	// The log rotates, and what was read is purged: a tail at rest follows.
	for range 3 {
		m.Exec("FLUSH BINARY LOGS")
	}
	tail.Caught()
	purge(m)
	tail.Stop()
	tail = m.Tail(0)
	m.Exec("UPDATE t SET v = v + 1 WHERE id < 50")
	tail.Check("t")

	crashes(m, tail)

	// Another server at the address, with GTIDs or without.
	file := m.YAML
	m.YAML = strings.Replace(file, server.Addr, servertest.MySQL(t).Addr, 1)
	fails(t, m.Tail(0), fault.PositionLost, "is server", "point the task at the server")
	m.YAML = file

	// Its files have another name.
	server.Restart(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF", "--log-bin=other")
	for range 12 { // a file of the number there is, too
		m.Exec("FLUSH BINARY LOGS")
	}
	fails(t, m.Tail(0), fault.PositionLost, "named like other.", "log_bin")
	server.Restart(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
	tail = m.Tail(0)
	m.Exec("DELETE FROM t WHERE id < 20")
	tail.Check("t")
	tail.Stop()

	// What it needs was purged.
	m.Exec("UPDATE t SET v = v + 1", "FLUSH BINARY LOGS")
	purge(m)
	fails(t, m.Tail(0), fault.PositionLost, "purged", "new snapshot")

	// The log was reset.
	reset(m)
	fails(t, m.Tail(0), fault.PositionLost, "the log was reset")
}

// Rule S11: a log that was reset and has grown past the position again has a
// file of the same name, begun at another time.
func TestS11ALogThatWasResetAndGrewAgain(t *testing.T) {
	t.Parallel()
	m := byPosition(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)")
	tail := m.Tail(ready(m))
	m.Exec("UPDATE t SET v = v + 1", "FLUSH BINARY LOGS") // its place is where a file's events begin
	tail.Check("t")
	tail.Stop()
	at := m.Tip().Committed
	if at.FileBegun == 0 {
		t.Fatalf("the position is %+v", at)
	}
	reset(m)
	for m.LogEnd().File < at.File {
		m.Exec("FLUSH BINARY LOGS")
	}
	m.Exec("UPDATE t SET v = v + 1")
	fails(t, m.Tail(0), fault.PositionLost, at.File+" of source", "is not the file", "new snapshot")
}
