// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"database/sql"
	"encoding/hex"
	"slices"
	"strconv"
)

// matcher finds the topic's row for each row of a table's source.
type matcher struct {
	c       *Checker
	t       *table
	columns []sourceColumn
	names   []string
	count   *TableCount
	// used counts, per image of a keyless table, the copies found already.
	used map[string]int
}

// match compares one row of the source.
func (m *matcher) match(values []sql.RawBytes) {
	row := make([]Value, len(values))
	for i, v := range values {
		row[i] = m.value(i, v)
	}
	l := &layout{columns: m.names}
	r := m.find(l, row)
	if r == nil {
		m.c.differ(Difference{Table: m.t.name, Key: m.t.show(l, row), Kind: Missing})
		return
	}
	r.seen = true
	topic := decode(r.image)
	older := r.seq < m.t.lastStatement()
	for i, col := range m.columns {
		j := slices.Index(r.layout.columns, col.name)
		switch {
		case j < 0 && older: // added by an ALTER after this row was sent
			m.count.Skipped++
		case j < 0:
			m.different(l, row, col, showValue(col, values[i]), "no such column")
		case !sameValue(col, values[i], topic[j]):
			m.different(l, row, col, showValue(col, values[i]), topic[j].String())
		}
	}
	for j, name := range r.layout.columns {
		if slices.Contains(m.names, name) {
			continue
		}
		if older {
			m.count.Skipped++
			continue
		}
		m.different(l, row, sourceColumn{name: name}, "no such column", topic[j].String())
	}
}

func (m *matcher) different(l *layout, row []Value, col sourceColumn, source, topic string) {
	m.c.differ(Difference{Table: m.t.name, Key: m.t.show(l, row), Kind: Different, Column: col.name, Source: source, Topic: topic})
}

// find looks a row up by its key; in a keyless table by all its values, each
// copy once. MySQL writes a float otherwise than the topic does, so a key with
// one is sought among all rows.
func (m *matcher) find(l *layout, row []Value) *stored {
	if !m.t.keyless {
		if r := m.t.rows[m.t.keyOf(l, row, "", false)]; r != nil {
			return r
		}
		return m.scan(row, m.t.key)
	}
	image := encode(row)
	if used := m.used[image]; used < m.t.copies[image] {
		m.used[image]++
		if r := m.t.rows[image+"\x00"+strconv.Itoa(used+1)]; r != nil && !r.seen {
			return r
		}
	}
	return m.scan(row, m.names)
}

func (m *matcher) scan(row []Value, key []string) *stored {
	var at []int
	float := false
	for i, col := range m.columns {
		if slices.Contains(key, col.name) {
			at, float = append(at, i), float || col.float
		}
	}
	if !float {
		return nil
	}
	for _, r := range m.t.rows {
		if !r.seen && slices.Equal(r.layout.columns, m.names) && m.sameAt(decode(r.image), row, at) {
			return r
		}
	}
	return nil
}

func (m *matcher) sameAt(topic, source []Value, at []int) bool {
	for _, i := range at {
		if topic[i] == source[i] {
			continue
		}
		if topic[i].Null || source[i].Null || !m.columns[i].float || !m.columns[i].same(source[i].Text, topic[i].Text) {
			return false
		}
	}
	return true
}

// value is the source's value in Canal's form; a float stays as MySQL wrote it.
func (m *matcher) value(i int, v sql.RawBytes) Value {
	if v == nil {
		return Value{Null: true}
	}
	if m.columns[i].bytes {
		if b, err := hex.DecodeString(string(v)); err == nil {
			return Value{Text: latin1(b)}
		}
	}
	return Value{Text: string(v)}
}

func sameValue(col sourceColumn, source sql.RawBytes, topic Value) bool {
	if source == nil || topic.Null {
		return source == nil && topic.Null
	}
	return col.same(string(source), topic.Text)
}

func showValue(col sourceColumn, source sql.RawBytes) string {
	if source == nil {
		return Value{Null: true}.String()
	}
	return showSource(col.rendering, string(source))
}
