// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
	"slipway/shared/task"
)

func newPipeline(t testing.TB, more string) *pipeline.Pipeline {
	t.Helper()
	parsed, err := task.Load("shop.yaml", []byte(`name: shop
state: file:///unused
source: {hosts: ["127.0.0.1:3306"], user: u}
destination: {version: "5", endpoint: "127.0.0.1:8081", topic: t}
objects: [{match: "d.part", keyColumns: [a]}, {match: "d.wrong", keyColumns: [v]}, {match: "d.*"}]
`+more), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.New(parsed)
}

func intColumn(name string) change.Column {
	return change.Column{Name: name, Type: change.TypeInt, Declared: "int"}
}

func textColumn(name, collation string) change.Column {
	return change.Column{Name: name, Type: change.TypeVarchar, Declared: "varchar(50)", Charset: "utf8mb4", Collation: collation}
}

// table has columns a, b and v; key names those of its key.
func table(name string, key ...int) *change.Table {
	return &change.Table{Database: "d", Name: name, Columns: []change.Column{intColumn("a"), intColumn("b"), intColumn("v")}, Key: key, Primary: len(key) > 0}
}

func row(a, b, v int64) change.Row {
	return change.Row{change.NewInt(a), change.NewInt(b), change.NewInt(v)}
}

func route(t rapid.TB, p *pipeline.Pipeline, tb *change.Table) *pipeline.Route {
	t.Helper()
	r, err := p.Route(tb)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Rule D1: a row's lane follows from its key alone, whatever else it holds.
func TestD1TheLaneFollowsFromTheKey(t *testing.T) {
	p := newPipeline(t, "lanes: 16\n")
	whole, part := table("whole", 0, 1), table("part", 0, 1)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1000, 1000)
		a, b := n.Draw(t, "a"), n.Draw(t, "b")
		for _, tb := range []*change.Table{whole, part, table("whole", 0, 1)} {
			r := route(t, p, tb)
			lane := r.Lane(row(a, b, n.Draw(t, "v")))
			if lane != r.Lane(row(a, b, n.Draw(t, "other v"))) || lane < 0 || lane >= 16 {
				t.Fatalf("%s: lane %d", tb, lane)
			}
		}
		if r := route(t, p, part); r.Lane(row(a, b, 0)) != r.Lane(row(a, n.Draw(t, "other b"), 0)) {
			t.Fatal("keyColumns: [a], and b decides")
		}
	})
	lanes := map[int]bool{}
	for i := range int64(1000) {
		lanes[route(t, p, whole).Lane(row(i, i, 0))] = true
	}
	if len(lanes) != 16 {
		t.Errorf("1000 keys use %d lanes of 16", len(lanes))
	}
}

// With order: global all is one lane, with order: table a table is; a table
// without a key always is.
func TestD1Orders(t *testing.T) {
	for _, c := range []struct {
		order      string
		tables     []*change.Table
		lanes, max int
	}{
		{"global", []*change.Table{table("x", 0), table("y", 0), table("z")}, 1, 1},
		{"table", []*change.Table{table("x", 0), table("y", 0), table("z")}, 64, 3},
		{"key", []*change.Table{table("z")}, 64, 1},
	} {
		t.Run(c.order, func(t *testing.T) {
			p := newPipeline(t, "order: "+c.order+"\n")
			if p.Lanes() != c.lanes {
				t.Errorf("%d lanes", p.Lanes())
			}
			all := map[int]bool{}
			for _, tb := range c.tables {
				lanes := map[int]bool{}
				for i := range int64(100) {
					lanes[route(t, p, tb).Lane(row(i, 0, 0))] = true
				}
				if len(lanes) != 1 {
					t.Errorf("%s is in lanes %v", tb, slices.Collect(maps.Keys(lanes)))
				}
				maps.Copy(all, lanes)
			}
			if len(all) > c.max {
				t.Errorf("%d lanes are used", len(all))
			}
		})
	}
}

