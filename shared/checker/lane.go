// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"fmt"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
)

// lane is one ordered stream of messages: a lane of a topic, which must lie in
// one queue. Its history is what it delivered for the first time, row by row,
// so that copies can be held against it however they are packed.
type lane struct {
	queue, group string
	// high is the highest lastSeq, of whatever phase; highFull tells whether it
	// came from a snapshot, whose rows may share it.
	high     int64
	started  bool
	highFull bool
	// parts are the incremental messages of the history, seqs ascending; digests
	// has one hash per row of them.
	parts   []part
	digests []uint64
	// next is the row after the last copy, where the next copy probably goes on.
	next int
	// gtid and ordinals: the last transaction's last ordinal per table.
	gtid     string
	ordinals map[string]int64
}

// part is one message of a lane's history: rows from start on, numbered from
// seq to lastSeq, its id's hash.
type part struct {
	seq, lastSeq int64
	start        int
	id           uint64
}

// place is where an id was first seen.
type place struct {
	lane *lane
	// row is the index into digests; of a full message, full holds its digest.
	row  int
	full bool
	// digest of the whole body of a full message.
	digest uint64
}

// verdict on one message.
type verdict struct {
	// copied: all its rows were delivered before, as far as can be told. known: a
	// message with this id was.
	copied, known bool
	// repeated counts the rows at a message's start that were delivered before,
	// when the rest is new.
	repeated int
	// late: an unmarked copy, as a frozen process may leave it.
	late  bool
	wrong []finding
}

// finding is a rule broken, before it has a place.
type finding struct{ rule, detail string }

func (v *verdict) fail(rule, format string, a ...any) {
	v.wrong = append(v.wrong, finding{rule, fmt.Sprintf(format, a...)})
}

// streams is all that is known about the order of messages.
type streams struct {
	lanes   map[[2]string]*lane
	ids     map[uint64]place
	rewound bool
}

func newStreams(rewound bool) *streams {
	return &streams{lanes: map[[2]string]*lane{}, ids: map[uint64]place{}, rewound: rewound}
}

// see checks a message against its lane and adds it to the history.
func (s *streams) see(c *change, m *Message) verdict {
	var v verdict
	l := s.lanes[[2]string{m.Topic, c.lane}]
	if l == nil {
		l = &lane{queue: m.queueName(), group: m.Properties[shardingKey]}
		s.lanes[[2]string{m.Topic, c.lane}] = l
	}
	if q := m.queueName(); q != l.queue {
		v.fail(RuleLane, "lane %s is in queue %s and in %s", c.lane, l.queue, q)
	}
	if g := m.Properties[shardingKey]; g != l.group {
		v.fail(RuleLane, "lane %s has message groups %q and %q", c.lane, l.group, g)
	}
	id := xxhash.Sum64String(c.rid.base)
	was, known := s.ids[id]
	v.known = known
	if known && was.lane != l {
		v.fail(RuleRepeat, "the id was used in another lane")
	}
	if c.full() {
		s.seeFull(c, l, id, was, &v)
	} else {
		s.seeIncremental(c, l, id, was, &v)
	}
	if !l.started || c.lastSeq > l.high {
		l.high, l.highFull, l.started = c.lastSeq, c.full(), true
	}
	return v
}

func (s *streams) seeFull(c *change, l *lane, id uint64, was place, v *verdict) {
	if v.known {
		v.copied = true
		if !was.full || was.digest != c.digest {
			v.fail(RuleCopy, "differs from the message with the same id before it")
		}
		if !c.replay {
			v.late = true
			v.fail(RuleRepeat, "a repetition without replay=true")
		}
		return
	}
	s.ids[id] = place{lane: l, full: true, digest: c.digest}
	if l.started && (c.seq < l.high || c.seq == l.high && !l.highFull && !c.replay && !l.barrierAt(c.seq)) {
		v.fail(RuleOrder, "snapshot row with seq %d after seq %d of the same lane", c.seq, l.high)
	}
	if c.seq != c.lastSeq {
		v.fail(RuleProperties, "snapshot rows of one generation share one seq, not %d to %d", c.seq, c.lastSeq)
	}
}

// barrierAt tells whether the last incremental message has just this seq: the
// reset that opens a generation shares its number.
func (l *lane) barrierAt(seq int64) bool {
	return len(l.parts) > 0 && l.parts[len(l.parts)-1].lastSeq == seq
}

