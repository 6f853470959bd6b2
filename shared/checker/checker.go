// SPDX-License-Identifier: Apache-2.0

// Package checker proves what Slipway promises, from the outside: it reads a
// topic from its first message with another client, checks every message and
// their order, folds them as a consumer by rule D6 does, and compares the
// result with the source, value by value.
//
// It keeps one invariant: it shares no code with what it checks. It reads
// properties, Canal JSON and MySQL by its own means, so that a mistake in the
// encoder can't hide itself. It finds nothing when nothing was sent: a caller
// looks at Report.Messages and Report.Compared too. It does not notice the loss
// of a message whose rows end as they began, or that a TRUNCATE after it undid:
// nothing tells that it was sent.
//
// Add takes the messages of one queue in their order, queues interleaved in any
// way. Stop the writers and call Fence before reading, else the comparison is
// between two moments.
package checker

import (
	"errors"
	"fmt"
	"iter"
)

// Options say what a topic may contain. The zero Options are strict.
type Options struct {
	// Late is how many unmarked copies are tolerated: at most one per lane and
	// frozen process, 0 when none was frozen.
	Late int
	// Rewound: the task was rewound or followed another server, so that rows with
	// replay=true may be older than what was delivered before them.
	Rewound bool
	// Unchained: some changes are not delivered on purpose (a filter, a choice of
	// operations or columns), so the images of a row need not follow each other.
	Unchained bool
	// FullOld: `old` carries all columns, not only the changed ones.
	FullOld bool
	// Keys names the key columns of tables, "database.table"; without it a
	// message's pkNames count, and a table without them is a bag of rows.
	Keys map[string][]string
	// Detail caps the listed violations and the listed differences, each; 0
	// means 50.
	Detail int
}

func (o Options) detail() int {
	if o.Detail == 0 {
		return 50
	}
	return o.Detail
}

// Checker takes messages one after the other. One goroutine may use it.
type Checker struct {
	opts    Options
	decode  decoder
	streams *streams
	fold    *fold
	report  Report
	late    []Violation
	doubts  []pendingDoubt
}

// pendingDoubt waits for the end, when every DDL is known.
type pendingDoubt struct {
	doubt
	at Violation
}

// New starts with an empty topic.
func New(opts Options) *Checker {
	return &Checker{
		opts:    opts,
		decode:  decoder{fullOld: opts.FullOld},
		streams: newStreams(opts.Rewound),
		fold:    newFold(opts.Keys),
		report:  Report{ByRule: map[string]int64{}, Violations: []Violation{}, Differences: []Difference{}},
	}
}

// Add checks one message and applies it.
func (c *Checker) Add(m Message) {
	c.report.Messages++
	at := Violation{ID: m.Properties["id"], Topic: m.Topic, Broker: m.Broker, Queue: m.Queue, Offset: m.Offset}
	ch, ok := c.understand(&m, at)
	if !ok {
		return
	}
	c.count(ch)
	v := c.streams.see(ch, &m)
	c.judge(v, at)
	o := c.fold.apply(ch, m.Topic)
	switch {
	case o.removed:
		c.report.Removed++
	case o.dropped:
		c.report.Dropped++
		if !v.copied && len(v.wrong) == 0 {
			c.violate(at, RuleDropped, fmt.Sprintf("D6 drops it by seq %d, and it was never delivered before", ch.lastSeq))
		}
	}
	if o.straddles {
		c.violate(at, RuleBarrier, "rows on both sides of a TRUNCATE, DROP or RENAME in one message")
	}
	if c.opts.Unchained || v.copied || ch.replay && c.opts.Rewound {
		return
	}
	for _, d := range o.doubts {
		if d.bag && ch.replay {
			continue // the seam of a keyless table is not exact (S7), its rows are marked
		}
		if d.row < v.repeated {
			continue // D6 applies a message whole; the new rows behind are held against it
		}
		if len(c.doubts) < maxDoubts {
			c.doubts = append(c.doubts, pendingDoubt{d, at})
		} else {
			c.violate(at, RuleChain, d.detail)
		}
	}
}

// maxDoubts bounds what is kept for the end; a sound topic has hardly any.
const maxDoubts = 100_000

// understand reads properties, id and body; false if they can't be followed.
func (c *Checker) understand(m *Message, at Violation) (*change, bool) {
	h, wrong, usable := parseHeader(m.Properties)
	for _, w := range wrong {
		c.violate(at, RuleProperties, w)
	}
	if !usable {
		return nil, false
	}
	ch := &change{header: h}
	var err error
	if ch.rid, err = parseID(&h); err != nil {
		c.violate(at, RuleID, err.Error())
	}
	wrong, err = c.decode.body(ch, m.Body)
	for _, w := range wrong {
		c.violate(at, RuleBody, w)
	}
	if err != nil {
		c.violate(at, RuleBody, err.Error())
		return nil, false
	}
	return ch, true
}

func (c *Checker) count(ch *change) {
	n := int64(len(ch.rows))
	c.report.Rows += n
	switch {
	case ch.ddl():
		c.report.DDL++
	case ch.full():
		c.report.Full += n
	default:
		c.report.Incremental += n
	}
	if ch.replay {
		c.report.Replays++
	}
}

func (c *Checker) judge(v verdict, at Violation) {
	if v.copied {
		c.report.Copies++
	}
	if v.late {
		c.report.Late++
	}
	for _, w := range v.wrong {
		if w.rule == RuleRepeat && v.late {
			at.Rule, at.Detail = w.rule, w.detail
			if len(c.late) < c.opts.detail() {
				c.late = append(c.late, at)
			}
			continue
		}
		c.violate(at, w.rule, w.detail)
	}
}

func (c *Checker) violate(at Violation, rule, detail string) {
	at.Rule, at.Detail = rule, detail
	c.report.violate(c.opts.detail(), at)
}

// Digest is a hash of all rows folded so far, free of their order: equal for
// every interleaving of the queues.
func (c *Checker) Digest() uint64 { return c.fold.digest() }

// Report gives what was found so far. What waits for the end of the topic
// (late copies against Options.Late, images that a DDL in another queue may
// excuse) is decided now, so call it when all messages were added.
func (c *Checker) Report() Report {
	for _, d := range c.doubts {
		if !c.fold.excused(d.doubt) {
			c.violate(d.at, RuleChain, d.detail)
		}
	}
	c.doubts = nil
	if c.report.Late > int64(c.opts.Late) {
		for _, l := range c.late {
			c.violate(l, l.Rule, l.Detail)
		}
		if extra := c.report.Late - int64(len(c.late)); extra > 0 && len(c.late) > 0 {
			c.report.ViolationCount += extra
			c.report.ByRule[RuleRepeat] += extra
		}
		c.late = nil
	}
	return c.report
}

var errNoTables = errors.New("no tables to compare")

// Rows gives the folded rows of "database.table", in no order, each by column
// name.
func (c *Checker) Rows(table string) iter.Seq[map[string]Value] {
	return func(yield func(map[string]Value) bool) {
		t := c.fold.tables[table]
		if t == nil {
			return
		}
		for _, r := range t.rows {
			row := make(map[string]Value, len(r.layout.columns))
			for i, v := range decode(r.image) {
				row[r.layout.columns[i]] = v
			}
			if !yield(row) {
				return
			}
		}
	}
}