// Rule D7: keyColumns outside the key would send one row along two ways.
func TestD7KeyColumnsBelongToTheKey(t *testing.T) {
	p := newPipeline(t, "")
	for _, tb := range []*change.Table{table("wrong", 0, 1), table("wrong"), table("part", 1)} {
		if _, err := p.Route(tb); fault.ClassOf(err) != fault.Config || !strings.Contains(err.Error(), "keyColumns of "+tb.String()) {
			t.Errorf("%v: %v", tb.Key, err)
		}
	}
	if _, err := p.Route(&change.Table{Database: "elsewhere", Name: "x"}); err == nil {
		t.Error("a table nobody selected has a route")
	}
}

// Rule S6: a key moves when the server says that it is another one.
func TestS6WhatMovesAKey(t *testing.T) {
	p := newPipeline(t, "")
	words := &change.Table{Database: "d", Name: "words", Columns: []change.Column{textColumn("k", "utf8mb4_0900_ai_ci"), intColumn("v")}, Key: []int{0}, Primary: true}
	exact := &change.Table{Database: "d", Name: "exact", Columns: []change.Column{textColumn("k", "utf8mb4_bin"), intColumn("v")}, Key: []int{0}, Primary: true}
	word := func(s string, v int64) change.Row { return change.Row{change.NewText(s), change.NewInt(v)} }
	for _, c := range []struct {
		table         *change.Table
		before, after change.Row
		moves         bool
	}{
		{table("t", 0), row(1, 1, 1), row(1, 2, 3), false},
		{table("t", 0), row(1, 1, 1), row(2, 1, 1), true},
		{table("t", 0, 1), row(1, 1, 1), row(1, 2, 1), true},
		{table("keyless"), row(1, 1, 1), row(2, 2, 2), false},
		{words, word("abc", 1), word("ABC", 2), false},
		{words, word("abc", 1), word("äbc", 1), false},
		{words, word("abc", 1), word("abd", 1), true},
		{exact, word("abc", 1), word("ABC", 1), true},
	} {
		if got := route(t, p, c.table).Moves(c.before, c.after); got != c.moves {
			t.Errorf("%s: %v to %v moves: %v", c.table, c.before, c.after, got)
		}
		if !c.moves && len(c.table.Key) > 0 {
			if r := route(t, p, c.table); r.Lane(c.before) != r.Lane(c.after) || r.KeyText(c.before) != r.KeyText(c.after) {
				t.Errorf("%s: %v and %v are one key in two lanes", c.table, c.before, c.after)
			}
		}
	}
}

