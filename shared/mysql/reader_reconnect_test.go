// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// Rule T1: a connection cut in the middle of a transaction is made anew, and
// every event is handed out once.
func TestT1EveryEventOnceAcrossReconnects(t *testing.T) {
	t.Parallel()
	everyEventOnceAcrossReconnects(t, servertest.MySQL(t))
}

func everyEventOnceAcrossReconnects(t *testing.T, server *servertest.MySQLServer) {
	fill := "INSERT INTO t SELECT i, REPEAT('x', 500) FROM " + servertest.Numbers(1, 5001, 1)
	for _, c := range []struct {
		name string
		run  []string
		cuts []int64 // rows after which the connection is cut
	}{
		{"plain", []string{fill, "UPDATE t SET v = 'y'", "DELETE FROM t"}, []int64{0, 100, 100, 2500, 4990, 7000, 12000}},
		{"compressed", []string{"SET SESSION binlog_transaction_compression = ON", fill, "UPDATE t SET v = 'y'", "DELETE FROM t"}, []int64{100, 7000}},
		{"XA", []string{"XA START 'NAME'", fill, "UPDATE t SET v = 'y'", "DELETE FROM t", "XA END 'NAME'", "XA PREPARE 'NAME'", "XA COMMIT 'NAME'"}, []int64{0, 100, 9000}},
		{"DDL and rows at once", []string{"INSERT INTO t VALUES (1, 'a')", "ALTER TABLE t ADD c INT", "UPDATE t SET c = 1", "CREATE TABLE u (id INT PRIMARY KEY) SELECT 1 AS id", "DROP TABLE t, u"}, []int64{1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			needs(t, c.name)
			if strings.HasPrefix(c.name, "DDL") {
				server.NeedsFullMetadata(t) // the reader's definitions are of the end
			}
			s := newSource(t, server, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(500))")
			for i := range c.run {
				c.run[i] = strings.ReplaceAll(c.run[i], "NAME", s.name)
			}
			s.exec(t, c.run...)
			whole, err := s.read(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			var rows int64
			cuts := c.cuts
			w := newWire(t, server.Addr)
			s.cfg.Source.Addr = w.lis.Addr().String()
			again, err := s.read(t, func(e mysql.Event) {
				if len(cuts) > 0 && rows >= cuts[0] && e.Kind != mysql.Idle {
					cuts = cuts[1:]
					w.cut()
				}
				rows += int64(len(e.Rows))
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(cuts) > 0 {
				t.Fatalf("cuts at %v did not happen", cuts)
			}
			if a, b := flat(whole), flat(again); a != b {
				t.Errorf("with %d cuts other events than without: %d bytes, %d bytes", len(c.cuts), len(a), len(b))
			}
		})
	}
}

// wire is a connection to a server that can be cut.
type wire struct {
	lis    net.Listener
	mu     sync.Mutex
	opened []net.Conn
}

func newWire(t testing.TB, addr string) *wire {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{lis: lis}
	var pumps sync.WaitGroup
	pump := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // ends when either is cut
		_, _ = to.Close(), from.Close()
	}
	pumps.Go(func() {
		for {
			in, err := lis.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
			if err != nil {
				_ = in.Close()
				continue
			}
			w.mu.Lock()
			w.opened = append(w.opened, in, out)
			w.mu.Unlock()
			pumps.Go(func() { pump(in, out) })
			pumps.Go(func() { pump(out, in) })
		}
	})
	t.Cleanup(func() { _ = lis.Close(); w.cut(); pumps.Wait() })
	return w
}

// cut breaks all connections; new ones can be made.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.opened {
		_ = c.Close()
	}
	w.opened = nil
}

// flat writes events row by row, however they were cut into events.
func flat(events []mysql.Event) string {
	var b strings.Builder
	begun := change.GTID{}
	for _, e := range events {
		if e.Kind == mysql.Begin {
			if e.GTID == begun {
				continue // nothing of it had been handed out but its Begin
			}
			begun = e.GTID
		}
		if e.Kind == mysql.XAStart && strings.HasSuffix(b.String(), "xa\n") {
			continue
		}
		if e.Kind != mysql.Rows {
			fmt.Fprintf(&b, "%s %s\n", e.GTID, outline([]mysql.Event{e}))
		}
		for _, r := range e.Rows {
			fmt.Fprintf(&b, "%s %s %v %v\n", e.Table, e.Op, r.Before, r.After)
		}
	}
	return b.String()
}
