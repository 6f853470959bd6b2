// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/shared/precheck"
	"slipway/shared/servertest"
)

func testPrivileges(t *testing.T, m *servertest.MySQLServer) {
	m.Exec(t, "CREATE USER 'bare'@'%' IDENTIFIED BY 'x'",
		"CREATE DATABASE priv_a", "CREATE TABLE priv_a.t (id INT PRIMARY KEY)", "CREATE TABLE priv_a.u (id INT PRIMARY KEY)",
		"CREATE DATABASE privXa", "CREATE TABLE privXa.secret (id INT PRIMARY KEY)",
		"CREATE DATABASE single", "CREATE TABLE single.one (id INT PRIMARY KEY, hidden INT)")
	tk := taskOf(t, file{addr: m.Addr, user: "bare", objects: `[{match: "priv_a.*"}, {match: single.one}]`}, "x")
	r := run(t, taskOf(t, file{addr: m.Addr, user: "bare", more: "accept: [CHECK_PRIV_XA_RECOVER]"}, "x"), "CHECK_PRIV_XA_RECOVER", "CHECK_XA")
	if r.Blocked {
		t.Errorf("what can't be seen without an accepted privilege still blocks: %s", table(t, r))
	}
	r = run(t, tk, "privileges", "objects", "CHECK_XA", "CHECK_TOPOLOGY")
	wants(t, r, expected{item: "CHECK_XA", level: precheck.Skipped, says: "XA_RECOVER_ADMIN"})
	wants(t, r, expected{item: "CHECK_TOPOLOGY", level: precheck.Skipped, says: "REPLICATION CLIENT"})
	wants(t, r, expected{item: "CHECK_OBJECTS", level: precheck.Skipped, object: "priv_a.*", says: "only with SELECT"})
	wants(t, r, expected{item: "CHECK_OBJECTS", level: precheck.Skipped, object: "single.one", says: "only with SELECT"})
	for _, want := range []struct {
		expected
		grant string
	}{
		{expected{item: "CHECK_PRIV_REPLICATION_CLIENT", level: precheck.Failed}, "GRANT REPLICATION CLIENT ON *.* TO 'bare'@'%';"},
		{expected{item: "CHECK_PRIV_REPLICATION_SLAVE", level: precheck.Failed}, "GRANT REPLICATION SLAVE ON *.* TO 'bare'@'%';"},
		{expected{item: "CHECK_PRIV_SELECT", level: precheck.Failed, object: "priv_a"}, "GRANT SELECT ON `priv\\_a`.* TO 'bare'@'%';"},
		{expected{item: "CHECK_PRIV_SELECT", level: precheck.Failed, object: "single.one"}, "GRANT SELECT ON `single`.`one` TO 'bare'@'%';"},
		{expected{item: "CHECK_PRIV_SHOW_VIEW", level: precheck.Warning, object: "priv_a"}, "GRANT SHOW VIEW ON `priv\\_a`.* TO 'bare'@'%';"},
		{expected{item: "CHECK_PRIV_SHOW_VIEW", level: precheck.Warning, object: "single"}, "GRANT SHOW VIEW ON `single`.* TO 'bare'@'%';"},
		{expected{item: "CHECK_PRIV_XA_RECOVER", level: precheck.Warning}, "GRANT XA_RECOVER_ADMIN ON *.* TO 'bare'@'%';"},
	} {
		f := wants(t, r, want.expected)
		if f.Remedy != want.grant {
			t.Errorf("%s: remedy %s, want %s", want.item, f.Remedy, want.grant)
		}
		execute(t, m, f.Remedy)
		mended(t, run(t, tk, want.item), want.item, want.object)
	}
	if r := run(t, tk, "privileges", "objects"); r.Blocked {
		t.Errorf("after every GRANT: %s", table(t, r))
	}
}

// testDocumentedGrants executes the first SQL of docs/privileges.md, and that for roles.
func testDocumentedGrants(t *testing.T, m *servertest.MySQLServer) {
	text, err := os.ReadFile("../../docs/privileges.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("docs/privileges.md has %d blocks of SQL", len(blocks))
	}
	statements := func(block string) []string { return strings.Split(strings.TrimSpace(block), "\n") }
	create, role := statements(blocks[0][1]), statements(blocks[2][1])
	for name, account := range map[string][]string{"plain": create, "by role": slices.Concat(create[:1], role)} {
		t.Run(name, func(t *testing.T) {
			m.Exec(t, account...)
			defer m.Exec(t, "DROP USER 'slipway'@'%'", "DROP ROLE IF EXISTS mover")
			tk := taskOf(t, file{addr: m.Addr, user: "slipway"}, "choose-a-password")
			if r := run(t, tk, "server", "privileges", "binlog", "objects"); r.Blocked {
				t.Errorf("not enough: %s", table(t, r))
			}
		})
	}
}