// Rules D3, D4: what a message says of its rows.
func TestD4Properties(t *testing.T) {
	p := newPipeline(t, "")
	tb := table("odd name", 0, 1)
	now := time.UnixMilli(1_700_000_000_123)
	rows := []*change.Change{
		{Op: change.OpInsert, Phase: change.PhaseIncremental, Table: tb, After: row(1, 2, 3), Seq: 7, Origin: "g:1/d.odd name", Ordinal: 4, Replay: true},
		{Op: change.OpInsert, Phase: change.PhaseIncremental, Table: tb, After: row(1, 2, 3), Seq: 9, Origin: "g:1/d.odd name", Ordinal: 6, Replay: true},
		{Op: change.OpInsert, Phase: change.PhaseIncremental, Table: tb, After: row(5, 6, 7), Seq: 12, Origin: "g:2/d.odd name", Ordinal: 0, Replay: true},
	}
	m, err := p.Message(rows, pipeline.Envelope{Epoch: 3, Lane: 5, Topic: "t", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	want := "task=shop epoch=3 phase=incremental lane=5 seq=7 lastSeq=12 id=g:1/d.odd name/4*3 rows=3 op=INSERT database=d table=odd name ts=1700000000123 replay=true"
	if got := text(m); got != want {
		t.Errorf("properties\n got %s\nwant %s", got, want)
	}
	if m.ID != "g:1/d.odd name/4*3" || m.Topic != "t" || m.Group != "shop/5" || m.Tag != rocketmq.EncodeKey("d.odd name") || strings.Join(m.Keys, " ") != "1,2 5,6" {
		t.Errorf("id %q, topic %q, group %q, tag %q, keys %q", m.ID, m.Topic, m.Group, m.Tag, m.Keys)
	}
	pipeline.MarkReplay(m)
	if got := text(m); got != want {
		t.Errorf("marked twice: %s", got)
	}

	ddl := &change.Change{
		Op: change.OpDDL, Phase: change.PhaseIncremental, Table: &change.Table{Database: "d", Name: "x"}, Seq: 13, Origin: "g:3/d.x",
		DDL: &change.DDL{Type: change.DDLAlter, Database: "d", Table: "x", SQL: "ALTER TABLE x ADD y INT"},
	}
	if m, err = p.Message([]*change.Change{ddl}, pipeline.Envelope{Now: now}); err != nil {
		t.Fatal(err)
	}
	if got := text(m); !strings.Contains(got, "id=g:3/d.x/0 rows=0 op=DDL database=d table=x") || strings.Contains(got, "replay") || len(m.Keys) > 0 {
		t.Errorf("a DDL: %s", got)
	}
}

func text(m *rocketmq.Message) string {
	var out []string
	for _, p := range m.Properties {
		out = append(out, p.Name+"="+p.Value)
	}
	return strings.Join(out, " ")
}

// Keys of a message stay within what RocketMQ takes, however many rows it has.
func TestD4KeysAreBounded(t *testing.T) {
	p := newPipeline(t, "")
	long := &change.Table{Database: "d", Name: "long", Columns: []change.Column{textColumn("k", "utf8mb4_bin")}, Key: []int{0}, Primary: true}
	for _, size := range []int{1, 300, 3000} {
		var rows []*change.Change
		for i := range 500 {
			k := fmt.Sprintf("%d|", i) + strings.Repeat("é ", size)
			rows = append(rows, &change.Change{Op: change.OpInsert, Phase: change.PhaseIncremental, Table: long, After: change.Row{change.NewText(k)}, Seq: int64(i + 1), Origin: "g:1/d.long"})
		}
		m, err := p.Message(rows, pipeline.Envelope{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, k := range m.Keys {
			total += len(k)
			if strings.ContainsAny(k, " |") {
				t.Errorf("key %q", k)
			}
		}
		if total > 8<<10 || len(m.Keys) > 32 {
			t.Errorf("%d keys, %d bytes", len(m.Keys), total)
		}
	}
}

// Rule D3: rows share a message only if they agree in all that it says of them.
func TestD3WhatMayShareAMessage(t *testing.T) {
	p := newPipeline(t, "")
	share := func(a, b *change.Change) bool {
		ka, oka := p.Kind(a)
		kb, okb := p.Kind(b)
		return oka && okb && ka == kb
	}
	tb := table("t", 0)
	base := change.Change{Op: change.OpInsert, Phase: change.PhaseIncremental, Table: tb, After: row(1, 1, 1)}
	for _, c := range []struct {
		name  string
		alter func(*change.Change)
		may   bool
	}{
		{"another row", func(c *change.Change) { c.After, c.GTID, c.Seq, c.Time = row(9, 9, 9), "g:2", 9, 9 }, true},
		{"another operation", func(c *change.Change) { c.Op, c.Before, c.After = change.OpDelete, c.After, nil }, false},
		{"another definition", func(c *change.Change) { c.Table = table("t", 0) }, false},
		{"another phase", func(c *change.Change) { c.Phase = change.PhaseFull }, false},
		{"a replay", func(c *change.Change) { c.Replay = true }, false},
		{"a statement", func(c *change.Change) { c.Op, c.DDL = change.OpDDL, &change.DDL{} }, false},
	} {
		other := base
		c.alter(&other)
		if got := share(&base, &other); got != c.may {
			t.Errorf("%s may share: %v", c.name, got)
		}
	}
	// An unsigned value with its top bit set is another sqlType.
	u := &change.Table{Database: "d", Name: "u", Columns: []change.Column{{Name: "n", Type: change.TypeTinyInt, Declared: "tinyint unsigned", Unsigned: true}}, Key: []int{0}, Primary: true}
	small := change.Change{Op: change.OpInsert, Phase: change.PhaseIncremental, Table: u, After: change.Row{change.NewUint(127)}}
	large := small
	large.After = change.Row{change.NewUint(128)}
	if share(&small, &large) {
		t.Error("rows of two sqlTypes share a message")
	}
}
