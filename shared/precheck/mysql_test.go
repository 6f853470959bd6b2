// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"path/filepath"
	"strings"
	"testing"

	"slipway/shared/precheck"
	"slipway/shared/servertest"
	"slipway/shared/state"
)

// sound are the flags of a server that has nothing wrong with it, beyond what
// servertest gives, and of one whose foreign keys act unseen.
func sound() []string {
	return []string{"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1", "--loose-innodb-native-foreign-keys=ON", "--federated"}
}

// TestMySQL makes one private server wrong in one way after the other.
func TestMySQL(t *testing.T) {
	t.Parallel()
	m := servertest.StartMySQL(t, sound()...)
	m.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, note VARCHAR(20))")
	t.Run("connectivity", func(t *testing.T) { testSource(t, m) })
	t.Run("settings", func(t *testing.T) { testSettings(t, m) })
	t.Run("privileges", func(t *testing.T) { testPrivileges(t, m) })
	t.Run("grants", func(t *testing.T) { testGrants(t, m) })
	t.Run("documented grants", func(t *testing.T) { testDocumentedGrants(t, m) })
	t.Run("objects", func(t *testing.T) { testObjects(t, m) })
	t.Run("tables", func(t *testing.T) { testTables(t, m) })
}

func testSettings(t *testing.T, m *servertest.MySQLServer) {
	tk := taskOf(t, file{addr: m.Addr})
	r := run(t, tk, "server", "privileges", "binlog", "objects")
	if r.Blocked || r.Count(precheck.Success) != len(r.Findings) {
		t.Fatalf("a sound server: %s", table(t, r))
	}
	xa := []string{"XA START X'6162','c',7", "INSERT INTO shop.orders VALUES (1, 'xa')", "XA END X'6162','c',7", "XA PREPARE X'6162','c',7"}
	tests := []struct {
		name  string
		want  expected
		wrong []string
	}{
		{"server_id", expected{item: "CHECK_SERVER_ID", level: precheck.Failed}, []string{"SET GLOBAL server_id = 0"}},
		{"GTIDs off", expected{item: "CHECK_GTID_MODE", level: precheck.Warning, says: "gtid_mode is OFF"}, []string{
			"SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = OFF_PERMISSIVE", "SET GLOBAL gtid_mode = OFF",
			"SET GLOBAL enforce_gtid_consistency = OFF",
		}},
		{"GTIDs half on", expected{item: "CHECK_GTID_MODE", level: precheck.Warning, says: "ON_PERMISSIVE"}, []string{"SET GLOBAL gtid_mode = ON_PERMISSIVE"}},
		{"T1 sync_binlog", expected{item: "CHECK_DURABILITY", level: precheck.Warning, object: "sync_binlog"}, []string{"SET GLOBAL sync_binlog = 0"}},
		{"T1 flush", expected{item: "CHECK_DURABILITY", level: precheck.Warning, object: "innodb_flush_log_at_trx_commit"}, []string{"SET GLOBAL innodb_flush_log_at_trx_commit = 2"}},
		{"S2 XA", expected{item: "CHECK_XA", level: precheck.Failed, object: "X'6162',X'63',7"}, xa},
		{"T4 format", expected{item: "CHECK_BINLOG_FORMAT", level: precheck.Failed, says: "MIXED"}, []string{"SET GLOBAL binlog_format = MIXED"}},
		{"T4 image", expected{item: "CHECK_BINLOG_ROW_IMAGE", level: precheck.Failed}, []string{"SET GLOBAL binlog_row_image = MINIMAL"}},
		{"T5 metadata", expected{item: "CHECK_BINLOG_ROW_METADATA", level: precheck.Warning}, []string{"SET GLOBAL binlog_row_metadata = MINIMAL"}},
		{"T4 partial JSON", expected{item: "CHECK_BINLOG_PARTIAL_JSON", level: precheck.Failed}, []string{"SET GLOBAL binlog_row_value_options = PARTIAL_JSON"}},
		{"T3 compression", expected{item: "CHECK_BINLOG_COMPRESSION", level: precheck.Warning}, []string{"SET GLOBAL binlog_transaction_compression = ON"}},
		{"short retention", expected{item: "CHECK_BINLOG_RETENTION", level: precheck.Warning, says: "24h"}, []string{"SET GLOBAL binlog_expire_logs_seconds = 86400"}},
		{"retention below the snapshot", expected{item: "CHECK_BINLOG_RETENTION", level: precheck.Failed, says: "snapshot"}, []string{"SET GLOBAL binlog_expire_logs_seconds = 60"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mends(t, m, tk, tt.want, tt.wrong...) })
	}
	t.Run("no purge at all", func(t *testing.T) {
		m.Exec(t, "SET GLOBAL binlog_expire_logs_seconds = 0")
		wants(t, run(t, tk, "CHECK_BINLOG_RETENTION"), expected{item: "CHECK_BINLOG_RETENTION", level: precheck.Success, says: "never"})
		m.Exec(t, "SET GLOBAL binlog_expire_logs_seconds = 60", "SET GLOBAL binlog_expire_logs_auto_purge = OFF")
		wants(t, run(t, tk, "CHECK_BINLOG_RETENTION"), expected{item: "CHECK_BINLOG_RETENTION", level: precheck.Success, says: "never"})
		m.Exec(t, "SET GLOBAL binlog_expire_logs_seconds = 604800", "SET GLOBAL binlog_expire_logs_auto_purge = ON")
	})
	t.Run("S2 a planned task bears prepared transactions", func(t *testing.T) {
		url := "file://" + t.TempDir()
		planned := taskOf(t, file{addr: m.Addr, state: url})
		store, err := state.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := state.NewTask(store, planned.Name)
		if err != nil {
			t.Fatal(err)
		}
		m.Exec(t, xa...)
		defer m.Exec(t, "XA ROLLBACK X'6162','c',7")
		wants(t, run(t, planned, "CHECK_XA"), expected{item: "CHECK_XA", level: precheck.Failed})
		plan := map[string]any{"version": 1, "configHash": planned.Hash(), "time": "2026-01-02T03:04:05Z"}
		if err := state.CreateJSON(t.Context(), store, keys.Plan(), plan); err != nil {
			t.Fatal(err)
		}
		wants(t, run(t, planned, "CHECK_XA"), expected{item: "CHECK_XA", level: precheck.Success, says: "planned"})
	})
	t.Run("an XA transaction that comes and goes is none", func(t *testing.T) {
		mended(t, run(t, tk, "CHECK_XA"), "CHECK_XA", "")
	})
}

