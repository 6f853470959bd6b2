// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"database/sql"
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

	private *server.MySQL // nil for the shared server
}

// NotInMySQL begins what [MySQLServer.Needs] says of a test it skips.
const NotInMySQL = "not in MySQL "

// MySQL returns the shared server.
func MySQL(t testing.TB) *MySQLServer {
	t.Helper()
	dsn := Variable(t, "SLIPWAY_TEST_MYSQL_DSN")
	config, err := mysql.ParseDSN(dsn)
	check(t, "SLIPWAY_TEST_MYSQL_DSN", err)
	return &MySQLServer{Addr: config.Addr, DSN: dsn}
}

// StartMySQL starts a server of the test's own, which ends with it: of the version in SLIPWAY_TEST_MYSQL_VERSION, else
// the one fetched last from Debian. The flags are added to mysqld's command line and win over the usual ones: GTIDs on,
// row binlog with full images and metadata.
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
	m, err := dist.Start(ctx, server.MySQLOptions{Dir: dir, Flags: flags})
	check(t, "start a MySQL", err)
	// Nothing of a private server is needed after the test: no reason to let it write its pages back.
	t.Cleanup(func() { check(t, "end the private MySQL", m.Kill()) })
	return &MySQLServer{Addr: m.Addr, DSN: m.DSN, private: m}
}

// EachMySQL runs a test on a server of every version: the shared one and, of the versions that isn't, private ones with
// the given flags. A run that was told a version by SLIPWAY_TEST_MYSQL_VERSION stays with the shared one.
func EachMySQL(t *testing.T, flags []string, test func(t *testing.T, s *MySQLServer)) {
	t.Helper()
	shared := MySQL(t)
	current := shared.Version(t)
	t.Run(current, func(t *testing.T) { test(t, shared) })
	if os.Getenv("SLIPWAY_TEST_MYSQL_VERSION") != "" {
		return
	}
	for _, version := range server.MySQLVersions() {
		if version != "" && !strings.HasPrefix(current, version) {
			t.Run(version, func(t *testing.T) { test(t, StartMySQLVersion(t, version, flags...)) })
		}
	}
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
	config, err := mysql.ParseDSN(s.DSN)
	check(t, "parse the address of MySQL", err)
	config.DBName, config.ParseTime, config.MultiStatements = database, true, true
	connector, err := mysql.NewConnector(config)
	check(t, "prepare to connect to MySQL", err)
	db := sql.OpenDB(connector)
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
		db, err := sql.Open("mysql", s.DSN)
		check(t, "open MySQL", err)
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

// Needs skips a test about what servers before a version (see [MySQLServer.VersionID]) don't have. It is the one reason to
// skip a test where all are required to run.
func (s *MySQLServer) Needs(t testing.TB, id int, what string) {
	t.Helper()
	if s.VersionID(t) < id {
		t.Skip(NotInMySQL + s.Version(t) + ": " + what)
	}
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
	check(t, "restart MySQL", s.own(t).Restart(ctx, flags...))
}

func (s *MySQLServer) own(t testing.TB) *server.MySQL {
	t.Helper()
	if s.private == nil {
		t.Fatal("the shared MySQL is not a test's to stop: use StartMySQL")
	}
	return s.private
}