// testGrants is about the ways an account may have SELECT, or seem to.
func testGrants(t *testing.T, m *servertest.MySQLServer) {
	m.Exec(t, "CREATE DATABASE g_one", "CREATE TABLE g_one.t (id INT PRIMARY KEY, c INT)",
		"CREATE DATABASE g_two", "CREATE TABLE g_two.t (id INT PRIMARY KEY)",
		"CREATE DATABASE `o``dd ON (x_`", "CREATE TABLE `o``dd ON (x_`.t (id INT PRIMARY KEY)")
	tests := []struct {
		name    string
		objects string
		grants  []string
		denied  string // the finding's object, "" for none
	}{
		{"on everything", `[{match: "*.t"}]`, []string{"GRANT SELECT ON *.* TO 'g'@'%'"}, ""},
		{"by a role", `[{match: "g_one.*"}]`, []string{"CREATE ROLE r", "GRANT SELECT ON g_one.* TO r", "GRANT r TO 'g'@'%'", "SET DEFAULT ROLE r TO 'g'@'%'"}, ""},
		{"by a role that is off", `[{match: "g_one.*"}]`, []string{"CREATE ROLE r", "GRANT SELECT ON g_one.* TO r", "GRANT r TO 'g'@'%'"}, "g_one"},
		{"on a pattern as wide", `[{match: "g_*.t"}]`, []string{"GRANT SELECT ON `g\\_%`.* TO 'g'@'%'"}, ""},
		{"on a pattern too narrow", `[{match: "g_*.t"}]`, []string{"GRANT SELECT ON `g\\_o%`.* TO 'g'@'%'"}, "g_*"},
		{"on one table of a wildcard", `[{match: "g_one.*"}]`, []string{"GRANT SELECT ON g_one.t TO 'g'@'%'"}, "g_one"},
		{"on one table that is named", `[{match: g_one.t}]`, []string{"GRANT SELECT ON g_one.t TO 'g'@'%'"}, ""},
		{"on some columns", `[{match: g_one.t}]`, []string{"GRANT SELECT (id) ON g_one.t TO 'g'@'%'"}, "g_one.t"},
		{"all privileges", `[{match: "g_one.*"}]`, []string{"GRANT ALL ON g_one.* TO 'g'@'%'"}, ""},
		{"on an odd name", "[{match: '`o``dd ON (x_`.*'}]", []string{"GRANT SELECT, INSERT ON `o``dd ON (x\\_`.* TO 'g'@'%'", "GRANT SELECT (id), UPDATE (id, c) ON g_one.t TO 'g'@'%'"}, ""},
		{"on another odd name", "[{match: '`o``dd ON (x_`.*'}]", []string{"GRANT SELECT ON `o``dd ON (y_`.* TO 'g'@'%'"}, "o`dd ON (x_"},
		{"partly revoked", `[{match: "g_*.t"}]`, []string{"SET GLOBAL partial_revokes = ON", "GRANT SELECT ON *.* TO 'g'@'%'", "REVOKE SELECT ON g_one.* FROM 'g'@'%'"}, "g_*"},
		{"revoked elsewhere", `[{match: "g_two.t"}]`, []string{"SET GLOBAL partial_revokes = ON", "GRANT SELECT ON *.* TO 'g'@'%'", "REVOKE SELECT ON g_one.* FROM 'g'@'%'"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m.Exec(t, append([]string{"CREATE USER 'g'@'%' IDENTIFIED BY 'x'"}, tt.grants...)...)
			defer m.Exec(t, "DROP USER 'g'@'%'", "DROP ROLE IF EXISTS r", "SET GLOBAL partial_revokes = OFF")
			tk := taskOf(t, file{addr: m.Addr, user: "g", objects: tt.objects}, "x")
			r := run(t, tk, "CHECK_PRIV_SELECT")
			if tt.denied == "" {
				mended(t, r, "CHECK_PRIV_SELECT", "")
				return
			}
			f := wants(t, r, expected{item: "CHECK_PRIV_SELECT", level: precheck.Failed, object: tt.denied})
			execute(t, m, f.Remedy)
			mended(t, run(t, tk, "CHECK_PRIV_SELECT"), "CHECK_PRIV_SELECT", tt.denied)
		})
	}
}

