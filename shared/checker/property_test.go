// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/checker"
)

// history draws a sound topic: a snapshot, perhaps sent twice, then
// transactions, key changes, truncations, and crashes with replays.
func history(t *rapid.T) *model {
	m := newModel("items", "goods2")
	value := rapid.StringN(0, 4, -1)
	note := rapid.Ptr(value, true)
	pack := rapid.IntRange(1, 4)
	for id := range rapid.IntRange(0, 10).Draw(t, "rows") {
		m.tables["items"][id] = row{id, value.Draw(t, "name"), note.Draw(t, "note")}
	}
	m.snapshot("items", 0, 0)
	if rapid.Bool().Draw(t, "retry") {
		m.retry()
	}
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		switch rapid.IntRange(0, 9).Draw(t, "step") {
		case 0:
			m.flush(pack.Draw(t, "pack"))
			m.crash(m.seq-int64(rapid.IntRange(0, 8).Draw(t, "uncommitted")), pack.Draw(t, "pack"))
		case 1:
			table := rapid.SampledFrom([]string{"items", "goods2"}).Draw(t, "table")
			m.statement(table, "TRUNCATE", "truncate "+table, false)
		default:
			tx := m.begin()
			for range rapid.IntRange(1, 8).Draw(t, "changes") {
				m.randomChange(t, tx, value.Draw(t, "name"), note.Draw(t, "note"))
			}
			m.flush(pack.Draw(t, "pack"))
		}
	}
	return m
}

func (m *model) randomChange(t *rapid.T, tx *int, name string, note *string) {
	table := rapid.SampledFrom([]string{"items", "goods2"}).Draw(t, "table")
	id := rapid.IntRange(0, 12).Draw(t, "id")
	was, there := m.tables[table][id]
	switch to := rapid.IntRange(0, 14).Draw(t, "to"); {
	case !there:
		m.change(tx, table, "INSERT", row{}, row{id, name, note})
	case to == 13:
		m.change(tx, table, "DELETE", was, row{})
	case to != id && to < 13:
		if _, taken := m.tables[table][to]; !taken {
			m.change(tx, table, "UPDATE", was, row{to, name, note})
			return
		}
		fallthrough
	default:
		if next := (row{id, name, note}); next.object(true, row{}) != was.object(true, row{}) {
			m.change(tx, table, "UPDATE", was, next)
		}
	}
}

func TestAnySoundTopicIsCleanAndFoldsToTheSource(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := history(t)
		var digest uint64
		for seed := range uint64(3) {
			messages := m.messages
			if seed > 0 {
				messages = checker.Interleave(m.messages, rapid.Uint64Min(1).Draw(t, "seed"))
			}
			c, r := check(checker.Options{}, messages)
			if !r.OK() {
				t.Fatal(r.String())
			}
			if d := m.folded(c); d != "" {
				t.Fatal(d)
			}
			if seed > 0 && c.Digest() != digest {
				t.Fatal("the fold depends on the interleaving")
			}
			digest = c.Digest()
		}
	})
}

// must says how surely a fault has to be found.
type must int

const (
	// maybe: the fault may be without consequence.
	maybe must = iota
	// either: by the stream's rules or by the comparison with the source.
	either
	// stream: by the stream's rules alone.
	stream
)

// mutate makes one fault in the messages.
func mutate(t *rapid.T, ms []checker.Message) ([]checker.Message, must) {
	i := rapid.IntRange(0, len(ms)-1).Draw(t, "at")
	p := maps.Clone(ms[i].Properties)
	ms[i].Properties = p
	alone := lasting(ms, i)
	elsewhere := func() must {
		if slices.ContainsFunc(ms, func(m checker.Message) bool {
			return m.Properties["lane"] == p["lane"] && m.Queue != ms[i].Queue
		}) {
			return stream
		}
		return maybe
	}
	switch rapid.SampledFrom([]string{"drop", "swap", "repeat", "value", "id", "seq", "lane", "property", "queue"}).Draw(t, "fault") {
	case "drop":
		return slices.Delete(ms, i, i+1), alone
	case "swap":
		return swap(ms, i)
	case "repeat":
		again := ms[i]
		again.Properties = maps.Clone(p)
		delete(again.Properties, "replay")
		j := rapid.IntRange(i+1, len(ms)).Draw(t, "to")
		return slices.Insert(ms, j, again), stream
	case "value":
		body := bytes.Replace(ms[i].Body, []byte(`"name":"`), []byte(`"name":"Q`), 1)
		same := bytes.Equal(body, ms[i].Body)
		ms[i].Body = body
		if p["replay"] != "" && !same {
			return ms, stream
		}
		return ms, alone
	case "id":
		p["id"] = "x" + p["id"]
		return ms, stream
	case "seq":
		n, _ := strconv.Atoi(p["lastSeq"])
		p["seq"] = strconv.Itoa(n + 1)
		return ms, stream
	case "lane":
		n, _ := strconv.Atoi(p["lane"])
		p["lane"] = strconv.Itoa((n + 1) % lanes) // which lies in another queue
		return ms, elsewhere()
	case "property":
		delete(p, rapid.SampledFrom([]string{"task", "epoch", "phase", "lane", "seq", "lastSeq", "id", "rows", "op", "ts"}).Draw(t, "property"))
		return ms, stream
	default:
		ms[i].Queue = (ms[i].Queue + 1) % queues
		return ms, elsewhere()
	}
}

// swap exchanges a message with the next of its lane.
func swap(ms []checker.Message, i int) ([]checker.Message, must) {
	p := ms[i].Properties
	for j := i + 1; j < len(ms); j++ {
		if q := ms[j].Properties; q["lane"] == p["lane"] {
			ms[i], ms[j] = ms[j], ms[i]
			if p["replay"] == "" && q["replay"] == "" && q["phase"] == "incremental" {
				return ms, stream
			}
			return ms, maybe // rows of one snapshot have no order, copies are dropped
		}
	}
	return ms, maybe
}

// lasting tells whether a message changes rows for good: it has no copy and its
// table is not truncated later.
func lasting(ms []checker.Message, i int) must {
	p := ms[i].Properties
	if p["op"] == "DDL" || p["replay"] != "" {
		return maybe
	}
	if p["op"] == "UPDATE" && p["rows"] != "1" {
		return maybe // there and back again in one message
	}
	for _, m := range ms[i+1:] {
		q := m.Properties
		if q["table"] == p["table"] && q["op"] == "DDL" || q["replay"] != "" && q["phase"] == p["phase"] {
			return maybe
		}
	}
	return either
}

func TestAnySingleFaultIsFoundUnlessHarmless(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := history(t)
		if len(m.messages) == 0 {
			return
		}
		messages, need := mutate(t, slices.Clone(m.messages))
		c, r := check(checker.Options{}, renumber(messages))
		found := !r.OK()
		if need == either {
			found = found || m.folded(c) != ""
		}
		if need != maybe && !found {
			t.Fatalf("not found:\n%s", r.String())
		}
	})
}
