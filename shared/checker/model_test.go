// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slipway/shared/checker"
)

const (
	server = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	lanes  = 6
	queues = 3
)

// row is a row of the model's tables: id, name, note; note may be NULL.
type row struct {
	id   int
	name string
	note *string
}

func (r row) object(all bool, other row) string {
	var parts []string
	add := func(name string, v any, differs bool) {
		if all || differs {
			text, _ := json.Marshal(v)
			parts = append(parts, `"`+name+`":`+string(text))
		}
	}
	add("id", strconv.Itoa(r.id), r.id != other.id)
	add("name", r.name, r.name != other.name)
	sameNote := (r.note == nil) == (other.note == nil) && (r.note == nil || *r.note == *other.note)
	add("note", r.note, !sameNote)
	return "{" + strings.Join(parts, ",") + "}"
}

// event is one row change as a tail or a snapshot sends it.
type event struct {
	phase, table, op, id string
	lane                 int
	gtid                 string
	seq, es              int64
	before, after        row
	// of a statement:
	sql, kind string
	reset     bool
}

// model plays source and task: it keeps the rows, and what the topic would hold.
type model struct {
	tables   map[string]map[int]row
	seq, tx  int64
	sent     [lanes][]event
	messages []checker.Message
	offsets  [queues]int64
	// pending are the events of a lane not packed yet, marked by replay.
	pending [lanes][]event
	replay  bool
	clock   int64
}

func newModel(tables ...string) *model {
	m := &model{tables: map[string]map[int]row{}, clock: 1_700_000_000_000}
	for _, t := range tables {
		m.tables[t] = map[int]row{}
	}
	return m
}

func laneOf(table string, id int) int { return (id*7 + len(table)) % lanes }

// snapshot sends the rows there are, one chunk of a generation.
func (m *model) snapshot(table string, gen int, seq int64) { m.chunk(table, gen, seq, 3) }

// snapshotPacked is a first generation with so many rows to a message.
func (m *model) snapshotPacked(table string, most int) { m.chunk(table, 0, 0, most) }

func (m *model) chunk(table string, gen int, seq int64, most int) {
	for i, id := range slices.Sorted(maps.Keys(m.tables[table])) {
		e := event{
			phase: "full", table: table, op: "INSERT", lane: laneOf(table, id), seq: seq, es: m.clock,
			id: fmt.Sprintf("shop.%s/%d/0+1/%d", table, gen, i), after: m.tables[table][id],
		}
		m.pending[e.lane] = append(m.pending[e.lane], e)
	}
	m.flush(most)
}

// begin starts a transaction, change adds to it.
func (m *model) begin() *int {
	m.tx++
	m.clock += 1000
	return new(int)
}

func (m *model) change(ordinal *int, table, op string, before, after row) {
	m.seq++
	*ordinal++
	e := event{
		phase: "incremental", table: table, op: op, seq: m.seq, es: m.clock, before: before, after: after,
		gtid: fmt.Sprintf("%s:%d", server, m.tx),
	}
	e.id = fmt.Sprintf("%s/shop.%s/%d", e.gtid, table, *ordinal)
	rows := m.tables[table]
	switch op {
	case "INSERT":
		rows[after.id] = after
	case "DELETE":
		delete(rows, before.id)
	case "UPDATE":
		delete(rows, before.id)
		rows[after.id] = after
	}
	from, to := laneOf(table, before.id), laneOf(table, after.id)
	if op == "DELETE" {
		to = from
	}
	if op == "UPDATE" && from != to { // a key change over two lanes is split
		d, i := e, e
		d.op, d.id, d.lane = "DELETE", e.id+"-", from
		i.op, i.id, i.lane = "INSERT", e.id+"+", to
		m.pending[from] = append(m.pending[from], d)
		m.pending[to] = append(m.pending[to], i)
		return
	}
	e.lane = to
	m.pending[to] = append(m.pending[to], e)
}

// statement is a DDL: a barrier.
func (m *model) statement(table, kind, sql string, reset bool) {
	m.flush(1 << 20)
	m.seq++
	m.begin()
	gtid := fmt.Sprintf("%s:%d", server, m.tx)
	e := event{
		phase: "incremental", table: table, op: "DDL", seq: m.seq, es: m.clock, gtid: gtid, id: gtid + "/shop." + table + "/0",
		kind: kind, sql: sql, reset: reset,
	}
	if reset {
		e.id = fmt.Sprintf("shop.%s/%d/reset", table, m.seq)
	}
	if kind == "TRUNCATE" || kind == "ERASE" {
		clear(m.tables[table])
	}
	m.pending[0] = append(m.pending[0], e)
	m.flush(1)
}

// flush packs what is pending, at most so many rows to a message.
func (m *model) flush(most int) {
	for l := range m.pending {
		for events := m.pending[l]; len(events) > 0; {
			n := 1
			for n < len(events) && n < most && packs(events[0], events[n]) {
				n++
			}
			m.send(events[:n])
			if !m.replay {
				m.sent[l] = append(m.sent[l], events[:n]...)
			}
			events = events[n:]
		}
		m.pending[l] = nil
	}
}

func packs(a, b event) bool {
	return a.op != "DDL" && a.table == b.table && a.op == b.op && a.phase == b.phase
}