// TestBinlogOffAndFiltered is about what only a restart changes.
func TestBinlogOffAndFiltered(t *testing.T) {
	t.Parallel()
	m := servertest.StartMySQL(t, append(sound(), "--skip-log-bin")...)
	m.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id BIGINT PRIMARY KEY)",
		"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'nobody'")
	tk := taskOf(t, file{addr: m.Addr})

	r := run(t, tk, "binlog")
	f := wants(t, r, expected{item: "CHECK_LOG_BIN", level: precheck.Failed})
	if !strings.Contains(f.Remedy, "log_bin = binlog") {
		t.Errorf("remedy %q", f.Remedy)
	}
	for _, item := range []string{"CHECK_BINLOG_FORMAT", "CHECK_BINLOG_RETENTION", "CHECK_BINLOG_FILTER"} {
		wants(t, r, expected{item: item, level: precheck.Skipped, says: "binlog is off"})
	}

	m.Restart(t, append(sound(), "--log-bin=binlog", "--binlog-ignore-db=shop", "--log-replica-updates=OFF")...)
	r = run(t, tk, "binlog", "CHECK_TOPOLOGY")
	mended(t, r, "CHECK_LOG_BIN", "")
	wants(t, r, expected{item: "CHECK_BINLOG_FILTER", level: precheck.Failed, object: "shop", says: "left out"})
	topology := wants(t, r, expected{item: "CHECK_TOPOLOGY", level: precheck.Failed, says: "replica"})

	execute(t, m, topology.Remedy) // persisted; a flag of the command line would win over it
	m.Restart(t, append(sound(), "--log-bin=binlog")...)
	r = run(t, tk, "binlog", "CHECK_TOPOLOGY")
	mended(t, r, "CHECK_BINLOG_FILTER", "")
	mended(t, r, "CHECK_TOPOLOGY", "")

	m.Restart(t, append(sound(), "--log-bin=binlog", "--binlog-do-db=other")...)
	wants(t, run(t, tk, "CHECK_BINLOG_FILTER"), expected{item: "CHECK_BINLOG_FILTER", level: precheck.Failed, object: "shop"})
}

