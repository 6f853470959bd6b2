// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway/shared/checker"
)

// shop is a small sound topic: snapshot with a retry, changes, a key change
// over two lanes, a truncated table, a crash with its replay.
func shop() *model {
	m := newModel("items", "orders")
	for id := range 12 {
		m.tables["items"][id] = row{id, "item", new("é\"\n")}
	}
	m.snapshot("items", 0, 0)
	m.retry()
	tx := m.begin()
	for id := range 6 {
		was := m.tables["items"][id]
		m.change(tx, "items", "UPDATE", was, row{id, "changed", nil})
		m.change(tx, "orders", "INSERT", row{}, row{id, "new", new("")})
	}
	m.flush(2)
	tx = m.begin()
	m.change(tx, "items", "UPDATE", m.tables["items"][7], row{20, "moved", nil})
	m.change(tx, "items", "DELETE", m.tables["items"][8], row{})
	m.flush(2)
	committed := m.seq - 3
	m.crash(committed, 1)
	m.statement("orders", "TRUNCATE", "truncate orders", false)
	tx = m.begin()
	for id := range 4 {
		m.change(tx, "orders", "INSERT", row{}, row{id, "again", nil})
		m.change(tx, "items", "UPDATE", m.tables["items"][id], row{id, "twice", nil})
	}
	m.flush(1)
	return m
}

func TestD6FoldOfASoundTopic(t *testing.T) {
	t.Parallel()
	m := shop()
	mustBeClean(t, m, checker.Options{})
	_, r := check(checker.Options{}, m.messages)
	if r.Replays == 0 || r.Copies == 0 || r.Dropped == 0 || r.DDL != 1 || r.Full != 24 || r.Rows != r.Full+r.Incremental {
		t.Errorf("counts: %s", r.String())
	}
}

// find gives the index of the first message that is so.
func find(t *testing.T, messages []checker.Message, so func(p map[string]string) bool) int {
	t.Helper()
	i := slices.IndexFunc(messages, func(m checker.Message) bool { return so(m.Properties) })
	if i < 0 {
		t.Fatal("no such message in the model")
	}
	return i
}

func fresh(op string) func(map[string]string) bool {
	return func(p map[string]string) bool {
		return p["phase"] == "incremental" && p["replay"] == "" && p["op"] == op
	}
}

