// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// source is a database on a server, and who reads its binlog.
type source struct {
	*servertest.MySQLServer
	name string
	db   *sql.DB
	cfg  mysql.ReaderConfig
}

// selected are all tables of a database, as they are now.
type selected struct {
	t        testing.TB
	cfg      mysql.Config
	database string
}

func (s selected) Selected(database, _ string) bool { return database == s.database }

func (s selected) Candidates(database, table string) (*change.Table, []*change.Table) {
	c, err := mysql.Connect(context.WithoutCancel(s.t.Context()), s.cfg)
	if err != nil {
		s.t.Error(err)
		return nil, nil
	}
	defer c.Close()
	t, err := mysql.LoadTable(s.t.Context(), c, database, table)
	if err != nil {
		return nil, nil // dropped meanwhile: the table map says all
	}
	return t, nil
}

func (selected) Contradicted(_, _ string, err error) error { return err }

// newSource makes a database and a reader that starts behind its statements.
func newSource(t *testing.T, server *servertest.MySQLServer, statements ...string) *source {
	t.Helper()
	s := &source{MySQLServer: server, name: server.Database(t)}
	s.db = server.DatabaseDB(t, s.name)
	s.exec(t, statements...)
	cfg := configOf(t, server)
	s.cfg = mysql.ReaderConfig{
		Source: cfg, ServerID: rand.Uint32() | 1<<31, Heartbeat: 100 * time.Millisecond, Patience: time.Minute,
		Tables: selected{t, cfg, s.name}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	s.cfg.From = s.executed(t)
	return s
}

func (s *source) executed(t testing.TB) change.GTIDSet {
	t.Helper()
	c, err := mysql.Connect(t.Context(), s.cfg.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	gtids, err := c.HasGTIDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set change.GTIDSet
	if gtids {
		set, err = c.Executed(t.Context())
	} else {
		set, _, err = c.Logged(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// exec runs statements in one session.
func (s *source) exec(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := s.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A session with settings of its own ends with the test's statements.
	defer conn.Raw(func(any) error { return driver.ErrInvalidConn }) //nolint:errcheck // that is its purpose
	for _, q := range statements {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// read gives the events of this database's transactions up to now: those of
// transactions with no row or statement of it are left out.
func (s *source) read(t testing.TB, each func(mysql.Event)) ([]mysql.Event, error) {
	t.Helper()
	target := s.executed(t)
	var all, tx []mysql.Event
	mine := false
	done := errors.New("all read")
	seen := s.cfg.From.Clone()
	err := mysql.NewReader(s.cfg).Run(t.Context(), func(e mysql.Event) error {
		if each != nil {
			each(e)
		}
		e.Extend(&seen)
		if e.Kind == mysql.Idle {
			if seen.Covers(target) {
				return done
			}
			return nil
		}
		if e.Kind == mysql.Begin {
			tx, mine = nil, false
		}
		tx = append(tx, e)
		mine = mine || e.Kind == mysql.Rows || e.Kind == mysql.Statement && e.Query.Database == s.name || strings.HasPrefix(e.XID, "x'"+hexOf(s.name))
		if !e.Kind.IsEnd() {
			return nil
		}
		if mine {
			all = append(all, tx...)
		}
		if seen.Covers(target) {
			return done
		}
		return nil
	})
	if errors.Is(err, done) {
		err = nil
	}
	return all, err
}

func hexOf(s string) string { return fmt.Sprintf("%x", s) }

// outline writes events as words: "begin rows:t:INSERT:2 commit".
func outline(events []mysql.Event) string {
	var out []string
	for _, e := range events {
		switch e.Kind {
		case mysql.Begin:
			out = append(out, "begin")
		case mysql.XAStart:
			out = append(out, "xa")
		case mysql.Rows:
			w := fmt.Sprintf("%s:%s:%d", e.Table.Name, strings.ToLower(e.Op.String()), len(e.Rows))
			out = append(out, w)
		case mysql.Statement:
			out = append(out, "sql")
		case mysql.Commit:
			out = append(out, "commit")
		case mysql.Prepare:
			out = append(out, "prepare")
		case mysql.XACommit:
			out = append(out, "xacommit")
		case mysql.XARollback:
			out = append(out, "xarollback")
		}
	}
	return strings.Join(out, " ")
}

// Rule T4: what a session may do to its binlog, transaction by transaction, on
// a real server.
func TestT4TransactionsAsTheyAreLogged(t *testing.T) {
	t.Parallel()
	transactionsAsTheyAreLogged(t, servertest.MySQL(t))
}

func transactionsAsTheyAreLogged(t *testing.T, server *servertest.MySQLServer) {
	const (
		inno   = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))"
		myisam = "CREATE TABLE m (id INT PRIMARY KEY, v VARCHAR(100)) ENGINE=MyISAM"
	)
	for _, c := range []struct {
		name   string
		tables []string
		run    []string
		want   string
	}{
		{
			"a transaction",
			[]string{inno},
			[]string{"BEGIN", "INSERT INTO t VALUES (1,'a'),(2,'b')", "UPDATE t SET v='x'", "DELETE FROM t", "COMMIT"},
			"begin t:insert:2 t:update:2 t:delete:2 commit",
		},
		{
			"rolled back",
			[]string{inno},
			[]string{"BEGIN", "INSERT INTO t VALUES (1,'a')", "ROLLBACK", "INSERT INTO t VALUES (2,'b')"},
			"begin t:insert:1 commit",
		},
		{
			"savepoints",
			[]string{inno},
			[]string{"BEGIN", "INSERT INTO t VALUES (1,'a')", "SAVEPOINT `begin`", "INSERT INTO t VALUES (2,'b')", "ROLLBACK TO `begin`", "RELEASE SAVEPOINT `begin`", "INSERT INTO t VALUES (3,'c')", "COMMIT"},
			"begin t:insert:1 t:insert:1 commit",
		},
		{
			"MyISAM",
			[]string{myisam},
			[]string{"INSERT INTO m VALUES (1,'a'),(2,'b')", "UPDATE m SET v='x'", "DELETE FROM m"},
			"begin m:insert:2 commit begin m:update:2 commit begin m:delete:2 commit",
		},
		{
			"REPLACE and ON DUPLICATE KEY",
			[]string{inno, "INSERT INTO t VALUES (1,'a')"},
			[]string{"REPLACE INTO t VALUES (1,'b')", "INSERT INTO t VALUES (1,'c') ON DUPLICATE KEY UPDATE v='d'"},
			"begin t:update:1 commit begin t:update:1 commit",
		},
		{
			"a trigger",
			[]string{inno, "CREATE TABLE u (id INT PRIMARY KEY)", "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW INSERT INTO u VALUES (NEW.id)"},
			[]string{"INSERT INTO t VALUES (1,'a'),(2,'b')"},
			"begin t:insert:1 u:insert:1 t:insert:1 u:insert:1 commit",
		},
		{
			"compressed",
			[]string{inno},
			[]string{"SET SESSION binlog_transaction_compression = ON", "BEGIN", "INSERT INTO t VALUES (1,REPEAT('a',100)),(2,REPEAT('a',100))", "UPDATE t SET v=REPEAT('b',100)", "COMMIT"},
			"begin t:insert:2 t:update:2 commit",
		},
		{
			"DDL", nil,
			[]string{inno, "ALTER TABLE t ADD c INT", "DROP TABLE t"},
			"begin sql commit begin sql commit begin sql commit",
		},
		{
			"CREATE TABLE AS SELECT",
			[]string{inno, "INSERT INTO t VALUES (1,'a'),(2,'b')"},
			[]string{"CREATE TABLE u AS SELECT * FROM t"},
			"begin sql u:insert:2 commit",
		},
		{
			"a temporary table",
			[]string{inno},
			[]string{"CREATE TEMPORARY TABLE x SELECT 1 AS id", "INSERT INTO t SELECT id, 'a' FROM x", "DROP TEMPORARY TABLE x"},
			"begin t:insert:1 commit",
		},
		{
			"a statement",
			[]string{inno},
			[]string{"SET SESSION binlog_format = STATEMENT", "INSERT INTO t VALUES (1,'a')"},
			"begin sql commit",
		},
		{
			"LOAD DATA as a statement",
			[]string{inno},
			[]string{"SET SESSION binlog_format = STATEMENT", "LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE t"},
			"begin sql commit",
		},
		{
			"LOAD DATA",
			[]string{inno},
			[]string{"LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE t"},
			"begin t:insert:2 commit",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			needs(t, c.name)
			if strings.Contains(c.name, "LOAD") {
				server.Exec(t, "SET GLOBAL local_infile = ON")
			}
			s := newSource(t, server, c.tables...)
			driver.RegisterReaderHandler("rows", func() io.Reader { return strings.NewReader("1\ta\n2\tb\n") })
			s.exec(t, c.run...)
			events, err := s.read(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(events); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, e := range events {
				if e.Kind == mysql.Statement && strings.HasSuffix(c.name, "statement") {
					if e.Query.Parsed.Class != mysql.ClassDML || !e.Query.Parsed.Changes[0].Touches(s.name, "t") {
						t.Errorf("%s is understood as %+v", e.Query.SQL, e.Query.Parsed)
					}
				}
			}
		})
	}
}

// Rule S5: rows of an XA transaction come at its PREPARE, and the COMMIT, the
// ROLLBACK and ONE PHASE say what becomes of them.
func TestS5XAAsItIsLogged(t *testing.T) {
	t.Parallel()
	xaAsItIsLogged(t, servertest.MySQL(t))
}

func xaAsItIsLogged(t *testing.T, server *servertest.MySQLServer) {
	for _, c := range []struct{ name, end, want string }{
		{"committed", "XA PREPARE %[1]s; XA COMMIT %[1]s", "begin xa t:insert:2 prepare begin xacommit"},
		{"rolled back", "XA PREPARE %[1]s; XA ROLLBACK %[1]s", "begin xa t:insert:2 prepare begin xarollback"},
		{"one phase", "XA COMMIT %[1]s ONE PHASE", "begin xa t:insert:2 commit"},
		{"never prepared", "XA ROLLBACK %[1]s", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSource(t, server, "CREATE TABLE t (id INT PRIMARY KEY)")
			xid := fmt.Sprintf("'%s','b''q',7", s.name)
			s.exec(t, append([]string{"XA START " + xid, "INSERT INTO t VALUES (1),(2)", "XA END " + xid}, strings.Split(fmt.Sprintf(c.end, xid), "; ")...)...)
			events, err := s.read(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(events); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, e := range events {
				want := fmt.Sprintf("x'%s',x'622771',7", hexOf(s.name))
				if (e.Kind == mysql.Prepare || e.Kind == mysql.XACommit || e.Kind == mysql.XARollback) && e.XID != want {
					t.Errorf("xid %s, want %s", e.XID, want)
				}
			}
		})
	}
}

// Rule T4: a row that isn't whole is refused with the setting that mends it; on
// a table nobody selected it doesn't matter.
func TestT4PartialRowsAreRefused(t *testing.T) {
	t.Parallel()
	server := servertest.MySQL(t)
	for _, c := range []struct{ name, set, update, remedy string }{
		{"JSON", "SET SESSION binlog_row_value_options = PARTIAL_JSON", `UPDATE t SET j = JSON_SET(j, '$.b', 3)`, "binlog_row_value_options"},
		{"MINIMAL", "SET SESSION binlog_row_image = MINIMAL", "UPDATE t SET a = 3", "binlog_row_image = FULL"},
		{"NOBLOB", "SET SESSION binlog_row_image = NOBLOB", "UPDATE t SET a = 3", "binlog_row_image = FULL"},
		{"a DELETE", "SET SESSION binlog_row_image = MINIMAL", "DELETE FROM t", "binlog_row_image = FULL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			needs(t, c.set)
			s := newSource(t, server, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT, j JSON)", `INSERT INTO t VALUES (1, 2, 'x', '{"a": "xxxxxxxxxxxxxxxxxxxx", "b": 2}')`)
			s.exec(t, c.set, c.update)
			_, err := s.read(t, nil)
			if fault.ClassOf(err) != fault.UnreadableEvent || !strings.Contains(err.Error(), c.remedy) {
				t.Errorf("got %v", err)
			}
			s.cfg.Tables = selected{t, s.cfg.Source, "elsewhere"}
			if _, err := s.read(t, nil); err != nil {
				t.Errorf("another database's: %v", err)
			}
		})
	}
}

// Rule T5: a statement is read by its session's charset, database and sql_mode.
func TestT5StatementsAreReadByTheirSession(t *testing.T) {
	t.Parallel()
	s := newSource(t, servertest.MySQL(t))
	s.exec(t, "SET NAMES latin1", "CREATE TABLE `t\xe9` (id INT COMMENT 'caf\xe9')",
		"SET NAMES gbk", "CREATE TABLE `\xd6\xd0\xb1\x5c` (id INT)",
		"SET NAMES utf8mb4", "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", `CREATE TABLE "a ""b" (id INT COMMENT '\')`)
	events, err := s.read(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		if e.Kind == mysql.Statement {
			if e.Query.Parsed.Class != mysql.ClassDDL {
				t.Fatalf("%q: class %d", e.Query.SQL, e.Query.Parsed.Class)
			}
			got = append(got, e.Query.Parsed.Changes[0].Name)
		}
	}
	if want := "té|中盶|a \"b"; strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}
