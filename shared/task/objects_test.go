// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/task"
)

func withObjects(t *testing.T, objects string) *task.Task {
	t.Helper()
	return load(t, edit(t, "objects:\n  - match: shop.*\n", "objects:\n"+objects))
}

func TestSelect(t *testing.T) {
	tk := withObjects(t, `
  - {match: shop.*, exclude: [shop.tmp_*, shop.old], topic: wild, keyColumns: [w]}
  - {match: shop.orders, topic: exact}
  - {match: shop.tmp_keep, keyColumns: [a, b]}
  - match: "*.log"
`)
	for _, c := range []struct {
		db, table string
		want      task.Rule
		ok        bool
	}{
		{"shop", "items", task.Rule{Entry: 0, Topic: "wild", KeyColumns: []string{"w"}}, true},
		{"shop", "orders", task.Rule{Entry: 1, Topic: "exact"}, true},                                  // the table level wins
		{"shop", "tmp_keep", task.Rule{Entry: 2, Topic: "shop", KeyColumns: []string{"a", "b"}}, true}, // another entry's exclude doesn't count
		{"shop", "tmp_x", task.Rule{}, false},
		{"shop", "old", task.Rule{}, false},
		{"shop", "Orders", task.Rule{Entry: 0, Topic: "wild", KeyColumns: []string{"w"}}, true},
		{"other", "log", task.Rule{Entry: 3, Topic: "shop"}, true},
		{"other", "x", task.Rule{}, false},
		{"", "", task.Rule{}, false},
	} {
		got, ok, err := tk.Select(c.db, c.table)
		if err != nil || ok != c.ok || !cmp.Equal(c.want, got) {
			t.Errorf("%s.%s: %+v %v %v", c.db, c.table, got, ok, err)
		}
	}
	_, _, err := tk.Select("shop", "log")
	const want = `objects[0] "shop.*" and objects[3] "*.log" both select table shop.log: exclude it from one of them, or give it an entry of its own`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestSelectTableEntrySettlesAConflictOfWildcards(t *testing.T) {
	tk := withObjects(t, "  - match: shop.a*\n  - match: shop.*z\n  - {match: shop.az, topic: own}\n")
	if rule, ok, err := tk.Select("shop", "az"); err != nil || !ok || rule.Topic != "own" {
		t.Errorf("%+v %v %v", rule, ok, err)
	}
	if _, _, err := tk.Select("shop", "abz"); err == nil {
		t.Error("two wildcards may share a table")
	}
}

func TestSelectNeverReachesSystemSchemas(t *testing.T) {
	tk := withObjects(t, "  - match: \"*.*\"\n")
	for _, db := range []string{"mysql", "sys", "information_schema", "performance_schema"} {
		if _, ok, err := tk.Select(db, "t"); ok || err != nil {
			t.Errorf("%s: %v %v", db, ok, err)
		}
		tk.FoldCase = true
		if _, ok, _ := tk.Select(strings.ToUpper(db), "t"); ok {
			t.Errorf("%s in capitals", db)
		}
		tk.FoldCase = false
	}
	if _, ok, _ := tk.Select("mysql2", "t"); !ok {
		t.Error("mysql2 is the user's")
	}
}

func TestSelectFoldsCaseWhenTheServerDoes(t *testing.T) {
	tk := withObjects(t, "  - {match: Shop.*, exclude: [shop.TMP*]}\n  - {match: shop.ÄPFEL, topic: own}\n")
	if _, ok, _ := tk.Select("shop", "x"); ok {
		t.Error("case counts by default")
	}
	tk.FoldCase = true
	for table, want := range map[string]bool{"x": true, "tmp1": false, "Tmp": false} {
		if _, ok, err := tk.Select("SHOP", table); ok != want || err != nil {
			t.Errorf("%s: %v %v", table, ok, err)
		}
	}
	if rule, _, _ := tk.Select("sHOP", "äpfel"); rule.Topic != "own" {
		t.Errorf("got %+v", rule)
	}
	twice := withObjects(t, "  - match: shop.a\n  - match: shop.A\n")
	twice.FoldCase = true
	const want = `objects[0] "shop.a" and objects[1] "shop.A" both select table shop.a: remove one of them`
	if _, _, err := twice.Select("shop", "a"); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
