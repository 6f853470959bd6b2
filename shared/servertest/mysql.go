// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"slipway/shared/servertest/server"
)

// MySQLServer is a MySQL that a test may use: the shared one, or one of its own.
type MySQLServer struct {
	// Addr is host:port.
	Addr string
	// DSN is go-sql-driver's address of the server as root, without a database; it ends in "/".
	DSN string
	// CAFile is the authority to trust of a server that speaks nothing but TLS; else "".
	CAFile string

	private *server.MySQL // nil for the shared server
}

// Lacking begins what is said of a test that is skipped for the kind of source it got: the one reason to skip a test where
// all are required to run.
const Lacking = "this MySQL lacks "

// MySQL returns the shared server.
func MySQL(t testing.TB) *MySQLServer {
	t.Helper()
	dsn := Variable(t, "SLIPWAY_TEST_MYSQL_DSN")
	config, err := mysql.ParseDSN(dsn)
	check(t, "SLIPWAY_TEST_MYSQL_DSN", err)
	return &MySQLServer{Addr: config.Addr, DSN: dsn, CAFile: os.Getenv("SLIPWAY_TEST_MYSQL_CA")}
}

// StartMySQL starts a server of the test's own, which ends with it: of the version in SLIPWAY_TEST_MYSQL_VERSION, else
// the one fetched last from Debian; with TLS if the shared one has it. The flags are added to mysqld's command line and
// win over those in SLIPWAY_TEST_MYSQL_FLAGS and the usual ones: GTIDs on, row binlog with full images and metadata.
func StartMySQL(t testing.TB, flags ...string) *MySQLServer {
	t.Helper()
	return StartMySQLVersion(t, os.Getenv("SLIPWAY_TEST_MYSQL_VERSION"), flags...)
}

// StartMySQLVersion is [StartMySQL] for one of [server.MySQLVersions].
func StartMySQLVersion(t testing.TB, version string, flags ...string) *MySQLServer {
	t.Helper()
	skipShort(t)
	cache, err := server.OpenCache()
	check(t, "open the cache of servers", err)
	dist, err := cache.MySQL(version)
	if err != nil {
		Absent(t, err.Error())
	}
	dir := privateDir(t, "mysql")
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	m, err := dist.Start(ctx, server.MySQLOptions{Dir: dir, Flags: withShared(flags), TLS: os.Getenv("SLIPWAY_TEST_MYSQL_CA") != ""})
	check(t, "start a MySQL", err)
	// Nothing of a private server is needed after the test: no reason to let it write its pages back.
	t.Cleanup(func() { check(t, "end the private MySQL", m.Kill()) })
	return &MySQLServer{Addr: m.Addr, DSN: m.DSN, CAFile: m.CAFile, private: m}
}

// withShared adds a test's flags to those that every server of this run has.
func withShared(flags []string) []string {
	return append(strings.Fields(os.Getenv("SLIPWAY_TEST_MYSQL_FLAGS")), flags...)
}

// TLS is how to connect to the server: nil for one without.
func (s *MySQLServer) TLS(t testing.TB) *tls.Config {
	t.Helper()
	config, err := server.MySQLTLS(s.Addr, s.CAFile)
	check(t, "read the authority of MySQL", err)
	return config
}

// DB opens a connection pool as root, closed when the test ends. Times are parsed, several statements per call allowed.
func (s *MySQLServer) DB(t testing.TB) *sql.DB {
	t.Helper()
	return s.open(t, "")
}

// DatabaseDB is [MySQLServer.DB] with a default database.
func (s *MySQLServer) DatabaseDB(t testing.TB, database string) *sql.DB {
	t.Helper()
	return s.open(t, database)
}

