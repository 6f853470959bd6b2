// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"strconv"
	"strings"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/format/canaljson"
	"slipway/shared/rocketmq"
)

// maxKeys bounds the keys of a packed message: the broker indexes each, and
// all properties together are limited.
const (
	maxKeys     = 32
	maxKeyBytes = 6 << 10
)

// Envelope is what a message says beside its rows.
type Envelope struct {
	Epoch int64
	Lane  int
	Topic string
	Now   time.Time
}

// RowSize estimates a row's share of a body, in bytes.
func (p *Pipeline) RowSize(c *change.Change) int { return p.encoder.RowSize(c) }

// Kind is what neighbouring changes of a lane have in common when they may
// stand in one message (rule D3). Kinds are compared with ==.
type Kind struct {
	shape  canaljson.Shape
	replay bool
}

// Kind gives a change's kind; ok is false for a DDL, which stands alone.
func (p *Pipeline) Kind(c *change.Change) (k Kind, ok bool) {
	if c.Op == change.OpDDL {
		return Kind{}, false
	}
	return Kind{p.encoder.Shape(c), c.Replay}, true
}

// Message builds the message of neighbouring rows of one lane and shape, or of
// one DDL.
func (p *Pipeline) Message(rows []*change.Change, e Envelope) (*rocketmq.Message, error) {
	first, last := rows[0], rows[len(rows)-1]
	m := &rocketmq.Message{ID: first.ID(), Topic: e.Topic, Group: Group(p.task.Name, e.Lane)}
	if len(rows) > 1 {
		m.ID += "*" + strconv.Itoa(len(rows))
	}
	database, table := first.Table.Database, first.Table.Name
	if first.Op == change.OpDDL {
		m.Body = p.encoder.AppendDDL(nil, first, e.Now)
	} else {
		size := 256
		for _, c := range rows {
			size += p.encoder.RowSize(c)
		}
		m.Body = p.encoder.AppendMessage(make([]byte, 0, size), rows, e.Now)
		m.Keys = p.keys(rows)
	}
	m.Tag = rocketmq.EncodeKey(database + "." + table)
	rowCount := len(rows)
	if first.Op == change.OpDDL {
		rowCount = 0
	}
	m.Properties = []rocketmq.Property{
		{Name: "task", Value: p.task.Name},
		{Name: "epoch", Value: strconv.FormatInt(e.Epoch, 10)},
		{Name: "phase", Value: string(first.Phase)},
		{Name: "lane", Value: strconv.Itoa(e.Lane)},
		{Name: "seq", Value: strconv.FormatInt(first.Seq, 10)},
		{Name: "lastSeq", Value: strconv.FormatInt(last.Seq, 10)},
		{Name: "id", Value: m.ID},
		{Name: "rows", Value: strconv.Itoa(rowCount)},
		{Name: "op", Value: first.Op.String()},
		{Name: "database", Value: database},
		{Name: "table", Value: table},
		{Name: "ts", Value: strconv.FormatInt(e.Now.UnixMilli(), 10)},
	}
	if first.Replay {
		MarkReplay(m)
	}
	if first.Reset {
		m.Properties = append(m.Properties, rocketmq.Property{Name: "reset", Value: "true"})
	}
	if len(m.Body) > rocketmq.MaxBodyBytes && len(rows) == 1 {
		return nil, tooLarge(first, len(m.Body))
	}
	return m, nil
}

// MarkReplay marks a message as a possible copy.
func MarkReplay(m *rocketmq.Message) {
	for _, p := range m.Properties {
		if p.Name == "replay" {
			return
		}
	}
	m.Properties = append(m.Properties, rocketmq.Property{Name: "replay", Value: "true"})
}

func tooLarge(c *change.Change, size int) error {
	return fault.New(fault.SinkRejected, "start the task under a new name without the table (objects.exclude), or after shrinking the row; a change that is in the binlog already stays too large",
		"the row of %s with key %s makes a message of %d bytes, RocketMQ takes %d (largeMessage: fail; id %s)",
		c.Table, keyText(c), size, rocketmq.MaxBodyBytes, c.ID())
}

// keyText names a row for people: column and value of its key.
func keyText(c *change.Change) string {
	if len(c.Table.Key) == 0 {
		return "(none)"
	}
	var parts []string
	for _, i := range c.Table.Key {
		parts = append(parts, c.Table.Columns[i].Name+"="+c.Image()[i].String())
	}
	return strings.Join(parts, ", ")
}

// keys are the rows' source keys, so that a message can be found by them.
func (p *Pipeline) keys(rows []*change.Change) []string {
	t := rows[0].Table
	if len(t.Key) == 0 {
		return nil
	}
	var keys []string
	size := 0
	seen := make(map[string]bool, min(len(rows), maxKeys))
	for _, c := range rows {
		k := rocketmq.EncodeKey(keyWords(t, c.Image()))
		if k == "" || seen[k] {
			continue
		}
		if size += len(k) + 1; len(keys) == maxKeys || size > maxKeyBytes {
			break
		}
		seen[k] = true
		keys = append(keys, k)
	}
	return keys
}

// keyWords joins a key's values with commas.
func keyWords(t *change.Table, row change.Row) string {
	if len(t.Key) == 1 {
		return plainText(row[t.Key[0]])
	}
	var b strings.Builder
	for i, c := range t.Key {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(plainText(row[c]))
	}
	return b.String()
}

func plainText(v change.Value) string {
	if k := v.Kind(); k == change.Text || k == change.Bytes {
		return v.Str()
	}
	return v.String()
}