func testSource(t *testing.T, m *servertest.MySQLServer) {
	const item = "CHECK_CONN_SRC"
	m.Exec(t, "CREATE USER 'reader'@'%' IDENTIFIED BY 'right'")
	_, port, _ := strings.Cut(m.Addr, ":")
	tests := []struct {
		name     string
		file     file
		password string
		says     string
		remedy   string
	}{
		{"wrong host", file{addr: "no-such-host.invalid:" + port}, "x", `"no-such-host.invalid" is unknown`, "source.hosts"},
		{"wrong port", file{addr: "127.0.0.1:1"}, "x", "nothing listens at 127.0.0.1:1", "source.hosts"},
		{"wrong password", file{addr: m.Addr, user: "reader"}, "wrong", "${PW}", "export PW="},
		{"wrong account", file{addr: m.Addr, user: "nobody"}, "right", "nobody", "source.user"},
		{"no password", file{addr: m.Addr, user: "reader"}, "", "without a password", "source.password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, taskOf(t, tt.file, tt.password), "connectivity", "CHECK_LOG_BIN")
			f := wants(t, r, expected{item: item, level: precheck.Failed, says: tt.says})
			if !strings.Contains(f.Remedy, tt.remedy) {
				t.Errorf("remedy %q, want %q in it", f.Remedy, tt.remedy)
			}
			if strings.Contains(table(t, r), "wrong'") || strings.Contains(table(t, r), "right'") {
				t.Errorf("a password shows: %s", table(t, r))
			}
			wants(t, r, expected{item: "CHECK_LOG_BIN", level: precheck.Skipped, says: "no connection to MySQL"})
		})
	}
	reader := taskOf(t, file{addr: m.Addr, user: "reader"}, "right")
	mended(t, run(t, reader, item), item, "")
	t.Run("locked", func(t *testing.T) {
		mends(t, m, reader, expected{item: item, level: precheck.Failed, says: "locked"}, "ALTER USER 'reader'@'%' ACCOUNT LOCK")
	})
	t.Run("TLS", func(t *testing.T) { testSourceTLS(t, m) })
}

func testSourceTLS(t *testing.T, m *servertest.MySQLServer) {
	const item = "CHECK_CONN_SRC"
	var dir, ca string
	root, err := m.DB(t).Conn(t.Context()) // an unencrypted one that stays
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.QueryRowContext(t.Context(), "SELECT @@datadir, @@ssl_ca").Scan(&dir, &ca); err != nil {
		t.Fatal(err)
	}
	secureTransport := func(value string) {
		if _, err := root.ExecContext(t.Context(), "SET GLOBAL require_secure_transport = "+value); err != nil {
			t.Fatal(err)
		}
	}
	if !filepath.IsAbs(ca) {
		ca = filepath.Join(dir, ca)
	}
	with := func(tls string) precheck.Report {
		return run(t, taskOf(t, file{addr: m.Addr, user: "reader", sourceTLS: tls}, "right"), item)
	}
	secureTransport("ON")
	f := wants(t, with("{mode: disabled}"), expected{item: item, level: precheck.Failed, says: "encrypted"})
	if !strings.Contains(f.Remedy, "required") {
		t.Errorf("remedy %q", f.Remedy)
	}
	mended(t, with("{mode: required}"), item, "") // as the remedy says
	secureTransport("OFF")
	f = wants(t, with("{mode: verify-ca}"), expected{item: item, level: precheck.Failed, says: "can't be verified"})
	if !strings.Contains(f.Remedy, "source.tls.ca") {
		t.Errorf("remedy %q", f.Remedy)
	}
	mended(t, with("{mode: verify-ca, ca: "+ca+"}"), item, "")
	wants(t, with("{mode: verify-identity, ca: "+ca+"}"), expected{item: item, level: precheck.Failed, says: "certificate"})
	wants(t, with("{mode: verify-ca, ca: /no/such/file}"), expected{item: item, level: precheck.Failed, says: "source.tls.ca"})
}