// crash sends again what was sent with a seq above committed, packed anew.
func (m *model) crash(committed int64, most int) {
	m.replay = true
	for l, events := range m.sent {
		for _, e := range events {
			if e.phase == "incremental" && e.seq > committed {
				m.pending[l] = append(m.pending[l], e)
			}
		}
	}
	m.flush(most)
	m.replay = false
}

// retry sends the snapshot's messages again as they were.
func (m *model) retry() {
	for _, msg := range slices.Clone(m.messages) {
		if msg.Properties["phase"] == "full" {
			msg.Properties = maps.Clone(msg.Properties)
			msg.Properties["replay"] = "true"
			m.store(msg)
		}
	}
}

func (m *model) send(events []event) {
	first, last := events[0], events[len(events)-1]
	m.clock++
	p := map[string]string{
		"task": "t", "epoch": "1", "phase": first.phase, "lane": strconv.Itoa(first.lane), "op": first.op,
		"database": "shop", "table": first.table, "ts": strconv.FormatInt(m.clock, 10),
		"seq": strconv.FormatInt(first.seq, 10), "lastSeq": strconv.FormatInt(last.seq, 10),
		"id": first.id, "rows": strconv.Itoa(len(events)), "__SHARDINGKEY": "t-" + strconv.Itoa(first.lane),
	}
	if len(events) > 1 {
		p["id"] += "*" + strconv.Itoa(len(events))
	}
	if m.replay {
		p["replay"] = "true"
	}
	if first.reset {
		p["reset"] = "true"
	}
	m.store(checker.Message{Topic: "orders", Broker: "a", Queue: first.lane % queues, Properties: p, Body: []byte(m.body(events))})
}

func (m *model) body(events []event) string {
	first, last := events[0], events[len(events)-1]
	sql, _ := json.Marshal(first.sql)
	head := fmt.Sprintf(`"database":"shop","es":%d,"gtid":%q,"id":%d,`, last.es, last.gtid, last.seq)
	tail := fmt.Sprintf(`"sql":%s,%%s"table":%q,"ts":%d,"type":`, sql, first.table, m.clock)
	if first.op == "DDL" {
		return `{"data":null,` + head + `"isDdl":true,"mysqlType":null,"old":null,"pkNames":null,` + fmt.Sprintf(tail, `"sqlType":null,`) + `"` + first.kind + `"}`
	}
	var data, old []string
	for _, e := range events {
		switch e.op {
		case "DELETE":
			data = append(data, e.before.object(true, row{}))
		case "UPDATE":
			old = append(old, e.before.object(false, e.after))
			fallthrough
		default:
			data = append(data, e.after.object(true, row{}))
		}
	}
	olds := "null"
	if old != nil {
		olds = "[" + strings.Join(old, ",") + "]"
	}
	return `{"data":[` + strings.Join(data, ",") + `],` + head + `"isDdl":false,"mysqlType":{"id":"int","name":"varchar(9)","note":"text"},"old":` + olds +
		`,"pkNames":["id"],` + fmt.Sprintf(tail, `"sqlType":{"id":4,"name":12,"note":2005},`) + `"` + first.op + `"}`
}

func (m *model) store(msg checker.Message) {
	msg.Offset = m.offsets[msg.Queue]
	m.offsets[msg.Queue]++
	m.messages = append(m.messages, msg)
}

// check runs a checker over messages.
func check(opts checker.Options, messages []checker.Message) (*checker.Checker, checker.Report) {
	c := checker.New(opts)
	for _, m := range messages {
		c.Add(m)
	}
	return c, c.Report()
}

// folded tells what a fold makes of a table differs from the model, "" if not.
func (m *model) folded(c *checker.Checker) string {
	for name, rows := range m.tables {
		got := map[int]row{}
		for r := range c.Rows("shop." + name) {
			id, _ := strconv.Atoi(r["id"].Text)
			var note *string
			if v := r["note"]; !v.Null {
				note = &v.Text
			}
			got[id] = row{id, r["name"].Text, note}
		}
		for id, want := range rows {
			if g, ok := got[id]; !ok || g.object(true, row{}) != want.object(true, row{}) {
				return fmt.Sprintf("%s %d: topic %s, source %s", name, id, g.object(true, row{}), want.object(true, row{}))
			}
		}
		if len(got) != len(rows) {
			return fmt.Sprintf("%s: topic has %d rows, source %d", name, len(got), len(rows))
		}
	}
	return ""
}

// renumber gives every queue's messages their offsets anew, in slice order.
func renumber(messages []checker.Message) []checker.Message {
	next := map[int]int64{}
	out := slices.Clone(messages)
	for i := range out {
		out[i].Offset = next[out[i].Queue]
		next[out[i].Queue]++
	}
	return out
}

func mustBeClean(t *testing.T, m *model, opts checker.Options) {
	t.Helper()
	for seed := range uint64(4) {
		messages := m.messages
		if seed > 0 {
			messages = checker.Interleave(m.messages, seed)
		}
		c, r := check(opts, messages)
		if !r.OK() {
			t.Fatalf("interleaving %d: a sound topic is not clean:\n%s", seed, r.String())
		}
		if d := m.folded(c); d != "" {
			t.Fatalf("interleaving %d: %s", seed, d)
		}
	}
}
