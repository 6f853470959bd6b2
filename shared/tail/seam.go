// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// seams says, per table, which rows the snapshot already holds (rule S10).
// It is owned by the handler.
type seams struct {
	tables map[change.TableName]*tableSeam
	// high is the union of all watermarks: once the position covers it the seams
	// are let go.
	high change.GTIDSet
	// off and noReset switch rules off, in tests only.
	off, noReset bool
}

// tableSeam is one table's seam, with the verdicts for the transaction at hand.
type tableSeam struct {
	*snapshot.Seam
	order *mysql.KeyOrder
	// in caches whether the transaction is in a set: 0 unknown, 1 yes, 2 no.
	tx  change.GTID
	in  []uint8
	inB uint8
	// keyed is the definition last looked at, same whether its key is that of the
	// chunks' bounds.
	keyed *change.Table
	same  bool
}

// loadSeams reads the newest generation's seam of every table of the plan.
func loadSeams(ctx context.Context, t *state.Task, plan *snapshot.Plan, position change.GTIDSet) (*seams, error) {
	s := &seams{tables: map[change.TableName]*tableSeam{}}
	for _, name := range plan.Tables {
		gen, err := snapshot.LatestGeneration(ctx, t, name)
		if err != nil {
			return nil, err
		}
		if gen == nil {
			return nil, fault.New(fault.CheckpointUnusable, "run the workflow from its start: slipway run TASK", "table %s has no plan", name)
		}
		seam, err := snapshot.LoadSeam(ctx, t, name, gen.Gen)
		if errors.Is(err, state.ErrNotFound) {
			return nil, fault.New(fault.CheckpointUnusable, "run the workflow from its start: slipway run TASK", "the snapshot of %s is not settled", name)
		}
		if err != nil {
			return nil, fmt.Errorf("read the seam of %s: %w", name, err)
		}
		ts := &tableSeam{Seam: seam, in: make([]uint8, len(seam.Sets))}
		if len(seam.Definition.Key) > 0 {
			ts.order = mysql.NewKeyOrder(seam.Definition, seam.Definition.Key)
		}
		if !seam.Void && position.Covers(ts.high()) {
			continue
		}
		s.tables[name] = ts
		s.high.Union(ts.high())
	}
	return s, nil
}

// high is everything the table's seam speaks of.
func (t *tableSeam) high() change.GTIDSet {
	h := t.B.Clone()
	for _, set := range t.Sets {
		h.Union(set)
	}
	return h
}

// void lists tables whose snapshot is no good.
func (s *seams) void() (names []change.TableName) {
	for name, t := range s.tables {
		if t.Void {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool { return names[i].String() < names[j].String() })
	return names
}

// holds tells whether the snapshot holds what transaction g did to a row with
// this key, and whether it may hold it (mode Loose, and without GTIDs).
func (s *seams) holds(table *change.Table, key change.Row, g change.GTID) (yes, maybe bool) {
	if len(s.tables) == 0 || s.off {
		return false, false
	}
	t := s.tables[table.FullName()]
	if t == nil {
		return false, false
	}
	if t.inBase(g) {
		return true, true
	}
	i := 0
	if t.Mode == snapshot.Ranges {
		if !t.sameKey(table) {
			// A key that changed while chunks were read made them void: so all were read
			// on one side of the change.
			yes = t.inAll(g)
			return yes, yes
		}
		i = sort.Search(len(t.Chunks), func(i int) bool { return t.order.Compare(key, t.Chunks[i].UpTo) <= 0 })
	}
	if i == len(t.Chunks) {
		return false, false // above the planned maximum: the tail's
	}
	return t.contains(t.Chunks[i].Set, g), t.contains(t.Chunks[i].Upper, g)
}

// sameKey tells whether keys of this definition compare with the bounds.
func (t *tableSeam) sameKey(table *change.Table) bool {
	if t.keyed != table {
		t.keyed, t.same = table, snapshot.SameKey(table, t.Definition)
	}
	return t.same
}

// inAll tells whether every chunk holds the transaction.
func (t *tableSeam) inAll(g change.GTID) bool {
	for i := range t.Sets {
		if !t.contains(i, g) {
			return false
		}
	}
	return len(t.Sets) > 0
}

// reset forgets the verdicts of the transaction before.
func (t *tableSeam) reset(g change.GTID) {
	if t.tx != g {
		t.tx, t.inB = g, 0
		clear(t.in)
	}
}

func (t *tableSeam) inBase(g change.GTID) bool {
	t.reset(g)
	if t.inB == 0 {
		t.inB = verdict(t.B.Contains(g))
	}
	return t.inB == 1
}

func (t *tableSeam) contains(set int, g change.GTID) bool {
	t.reset(g)
	if t.in[set] == 0 {
		t.in[set] = verdict(t.Sets[set].Contains(g))
	}
	return t.in[set] == 1
}

func verdict(b bool) uint8 {
	if b {
		return 1
	}
	return 2
}

// removal says what a statement that removes or replaces a table's rows means
// for its snapshot (rule S4).
type removal uint8

const (
	// ordinary: a barrier like any other; no chunk was read behind it.
	ordinary removal = iota
	// held: the snapshot was planned behind it; it is dropped.
	held
	// spoiled: some chunks were read behind it and some before; the table is
	// snapshotted anew.
	spoiled
)

func (s *seams) remove(name change.TableName, g change.GTID) removal {
	t := s.tables[name]
	if t == nil || s.off {
		return ordinary
	}
	if t.inBase(g) {
		return held
	}
	for i := range t.Sets {
		if t.contains(i, g) {
			return spoiled
		}
	}
	// Every chunk was read before it, so nothing behind it is in the snapshot.
	delete(s.tables, name)
	return ordinary
}