func (s *MySQLServer) open(t testing.TB, database string) *sql.DB {
	t.Helper()
	db, err := server.OpenMySQL(s.DSN, s.CAFile, func(c *mysql.Config) {
		c.DBName, c.ParseTime, c.MultiStatements = database, true, true
	})
	check(t, "prepare to connect to MySQL", err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Database creates a database with a name of its own, dropped when the test ends, and returns the name.
func (s *MySQLServer) Database(t testing.TB) string {
	t.Helper()
	name := uniqueName("t")
	s.Exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if s.private != nil {
			return // it goes with its server
		}
		db, err := server.OpenMySQL(s.DSN, s.CAFile, nil)
		check(t, "prepare to connect to MySQL", err)
		defer db.Close()
		_, err = db.ExecContext(context.Background(), "DROP DATABASE IF EXISTS "+name)
		check(t, "drop the test's database", err)
	})
	return name
}

// Exec runs statements as root, one after the other on one connection.
func (s *MySQLServer) Exec(t testing.TB, statements ...string) {
	t.Helper()
	db := s.open(t, "")
	defer db.Close()
	conn, err := db.Conn(t.Context())
	check(t, "connect to MySQL", err)
	defer conn.Close()
	for _, statement := range statements {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Version is what the server calls itself, such as 8.0.31.
func (s *MySQLServer) Version(t testing.TB) string {
	t.Helper()
	db := s.open(t, "")
	defer db.Close()
	var version string
	check(t, "ask for the version", db.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
	return version
}

// VersionID is the server's version as MySQL counts: 80031 for 8.0.31.
func (s *MySQLServer) VersionID(t testing.TB) (id int) {
	t.Helper()
	number, _, _ := strings.Cut(s.Version(t), "-")
	for part := range strings.SplitSeq(number, ".") {
		n, err := strconv.Atoi(part)
		check(t, "read the version "+number, err)
		id = 100*id + n
	}
	return id
}

// Needs skips a test about what servers before a version (see [MySQLServer.VersionID]) don't have.
func (s *MySQLServer) Needs(t testing.TB, id int, what string) {
	t.Helper()
	if s.VersionID(t) < id {
		t.Skip(Lacking + what + ": it is " + s.Version(t))
	}
}

// Knows tells whether the server's version has all the words of a statement or a part of one.
func (s *MySQLServer) Knows(t testing.TB, statement string) bool {
	t.Helper()
	return s.VersionID(t) >= wordsSince(statement)
}

// NeedsTo skips a test whose statement the server doesn't know.
func (s *MySQLServer) NeedsTo(t testing.TB, statement string) {
	t.Helper()
	s.Needs(t, wordsSince(statement), statement)
}

// wordsSince is the version that brought the newest word of a statement; 0 when all have them.
func wordsSince(statement string) (id int) {
	for word, since := range map[string]int{"utf8mb4_0900": 80001, "INVISIBLE": 80023} {
		if strings.Contains(statement, word) {
			id = max(id, since)
		}
	}
	return id
}

// NeedsFullMetadata skips a test about what table maps say with binlog_row_metadata=FULL.
func (s *MySQLServer) NeedsFullMetadata(t testing.TB) {
	t.Helper()
	var name, value string
	err := s.DB(t).QueryRowContext(t.Context(), "SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) || value == "MINIMAL" {
		t.Skip(Lacking + "full row metadata")
	}
	check(t, "ask for the row metadata", err)
}

// Pid is the process of a private server.
func (s *MySQLServer) Pid(t testing.TB) int { t.Helper(); return s.own(t).Pid() }

// Stop shuts a private server down in order.
func (s *MySQLServer) Stop(t testing.TB) { t.Helper(); check(t, "stop MySQL", s.own(t).Stop()) }

// Kill9 ends a private server as a crash would.
func (s *MySQLServer) Kill9(t testing.TB) { t.Helper(); check(t, "kill MySQL", s.own(t).Kill()) }

// Restart starts a private server again, stopping it first if it runs, on the same port and data. Flags replace those
// it was started with; without any it keeps them.
func (s *MySQLServer) Restart(t testing.TB, flags ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if len(flags) > 0 {
		flags = withShared(flags)
	}
	check(t, "restart MySQL", s.own(t).Restart(ctx, flags...))
}

func (s *MySQLServer) own(t testing.TB) *server.MySQL {
	t.Helper()
	if s.private == nil {
		t.Fatal("the shared MySQL is not a test's to stop: use StartMySQL")
	}
	return s.private
}