func (s *streams) seeIncremental(c *change, l *lane, id uint64, was place, v *verdict) {
	end := int64(-1)
	if n := len(l.parts); n > 0 {
		end = l.parts[n-1].lastSeq
	}
	if c.seq > end {
		s.seeNew(c, l, id, v)
		return
	}
	at, found := l.locate(c, was, v.known)
	switch {
	case found:
		v.copied = true
		l.next = at + len(c.digests)
		if l.next > len(l.digests) { // packed with rows that are new
			v.copied, v.repeated = false, len(l.digests)-at
			l.parts = append(l.parts, part{seq: end + 1, lastSeq: c.lastSeq, start: len(l.digests)})
			l.digests = append(l.digests, c.digests[len(l.digests)-at:]...)
		}
		if !c.replay {
			v.late = true
			v.fail(RuleRepeat, "a repetition without replay=true")
		}
	case v.known:
		v.copied = true
		v.fail(RuleCopy, "differs from the message with the same id before it")
		if !c.replay {
			v.fail(RuleRepeat, "a repetition without replay=true")
		}
	case s.rewound && c.replay:
		v.copied = true
	default:
		v.fail(RuleOrder, "seq %d after %d of the same lane, and no copy of anything delivered before", c.seq, end)
	}
}

// seeNew adds a message with a higher seq than all before it. With an id known
// already it is what a failover or a rewind sends again under new numbers (D2).
func (s *streams) seeNew(c *change, l *lane, id uint64, v *verdict) {
	if v.known {
		v.copied = true
		if !c.replay {
			v.late = true
			v.fail(RuleRepeat, "a repetition without replay=true")
		}
	} else {
		if !c.replay && l.started && c.seq <= l.high {
			v.fail(RuleOrder, "seq %d after %d of the same lane", c.seq, l.high)
		}
		s.ids[id] = place{lane: l, row: len(l.digests)}
		l.checkOrdinal(c, v)
	}
	l.parts = append(l.parts, part{c.seq, c.lastSeq, len(l.digests), id})
	l.digests = append(l.digests, c.digests...)
}

// checkOrdinal: within a transaction, a table's ordinals ascend in a lane.
func (l *lane) checkOrdinal(c *change, v *verdict) {
	if c.reset {
		return // named by its generation, not by a transaction
	}
	if c.rid.gtid != l.gtid {
		l.gtid, l.ordinals = c.rid.gtid, map[string]int64{}
	}
	if last, ok := l.ordinals[c.name()]; ok && c.rid.ordinal <= last {
		v.fail(RuleID, "ordinal %d after %d of the same transaction and table", c.rid.ordinal, last)
	}
	// Rows of one message may belong to several transactions; at least its own.
	l.ordinals[c.name()] = c.rid.ordinal
}

// locate finds the row of the history a copy starts at. Its id tells if the
// copy starts where a message did; else its seq tells between which rows, and
// the rows' contents decide.
func (l *lane) locate(c *change, was place, known bool) (int, bool) {
	if known {
		return was.row, was.lane == l && !was.full && l.matches(c, was.row)
	}
	i := sort.Search(len(l.parts), func(i int) bool { return l.parts[i].lastSeq >= c.seq })
	if i == len(l.parts) || c.seq < l.parts[i].seq {
		return 0, false
	}
	p := l.parts[i]
	last := l.endOf(i) - 1
	if p.id != 0 && c.seq == p.seq && p.seq != p.lastSeq {
		return 0, false // starts where p does, under another id
	}
	if c.seq == p.lastSeq && p.id != 0 {
		if last == p.start { // a single row has one id
			return 0, false
		}
		return last, l.matches(c, last)
	}
	if l.next > p.start && l.next <= last && l.matches(c, l.next) {
		return l.next, true
	}
	for at := p.start; at <= last; at++ {
		if (at > p.start || p.id == 0) && l.matches(c, at) {
			return at, true
		}
	}
	return 0, false
}

func (l *lane) endOf(i int) int {
	if i+1 < len(l.parts) {
		return l.parts[i+1].start
	}
	return len(l.digests)
}

// matches tells whether the rows of a copy are the history's from a row on, and
// end at a fitting seq.
func (l *lane) matches(c *change, at int) bool {
	n := min(len(c.digests), len(l.digests)-at)
	if !slices.Equal(l.digests[at:at+n], c.digests[:n]) {
		return false
	}
	if n < len(c.digests) {
		return c.lastSeq > l.parts[len(l.parts)-1].lastSeq
	}
	i := sort.Search(len(l.parts), func(i int) bool { return l.parts[i].start > at+n-1 }) - 1
	return c.lastSeq >= l.parts[i].seq && c.lastSeq <= l.parts[i].lastSeq
}