func testObjects(t *testing.T, m *servertest.MySQLServer) {
	const item = "CHECK_OBJECTS"
	m.Exec(t, "CREATE DATABASE obj", "CREATE TABLE obj.a (id INT PRIMARY KEY)", "CREATE VIEW obj.v AS SELECT * FROM obj.a")
	with := func(objects string) precheck.Report {
		return run(t, taskOf(t, file{addr: m.Addr, objects: objects}), item)
	}
	tests := []struct {
		name, objects, object, says, remedy string
		mend                                []string // "" has no statement
	}{
		{"a wildcard that matches nothing", `[{match: "obj.b*"}]`, "obj.b*", "matches no table", "objects[0].match", []string{"CREATE TABLE obj.b1 (id INT PRIMARY KEY)"}},
		{"an exclude that leaves nothing", `[{match: "obj.*"}, {match: "shop.*", exclude: ["shop.*s"]}]`, "shop.*", "matches no table", "exclude", nil},
		{"no such table", `[{match: obj.c}]`, "obj.c", "there is no table obj.c", "objects[0].match", []string{"CREATE TABLE obj.c (id INT PRIMARY KEY)"}},
		{"a view", `[{match: obj.v}]`, "obj.v", "view", "tables behind it", nil},
		{"two entries for one table", `[{match: "obj.*"}, {match: "*.a"}]`, "obj.a", "both select table obj.a", "exclude", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := wants(t, with(tt.objects), expected{item: item, level: precheck.Failed, object: tt.object, says: tt.says})
			if !strings.Contains(f.Remedy, tt.remedy) {
				t.Errorf("remedy %q, want %q in it", f.Remedy, tt.remedy)
			}
			if tt.mend != nil {
				m.Exec(t, tt.mend...)
				mended(t, with(tt.objects), item, "")
			}
		})
	}
	mended(t, with(`[{match: "obj.*", exclude: ["obj.a"]}, {match: "*.a"}]`), item, "") // as the remedy says
}

func testTables(t *testing.T, m *servertest.MySQLServer) {
	m.Exec(t, "CREATE DATABASE tab", "CREATE TABLE tab.fine (id INT PRIMARY KEY, x INT)")
	tk := taskOf(t, file{addr: m.Addr, objects: `[{match: "tab.*"}]`})
	tests := []struct {
		name  string
		want  expected
		wrong []string
	}{
		{"S7 keyless", expected{"CHECK_TABLE_KEY", precheck.Warning, "tab.log", "one lane"}, []string{"CREATE TABLE tab.log (id VARCHAR(9), at DATETIME)"}},
		{"S7 keyless with AUTO_INCREMENT", expected{"CHECK_TABLE_KEY", precheck.Warning, "tab.auto", ""}, []string{"CREATE TABLE tab.auto (n INT AUTO_INCREMENT, KEY (n))"}},
		{"S7 nullable unique", expected{"CHECK_TABLE_KEY", precheck.Warning, "tab.nul", ""}, []string{"CREATE TABLE tab.nul (n INT, UNIQUE (n))"}},
		{"MyISAM", expected{"CHECK_ENGINE", precheck.Warning, "tab.my", "MyISAM"}, []string{"CREATE TABLE tab.my (id INT PRIMARY KEY) ENGINE = MyISAM"}},
		{"cascade", expected{"CHECK_FK_CASCADE", precheck.Warning, "tab.child", "ON DELETE CASCADE"}, []string{
			"CREATE TABLE tab.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES tab.fine (id) ON DELETE CASCADE)",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mends(t, m, tk, tt.want, tt.wrong...) })
	}
	t.Run("S7 a key without an order of ours is read whole", func(t *testing.T) {
		m.Exec(t, "CREATE TABLE tab.enumerated (k ENUM('b','a') PRIMARY KEY)")
		wants(t, run(t, tk, "CHECK_TABLE_KEY"), expected{"CHECK_TABLE_KEY", precheck.Success, "tab.enumerated", "one SELECT"})
	})
	t.Run("tables without rows of their own", func(t *testing.T) {
		m.Exec(t, "CREATE TABLE tab.part (id INT) ENGINE = MyISAM", "CREATE TABLE tab.merged (id INT) ENGINE = MERGE UNION = (tab.part)",
			"CREATE TABLE tab.far (id INT PRIMARY KEY) ENGINE = FEDERATED CONNECTION = 'mysql://nobody@127.0.0.1:1/x/far'")
		r := run(t, tk, "CHECK_ENGINE", "CHECK_TABLE_KEY")
		for _, object := range []string{"tab.merged", "tab.far"} {
			f := wants(t, r, expected{"CHECK_ENGINE", precheck.Failed, object, "other tables'"})
			if !strings.Contains(f.Remedy, `"`+object+`" to objects[0].exclude`) {
				t.Errorf("remedy %q", f.Remedy)
			}
		}
		excluded := taskOf(t, file{addr: m.Addr, objects: `[{match: "tab.*", exclude: ["tab.merged", "tab.far"]}]`})
		r = run(t, excluded, "CHECK_ENGINE")
		mended(t, r, "CHECK_ENGINE", "tab.merged")
		mended(t, r, "CHECK_ENGINE", "tab.far")
		m.Exec(t, "DROP TABLE tab.merged, tab.part, tab.far")
	})
	t.Run("D1 key columns", func(t *testing.T) {
		const item = "CHECK_KEY_COLUMNS"
		with := func(column string) precheck.Report {
			return run(t, taskOf(t, file{addr: m.Addr, objects: `[{match: tab.fine, keyColumns: [` + column + `]}]`}), item)
		}
		f := wants(t, with("x"), expected{item, precheck.Failed, "tab.fine", `"x"`})
		if !strings.Contains(f.Remedy, "choose among id in objects[0].keyColumns") {
			t.Errorf("remedy %q", f.Remedy)
		}
		mended(t, with("ID"), item, "")
	})
}
