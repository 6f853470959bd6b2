// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"fmt"
	"slices"
	"strconv"
)

// Message is one message as it lies in a topic, the unit everything here works
// on. Tests build it by hand; Stream builds it from a broker.
type Message struct {
	// Topic, Broker and Queue name the queue; Offset is the place in it, from 0.
	Topic  string
	Broker string
	Queue  int
	Offset int64
	// Properties are the user properties of rule D4, and the broker's own.
	Properties map[string]string
	// Body is Canal JSON, as stored.
	Body []byte
}

// queueName identifies the queue among all topics and brokers.
func (m *Message) queueName() string {
	return m.Topic + "/" + m.Broker + "/" + strconv.Itoa(m.Queue)
}

// shardingKey is the property in which a broker keeps the message group; a
// pull consumer sees the group nowhere else.
const shardingKey = "__SHARDINGKEY"

// header is what the properties of D4 say.
type header struct {
	task, phase, lane, id, op, database, table string
	epoch, seq, lastSeq, ts                    int64
	rows                                       int
	replay, reset                              bool
}

func (h *header) full() bool { return h.phase == "full" }
func (h *header) ddl() bool  { return h.op == "DDL" }

// name joins database and table as ids and this package's maps have it.
func (h *header) name() string { return h.database + "." + h.table }

// parseHeader reads the properties. What is wrong with them comes back as
// sentences; a header with wrong numbers can't be followed, so usable is false.
func parseHeader(p map[string]string) (h header, wrong []string, usable bool) {
	r := propertyReader{p: p}
	h.task = r.text("task")
	h.phase = r.oneOf("phase", "full", "incremental")
	h.lane = r.text("lane")
	h.id = r.text("id")
	h.op = r.oneOf("op", "INSERT", "UPDATE", "DELETE", "DDL")
	h.epoch = r.number("epoch")
	h.seq = r.number("seq")
	h.lastSeq = r.number("lastSeq")
	h.rows = int(r.number("rows"))
	h.ts = r.number("ts")
	if h.op == "DDL" { // CREATE DATABASE has no table, CREATE USER not even a database
		h.database, h.table = p["database"], p["table"]
	} else {
		h.database, h.table = r.text("database"), r.text("table")
	}
	h.replay = r.flag("replay")
	h.reset = r.flag("reset")
	usable = len(r.wrong) == 0
	if usable && h.seq > h.lastSeq {
		r.fail("seq %d is above lastSeq %d", h.seq, h.lastSeq)
	}
	if usable && !h.ddl() && h.rows < 1 {
		r.fail("rows is %d", h.rows)
	}
	if usable && (h.rows == 1 || h.ddl()) && h.seq != h.lastSeq {
		r.fail("one row, but seq %d and lastSeq %d differ", h.seq, h.lastSeq)
	}
	if usable && h.reset && !h.ddl() {
		r.fail("reset on an %s", h.op)
	}
	return h, r.wrong, usable
}

// propertyReader collects what is wrong, so that one message tells all at once.
type propertyReader struct {
	p     map[string]string
	wrong []string
}

func (r *propertyReader) fail(format string, a ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, a...))
}

func (r *propertyReader) text(name string) string {
	v := r.p[name]
	if v == "" {
		r.fail("property %s is missing", name)
	}
	return v
}

func (r *propertyReader) oneOf(name string, allowed ...string) string {
	v := r.text(name)
	if v != "" && !slices.Contains(allowed, v) {
		r.fail("property %s is %q, not one of %v", name, v, allowed)
	}
	return v
}

func (r *propertyReader) number(name string) int64 {
	v := r.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != v {
		r.fail("property %s is %q, not a plain number", name, v)
	}
	return n
}

func (r *propertyReader) flag(name string) bool {
	v, ok := r.p[name]
	if ok && v != "true" {
		r.fail("property %s is %q, only \"true\" or nothing is allowed", name, v)
	}
	return v == "true"
}
