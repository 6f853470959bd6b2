// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"sync"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/state"
)

// progress turns acknowledged sequence numbers into positions. The handler
// records where transactions end; the committer asks how far a low-water mark
// reaches. A position never passes a row that isn't acknowledged.
type progress struct {
	mu       sync.Mutex
	done     mark   // everything up to here is committed
	marks    []mark // boundaries behind it, in order
	open     opened // the transaction being handled
	uuid     string
	executed change.GTIDSet // done's set
}

// opened is where a transaction begins: the sequence number before its first
// row, how many of its rows were acknowledged before this run, and its time in
// Unix ms (0 when it isn't known).
type opened struct {
	gtid    change.GTID
	base    int64
	resumed int64
	time    int64
}

// mark is a transaction boundary: seq is the last number at it, opened its
// first transaction, which alone has rows.
type mark struct {
	opened
	seq   int64
	pos   mysql.LogPosition
	time  int64 // Unix ms of the transaction's commit
	gtids change.GTIDSet
	// effects on the checkpoint of having committed it.
	effects []func(*state.Checkpoint)
}

// newProgress starts at a checkpoint's position, with seq as the number to go
// on from. resumed of the rows of transaction open were acknowledged before: a
// position that is written before any of it is read must say so again.
func newProgress(p state.Position, set change.GTIDSet, uuid string, seq int64, open change.GTID, resumed int64) *progress {
	return &progress{
		done: mark{seq: seq, pos: mysql.LogPosition{File: p.File, Pos: p.Pos, Begun: p.FileBegun}}, executed: set.Clone(), uuid: uuid,
		open: opened{gtid: open, base: seq, resumed: resumed},
	}
}

// begin opens a transaction; resumed of its rows were acknowledged before.
func (p *progress) begin(g change.GTID, seq, resumed, time int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = opened{g, seq, resumed, time}
}

// end records a boundary. Transactions that needed no delivery join the one
// before.
func (p *progress) end(e *mysql.Event, seq int64, effects ...func(*state.Checkpoint)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.open
	p.open = opened{}
	if n := len(p.marks); n > 0 && p.marks[n-1].seq == seq {
		m := &p.marks[n-1]
		e.Extend(&m.gtids)
		m.pos, m.time = e.Position, e.Time
		m.effects = append(m.effects, effects...)
		return
	}
	m := mark{opened: was, seq: seq, pos: e.Position, time: e.Time, effects: effects}
	e.Extend(&m.gtids)
	p.marks = append(p.marks, m)
}

// idle moves the file position when nothing is open.
func (p *progress) idle(e *mysql.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.marks); n > 0 {
		p.marks[n-1].pos = e.Position
		e.Extend(&p.marks[n-1].gtids)
	} else {
		p.done.pos = e.Position
		e.Extend(&p.executed)
	}
}

// oldest is the time of the first transaction that isn't wholly acknowledged,
// 0 when there is none or its time isn't known.
func (p *progress) oldest() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.marks) > 0 {
		return p.marks[0].opened.time
	}
	return p.open.time
}

// committed gives the position that the low-water mark low reaches, the commit
// time of its last transaction (0 before the first), and what its
// transactions do to the checkpoint.
func (p *progress) committed(low int64) (pos state.Position, time int64, effects []func(*state.Checkpoint)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for ; n < len(p.marks) && p.marks[n].seq <= low; n++ {
		p.executed.Union(p.marks[n].gtids)
		effects = append(effects, p.marks[n].effects...)
		p.done = p.marks[n]
	}
	p.marks = p.marks[n:]
	if len(p.marks) == 0 {
		p.marks = nil
	}
	p.done.gtids, p.done.effects = change.GTIDSet{}, nil
	at := p.done.pos
	pos = state.Position{GTIDSet: p.executed.String(), File: at.File, Pos: at.Pos, FileBegun: at.Begun, ServerUUID: p.uuid, Seq: p.done.seq}
	// The mark may lie inside a transaction (rule T2): the first that isn't wholly
	// acknowledged, or the one being read.
	in := p.open
	if len(p.marks) > 0 {
		in = p.marks[0].opened
	}
	if !in.gtid.IsZero() && (low > in.base || in.resumed > 0) {
		pos.Seq = max(low, in.base)
		pos.Open = &state.OpenTransaction{GTID: in.gtid.String(), Row: in.resumed + pos.Seq - in.base}
	}
	return pos, p.done.time, effects
}

// reached tells whether everything in set has been handled.
func (p *progress) reached(set change.GTIDSet) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.executed.Clone()
	for _, m := range p.marks {
		all.Union(m.gtids)
	}
	return all.Covers(set)
}

// skipTo counts numbers that belong to no transaction.
func (p *progress) skipTo(seq int64, effects ...func(*state.Checkpoint)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks = append(p.marks, mark{seq: seq, pos: p.done.pos, time: p.done.time, effects: effects})
}