func TestEachFaultIsReported(t *testing.T) {
	t.Parallel()
	set := func(name, value string) func(*testing.T, []checker.Message) []checker.Message {
		return func(t *testing.T, ms []checker.Message) []checker.Message {
			ms[find(t, ms, fresh("UPDATE"))].Properties[name] = value
			return ms
		}
	}
	replace := func(old, new string) func(*testing.T, []checker.Message) []checker.Message {
		return func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("UPDATE"))
			body := bytes.Replace(ms[i].Body, []byte(old), []byte(new), 1)
			if bytes.Equal(body, ms[i].Body) {
				t.Fatalf("%q is not in %s", old, body)
			}
			ms[i].Body = body
			return ms
		}
	}
	tests := []struct {
		name, rule string
		do         func(*testing.T, []checker.Message) []checker.Message
	}{
		{"D4 no task", checker.RuleProperties, set("task", "")},
		{"D4 no seq", checker.RuleProperties, set("seq", "")},
		{"D4 seq above lastSeq", checker.RuleProperties, set("seq", "900")},
		{"D4 replay is not true", checker.RuleProperties, set("replay", "false")},
		{"D4 reset on a row", checker.RuleProperties, set("reset", "true")},
		{"D4 unknown phase", checker.RuleProperties, set("phase", "INIT")},
		{"D4 op differs from the body", checker.RuleBody, set("op", "DELETE")},
		{"D4 table differs from body and id", checker.RuleID, set("table", "orders")},
		{"D4 rows differ from data", checker.RuleBody, set("rows", "9")},
		{"D3 id of another table", checker.RuleID, set("id", server+":1/shop.orders/1*2")},
		{"D3 id without GTID", checker.RuleID, set("id", "binlog.1:4/shop.items/1*2")},
		{"D3 ordinal that is none", checker.RuleID, set("id", server+":1/shop.items/x*2")},
		{"D3 id of a full message", checker.RuleID, set("id", "shop.items/0/0/1*2")},
		{"D2 seq used before", checker.RuleOrder, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("DELETE"))
			ms[i].Properties["seq"], ms[i].Properties["lastSeq"] = "1", "1"
			return ms
		}},
		{"body is no JSON", checker.RuleBody, replace(`{"data"`, `{"data`)},
		{"body has a number", checker.RuleBody, replace(`"name":"changed"`, `"name":1`)},
		{"body lacks a column's type", checker.RuleBody, replace(`"name":12,`, ``)},
		{"old lists what did not change", checker.RuleBody, replace(`"old":[{"name":"item"`, `"old":[{"name":"changed"`)},
		{"a value corrupted", checker.RuleChain, replace(`"name":"changed"`, `"name":"chanqed"`)},
		{"an old value corrupted", checker.RuleChain, replace(`"name":"item"`, `"name":"itm"`)},
		{"D1 a lane in two queues", checker.RuleLane, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("DELETE"))
			ms[i].Queue = (ms[i].Queue + 1) % queues
			return ms
		}},
		{"a lane with two groups", checker.RuleLane, func(t *testing.T, ms []checker.Message) []checker.Message {
			ms[find(t, ms, fresh("DELETE"))].Properties["__SHARDINGKEY"] = "other"
			return ms
		}},
		{"T2 a message lost", checker.RuleChain, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("UPDATE"))
			return slices.Delete(ms, i, i+1)
		}},
		{"D4 a repetition without replay", checker.RuleRepeat, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("UPDATE"))
			return slices.Insert(ms, i+1, ms[i])
		}},
		{"S3 a snapshot repetition without replay", checker.RuleRepeat, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, func(p map[string]string) bool { return p["phase"] == "full" && p["replay"] != "" })
			delete(ms[i].Properties, "replay")
			return ms
		}},
		{"S3 a snapshot copy that differs", checker.RuleCopy, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, func(p map[string]string) bool { return p["phase"] == "full" && p["replay"] != "" })
			ms[i].Body = bytes.Replace(ms[i].Body, []byte(`"item"`), []byte(`"itex"`), 1)
			return ms
		}},
		{"D2 a replayed copy that differs", checker.RuleCopy, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, func(p map[string]string) bool {
				return p["phase"] == "incremental" && p["replay"] != "" && p["table"] == "orders"
			})
			ms[i].Body = bytes.Replace(ms[i].Body, []byte(`"new"`), []byte(`"neu"`), 1)
			return ms
		}},
		{"D4 two messages of a lane swapped", checker.RuleOrder, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("UPDATE"))
			for j := i + 1; j < len(ms); j++ {
				if ms[j].Properties["lane"] == ms[i].Properties["lane"] {
					ms[i], ms[j] = ms[j], ms[i]
					return ms
				}
			}
			t.Fatal("no second message in the lane")
			return nil
		}},
		{"S4 a TRUNCATE lost", checker.RuleChain, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("DDL"))
			return slices.Delete(ms, i, i+1)
		}},
		{"a DDL with rows", checker.RuleBody, func(t *testing.T, ms []checker.Message) []checker.Message {
			i := find(t, ms, fresh("DDL"))
			ms[i].Body = bytes.Replace(ms[i].Body, []byte(`"data":null`), []byte(`"data":[{"id":"1"}]`), 1)
			return ms
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			messages := shop().messages
			for i := range messages {
				messages[i].Properties = maps.Clone(messages[i].Properties)
			}
			_, r := check(checker.Options{}, renumber(tt.do(t, messages)))
			if r.OK() || r.ByRule[tt.rule] == 0 {
				t.Errorf("want a violation of %s:\n%s", tt.rule, r.String())
			}
			if v := r.Violations; len(v) > 0 && v[0].Topic != "orders" {
				t.Errorf("the violation has no place: %+v", v[0])
			}
		})
	}
}

func TestC2LateMessageIsTolerated(t *testing.T) {
	t.Parallel()
	m := shop()
	i := find(t, m.messages, fresh("UPDATE"))
	m.store(m.messages[i])
	if _, r := check(checker.Options{}, m.messages); r.OK() || r.Late != 1 {
		t.Errorf("a late message must be a violation by default:\n%s", r.String())
	}
	c, r := check(checker.Options{Late: 1}, m.messages)
	if !r.OK() || r.Late != 1 {
		t.Errorf("one late message must be tolerated:\n%s", r.String())
	}
	if d := m.folded(c); d != "" {
		t.Error(d)
	}
	m.store(m.messages[i])
	if _, r := check(checker.Options{Late: 1}, m.messages); r.OK() {
		t.Error("a second late message must not be tolerated")
	}
}

func TestS4GenerationsAndTheirReset(t *testing.T) {
	t.Parallel()
	m := newModel("items")
	for id := range 8 {
		m.tables["items"][id] = row{id, "old", nil}
	}
	m.snapshot("items", 0, 0)
	tx := m.begin()
	m.change(tx, "items", "DELETE", m.tables["items"][3], row{})
	m.flush(1)
	// The reset shares the new generation's number; rows below it are gone.
	m.statement("items", "TRUNCATE", "truncate items", true)
	for id := 4; id < 10; id++ {
		m.tables["items"][id] = row{id, "new", nil}
	}
	m.snapshot("items", 1, m.seq)
	tx = m.begin()
	m.change(tx, "items", "UPDATE", m.tables["items"][5], row{5, "changed", nil})
	m.flush(1)
	mustBeClean(t, m, checker.Options{})

	i := find(t, m.messages, func(p map[string]string) bool { return p["reset"] != "" })
	without := renumber(slices.Delete(slices.Clone(m.messages), i, i+1))
	if c, r := check(checker.Options{}, without); m.folded(c) == "" && r.OK() {
		t.Error("a lost reset must show")
	}
}

