// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/servertest"
)

// Rule S6: an update that moves a key is one UPDATE if both keys share a lane,
// else a DELETE and an INSERT, whose ids end in - and +; what the server calls
// the same key doesn't move.
func TestS6KeysMove(t *testing.T) {
	t.Parallel()
	servertest.MySQL(t).NeedsTo(t, "utf8mb4_0900")
	m := apptest.New(t,
		"CREATE TABLE moved (id INT PRIMARY KEY, v INT)", "INSERT INTO moved SELECT i, i FROM "+servertest.Numbers(1, 301, 1),
		"CREATE TABLE word (k VARCHAR(20) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, v INT)", "INSERT INTO word VALUES ('abc', 1), ('xyz', 2)",
		"CREATE TABLE pair (a INT, b INT, v INT, PRIMARY KEY (a, b))", "INSERT INTO pair SELECT i % 10, i, 0 FROM "+servertest.Numbers(1, 101, 1),
	)
	tables := []string{"moved", "word", "pair"}
	if m.Server.VersionID(t) >= 90600 { // before, a cascade is in no binlog, which the precheck says
		tables = append(tables, "child")
		m.Exec("CREATE TABLE child (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES moved (id) ON DELETE CASCADE ON UPDATE CASCADE)",
			"INSERT INTO child VALUES (1, 10), (2, 11), (3, 12)")
	}
	m.YAML = strings.Replace(m.YAML, fmt.Sprintf(`[{match: "%s.*"}]`, m.Database), fmt.Sprintf(
		`[{match: "%[1]s.pair", keyColumns: [a]}, {match: "%[1]s.moved"}, {match: "%[1]s.word"}, {match: "%[1]s.child"}]`, m.Database), 1)
	tail := m.Tail(ready(m))
	m.Exec("UPDATE moved SET id = id + 1000 ORDER BY id DESC",
		"UPDATE word SET k = 'ABC' WHERE k = 'abc'", "UPDATE word SET k = 'other' WHERE k = 'xyz'",
		"UPDATE pair SET b = b + 1000, v = 1 ORDER BY b DESC", "UPDATE moved SET v = v WHERE id > 5",
		"DELETE FROM moved WHERE id = 1010", "UPDATE pair SET a = a + 10 WHERE a < 5")
	tail.Check(tables...)
	ids := map[string][]string{}
	for _, msg := range messages(m) {
		if msg.Properties["phase"] == "incremental" {
			table := msg.Properties["table"]
			id, _, _ := strings.Cut(msg.Properties["id"], "*")
			ids[table+" "+msg.Properties["op"]] = append(ids[table+" "+msg.Properties["op"]], id)
		}
	}
	ends := func(what, suffix string) bool {
		return slices.ContainsFunc(ids[what], func(id string) bool { return strings.HasSuffix(id, suffix) })
	}
	if len(ids["moved UPDATE"]) == 0 || ends("moved UPDATE", "-") || ends("moved UPDATE", "+") {
		t.Errorf("moves within a lane are UPDATEs with plain ids: %q", ids["moved UPDATE"])
	}
	if !ends("moved DELETE", "-") || !ends("moved INSERT", "+") {
		t.Errorf("moves to another lane: DELETE %q, INSERT %q", ids["moved DELETE"], ids["moved INSERT"])
	}
	if len(ids["word UPDATE"]) == 0 {
		t.Errorf("another case of the same key: %q", ids)
	}
	if slices.ContainsFunc(ids["pair UPDATE"], func(id string) bool { return !strings.Contains(id, ".pair/") }) || len(ids["pair UPDATE"]) == 0 {
		t.Errorf("rows that keep their keyColumns keep their lane: %q", ids["pair UPDATE"])
	}
	tail.Stop()
}

// Rule C6: what shapes messages can't change under a running task; keyColumns
// outside the key would send one row along two ways.
func TestC6AChangedTaskIsRefused(t *testing.T) {
	t.Parallel()
	m := apptest.New(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)")
	ready(m)
	file := m.YAML
	for _, change := range []string{"lanes: 8\n", "order: table\n", "timezone: Asia/Tokyo\n"} {
		m.YAML = file + change
		fails(t, m.Tail(0), fault.CheckpointUnusable, "changed", "new name")
	}
	m.YAML = strings.Replace(file, ".*\"}", ".*\", keyColumns: [v]}", 1)
	if _, err := m.Tail(0).Wait(); err == nil {
		t.Error("keyColumns outside the key are taken")
	}
	m.YAML = file + "limits: {messagesPerSecond: 100}\n"
	tail := m.Tail(0)
	m.Exec("UPDATE t SET v = 2")
	tail.Check("t")
	tail.Stop()
}

// With order: global there is one lane, with order: table one per table: every
// message follows the one before it in the binlog.
func TestD1Orders(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"global", "table"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			m := apptest.New(t, "CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b (id INT PRIMARY KEY, v INT)")
			m.YAML += "order: " + order + "\n"
			tail := m.Tail(ready(m))
			m.Exec("INSERT INTO a SELECT i, i FROM "+servertest.Numbers(1, 51, 1), "INSERT INTO b SELECT i, i FROM "+servertest.Numbers(1, 51, 1),
				"UPDATE a JOIN b USING (id) SET a.v = 0, b.v = 1", "UPDATE a SET id = id + 100 ORDER BY id DESC", "DELETE FROM b WHERE id < 20")
			tail.Check("a", "b")
			lanes := map[string]map[string]bool{}
			for _, msg := range messages(m) {
				key := msg.Properties["table"]
				if order == "global" {
					key = "all"
				}
				if lanes[key] == nil {
					lanes[key] = map[string]bool{}
				}
				lanes[key][msg.Properties["lane"]] = true
			}
			for key, l := range lanes {
				if len(l) != 1 {
					t.Errorf("%s is in %d lanes", key, len(l))
				}
			}
			tail.Stop()
		})
	}
}
