// SPDX-License-Identifier: Apache-2.0

package servertest_test

import (
	"database/sql"
	"os"
	"strconv"
	"strings"
	"testing"

	"slipway/shared/servertest"
	"slipway/shared/servertest/server"
)

// variables reads server variables as text.
func variables(t *testing.T, db *sql.DB, names ...string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, name := range names {
		var v string
		if err := db.QueryRowContext(t.Context(), "SELECT @@global."+name).Scan(&v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		values[name] = v
	}
	return values
}

func TestSharedMySQLIsAsASourceHasToBe(t *testing.T) {
	s := servertest.MySQL(t)
	want := map[string]string{
		"gtid_mode": "ON", "enforce_gtid_consistency": "ON", "log_bin": "1", "binlog_format": "ROW",
		"binlog_row_image": "FULL", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "bind_address": "127.0.0.1",
	}
	if !strings.HasPrefix(s.Version(t), "5.7") {
		want["binlog_row_metadata"] = "FULL"
	}
	db := s.DB(t)
	for name, value := range want {
		if got := variables(t, db, name)[name]; got != value {
			t.Errorf("%s = %s, want %s", name, got, value)
		}
	}
}

func TestDatabasesAreApartAndDroppedWithTheirTest(t *testing.T) {
	s := servertest.MySQL(t)
	db := s.DB(t)
	var first, second string
	t.Run("two tests", func(t *testing.T) {
		first, second = s.Database(t), s.Database(t)
		s.Exec(t, "USE "+first, "CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
		var n int
		if err := s.DatabaseDB(t, first).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM a").Scan(&n); err != nil || n != 2 {
			t.Errorf("count = %d, %v, want 2", n, err)
		}
	})
	if first == second {
		t.Errorf("both databases are called %s", first)
	}
	var left int
	err := db.QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name IN (?, ?)", first, second).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d databases are left, %v", left, err)
	}
}

func TestPrivateMySQLTakesFlagsAndSurvivesKillAndRestart(t *testing.T) {
	s := servertest.StartMySQL(t, "--binlog-row-image=MINIMAL")
	db := s.DB(t)
	before := variables(t, db, "server_uuid", "binlog_row_image", "port")
	if before["binlog_row_image"] != "MINIMAL" {
		t.Errorf("binlog_row_image = %s, want the flag's", before["binlog_row_image"])
	}
	name := s.Database(t)
	s.Exec(t, "CREATE TABLE "+name+".a (id INT PRIMARY KEY)", "INSERT INTO "+name+".a VALUES (7)")
	pid := s.Pid(t)

	s.Kill9(t)
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
		t.Errorf("process %d is still there", pid)
	}
	s.Restart(t, "--binlog-row-image=FULL")
	db = s.DB(t)
	after := variables(t, db, "server_uuid", "binlog_row_image", "port")
	if after["binlog_row_image"] != "FULL" || after["port"] != before["port"] || after["server_uuid"] != before["server_uuid"] {
		t.Errorf("before %v, after %v: want the same server with the new flag", before, after)
	}
	var id int
	if err := db.QueryRowContext(t.Context(), "SELECT id FROM "+name+".a").Scan(&id); err != nil || id != 7 {
		t.Errorf("id = %d, %v: a committed row is gone", id, err)
	}

	s.Stop(t)
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("a stopped server answers")
	}
	s.Restart(t)
	if got := variables(t, s.DB(t), "binlog_row_image")["binlog_row_image"]; got != "FULL" {
		t.Errorf("binlog_row_image = %s, want the last flags kept", got)
	}
}

func TestPrivateMySQLsTakeAfterTheSharedOne(t *testing.T) {
	t.Setenv("SLIPWAY_TEST_MYSQL_CA", "that of a shared server")
	t.Setenv("SLIPWAY_TEST_MYSQL_FLAGS", "--binlog-row-image=MINIMAL --max-connections=77")
	s := servertest.StartMySQL(t, "--max-connections=78")
	s.Restart(t, "--max-connections=79")
	db := s.DB(t)
	var name, cipher string
	if err := db.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil || cipher == "" {
		t.Errorf("the connection is encrypted by %q, %v", cipher, err)
	}
	if v := variables(t, db, "binlog_row_image", "max_connections"); v["binlog_row_image"] != "MINIMAL" || v["max_connections"] != "79" {
		t.Errorf("%v: want the run's flags below the test's", v)
	}
	plain, err := sql.Open("mysql", s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.PingContext(t.Context()); err == nil {
		t.Error("the server lets in who doesn't encrypt")
	}
}

func TestPrivateMySQLsAreDifferentServers(t *testing.T) {
	a, b := servertest.StartMySQL(t), servertest.StartMySQL(t)
	first := variables(t, a.DB(t), "server_uuid", "server_id", "gtid_executed")
	second := variables(t, b.DB(t), "server_uuid", "server_id", "gtid_executed")
	if first["server_uuid"] == second["server_uuid"] || first["server_id"] == second["server_id"] {
		t.Errorf("two servers share an identity: %v and %v", first, second)
	}
	if first["gtid_executed"] != "" {
		t.Errorf("a new server has executed %s", first["gtid_executed"])
	}
}

func TestEveryVersionRuns(t *testing.T) {
	for _, version := range server.MySQLVersions() {
		t.Run("version "+version, func(t *testing.T) {
			s := servertest.StartMySQLVersion(t, version)
			if got := s.Version(t); !strings.HasPrefix(got, version) {
				t.Errorf("asked for MySQL %s, got %s", version, got)
			}
			if v := variables(t, s.DB(t), "gtid_mode", "gtid_executed"); v["gtid_mode"] != "ON" || v["gtid_executed"] != "" {
				t.Errorf("%v, want GTIDs on and none executed", v)
			}
		})
	}
}

func TestOnlyTestsOfWhatAServerLacksAreSkipped(t *testing.T) {
	s := servertest.MySQL(t)
	id := s.VersionID(t)
	var majorMinor string
	if err := s.DB(t).QueryRowContext(t.Context(), "SELECT SUBSTRING_INDEX(VERSION(), '.', 2)").Scan(&majorMinor); err != nil {
		t.Fatal(err)
	}
	if got := strconv.Itoa(id/10000) + "." + strconv.Itoa(id/100%100); got != majorMinor {
		t.Errorf("version %s has the number %d", majorMinor, id)
	}
	t.Setenv("SLIPWAY_TEST_REQUIRED", "1")
	if r := record(t, func(tb testing.TB) { s.Needs(tb, id, "here") }); r.ended != "" {
		t.Errorf("a test of what is there ended by %q: %s", r.ended, r.why)
	}
	r := record(t, func(tb testing.TB) { s.Needs(tb, id+1, "later") })
	if want := servertest.Lacking + "later: it is " + s.Version(t); r.ended != "skip" || r.why != want {
		t.Errorf("a test of what comes later ended by %q: %s, want %q", r.ended, r.why, want)
	}
}