func TestS4RowsOfADroppedTableStayAway(t *testing.T) {
	t.Parallel()
	m := shop()
	m.statement("items", "ERASE", "DROP TABLE `items`", false)
	m.statement("items", "CREATE", "create table items (id int primary key, name varchar(9), note text)", false)
	tx := m.begin()
	m.change(tx, "items", "INSERT", row{}, row{3, "reborn", nil})
	m.flush(1)
	mustBeClean(t, m, checker.Options{})
}

func TestRenameMovesRows(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{"RENAME TABLE items TO goods", "alter table `shop`.`items` rename `goods`", "ALTER TABLE shop.items RENAME TO shop.goods"} {
		m := shop()
		m.tables["goods"] = map[int]row{}
		m.statement("goods", "RENAME", sql, false)
		m.tables["goods"], m.tables["items"] = m.tables["items"], m.tables["goods"]
		tx := m.begin()
		m.change(tx, "goods", "UPDATE", m.tables["goods"][1], row{1, "renamed", nil})
		m.flush(1)
		mustBeClean(t, m, checker.Options{})
	}
}

func TestReportAsText(t *testing.T) {
	t.Parallel()
	m := shop()
	_, r := check(checker.Options{Detail: 1}, append(m.messages, m.messages...))
	s := r.String()
	if r.OK() || len(r.Violations) != 1 || r.ViolationCount < 2 || !strings.Contains(s, "repeat") || !strings.Contains(s, "not compared") {
		t.Error(s)
	}
}

// again sends all increments once more under new numbers, as after a failover
// or a rewind.
func (m *model) again(most int) {
	m.replay = true
	shift := m.seq
	for l, events := range m.sent {
		for _, e := range events {
			if e.phase == "incremental" && e.op != "DDL" {
				e.seq += shift
				m.pending[l] = append(m.pending[l], e)
			}
		}
	}
	m.seq += shift
	m.flush(most)
	m.replay = false
}

func TestC5RewoundRowsAreCopiesUnderNewNumbers(t *testing.T) {
	t.Parallel()
	history := func() *model {
		m := newModel("items")
		m.statement("items", "CREATE", "create table items (id int primary key, name varchar(9), note text)", false)
		for i := range 4 {
			tx := m.begin()
			for id := range 8 {
				if i == 0 {
					m.change(tx, "items", "INSERT", row{}, row{id, "new", nil})
				} else {
					m.change(tx, "items", "UPDATE", m.tables["items"][id], row{id, "name" + string(rune('0'+i)), nil})
				}
			}
			m.flush(2)
		}
		return m
	}
	m := history()
	m.again(2)
	mustBeClean(t, m, checker.Options{}) // the ids tell that they are copies

	m = history()
	m.again(1) // packed otherwise, ids are new: only the option knows
	if _, r := check(checker.Options{}, m.messages); r.OK() {
		t.Error("rows going back must be a violation by default")
	}
	mustBeClean(t, m, checker.Options{Rewound: true})
}

func TestReportAsJSON(t *testing.T) {
	t.Parallel()
	_, r := check(checker.Options{}, shop().messages)
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back checker.Report
	if err := json.Unmarshal(out, &back); err != nil || back.Rows != r.Rows || back.Violations == nil || !back.OK() {
		t.Errorf("%s: %v", out, err)
	}
}

// A retry may pack rows that were delivered before with rows that were not: D6
// applies the message whole.
func TestD6ARetryPackedWithNewRows(t *testing.T) {
	t.Parallel()
	m := newModel("items")
	m.tables["items"][1] = row{1, "a", nil}
	m.snapshot("items", 0, 0)
	committed := m.seq
	tx := m.begin()
	m.change(tx, "items", "UPDATE", m.tables["items"][1], row{1, "b", nil})
	m.change(tx, "items", "UPDATE", m.tables["items"][1], row{1, "c", nil})
	m.flush(2)
	m.change(tx, "items", "UPDATE", m.tables["items"][1], row{1, "d", nil})
	for l := range m.sent {
		again := slices.DeleteFunc(slices.Clone(m.sent[l]), func(e event) bool { return e.phase == "full" || e.seq <= committed })
		m.pending[l] = append(again, m.pending[l]...)
	}
	m.replay = true
	m.flush(10)
	mustBeClean(t, m, checker.Options{})
}
