// SPDX-License-Identifier: Apache-2.0

// Package snapshot reads the tables as they are: it plans chunks, reads each
// exactly at a known GTID set, stores its messages before the first is sent,
// and seals the seam to the tail.
//
// It keeps rules S1 to S10: no lock is taken, nothing is written to the
// source, no row is missed, and a chunk holds each key once, at one watermark,
// however many workers and attempts there were.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/state"
	"slipway/shared/task"
)

// Plan is plan.json: what a task's run is pinned to. It is created once,
// before anything else, and never changes.
type Plan struct {
	Version    int    `json:"version"`
	ConfigHash string `json:"configHash"` // rule C6
	ServerUUID string `json:"serverUuid"`
	// P0 is executed when planning began; P1 when no XA transaction prepared
	// before P0 was open any more (rule S2).
	P0 change.GTIDSet `json:"p0"`
	P1 change.GTIDSet `json:"p1"`
	// Tables that are snapshotted in the first generation.
	Tables []change.TableName `json:"tables"`
	// Schema is the key of the table definitions as of P0 (rule T5).
	Schema string `json:"schema"`
	// Log is P0 as a position, and Since when P1 was taken, by the source's clock:
	// where the source gives no GTIDs (rule S11).
	Log   mysql.LogPosition `json:"log,omitzero"`
	Since time.Time         `json:"since,omitzero"`
	// Queues of every topic, as they must stay (rule D7).
	Queues map[string][]string `json:"queues"`
	Time   time.Time           `json:"time"`

	pages int // that Tables were read from, beside this object
}

const planVersion = 2

// ByPosition tells that the source gave no GTIDs when the task was planned: its
// sets are by position (rule S11).
func (p *Plan) ByPosition() bool { return isByPosition(p.P0) }

func isByPosition(set change.GTIDSet) bool {
	_, ok := set.LogEnd()
	return ok
}

// Mode is how a table is read.
type Mode string

// The modes.
const (
	// Ranges: chunk by chunk along the key.
	Ranges Mode = "ranges"
	// Whole: one SELECT, in parts, exact at one watermark: the key has no order
	// we can reproduce (rule S7).
	Whole Mode = "whole"
	// Loose: one SELECT whose watermark is a lower bound, for non-transactional
	// tables and those whose keys don't tell rows apart here: rows may come twice,
	// marked (rule S7).
	Loose Mode = "loose"
	// None: the table is not read; its first rows come from the tail.
	None Mode = "none"
)

// Generation is one whole snapshot of a table (rule S4).
type Generation struct {
	Table *change.Table `json:"table"`
	Gen   int64         `json:"gen"`
	// Seq is the number every row of the generation carries (rule D2).
	Seq int64 `json:"seq"`
	// B is executed before the bounds were planned: what it holds is in the
	// snapshot, or was gone before.
	B change.GTIDSet `json:"b"`
	// Since is when all of B was in the log, by the source's clock; without GTIDs
	// only (rule S11).
	Since time.Time `json:"since,omitzero"`
	Mode  Mode      `json:"mode"`
	// Ranges are the chunks of mode Ranges; none for an empty table.
	Ranges []mysql.Range `json:"ranges,omitempty"`
	// Estimate is the server's guess at the number of rows.
	Estimate int64 `json:"estimate"`
}

// Chunks is how many chunks the generation was planned with.
func (g *Generation) Chunks() int {
	switch g.Mode {
	case Ranges:
		return len(g.Ranges)
	case None:
		return 0
	}
	return 1
}

// exact tells whether each chunk is the table's rows at one watermark. If not,
// its rows are as of some moment between two, and the tail tells what happened
// between them again, marked.
func (g *Generation) exact() bool { return g.Mode != Loose && !isByPosition(g.B) }

// Name is the table's name.
func (g *Generation) Name() change.TableName { return g.Table.FullName() }

// Done is <n>.done.json: what became of a chunk, or of a part of one.
type Done struct {
	// Rows, Messages and Bytes (of bodies) that were delivered.
	Rows     int64 `json:"rows"`
	Messages int64 `json:"messages"`
	Bytes    int64 `json:"bytes"`
	// Digest is the SHA-256 of the stored .rows object.
	Digest string `json:"digest"`
	Header Header `json:"header"`
}

// Header begins a .rows object.
type Header struct {
	Table change.TableName `json:"table"`
	Gen   int64            `json:"gen"`
	Chunk string           `json:"chunk"`
	// H is the GTID set the chunk is exact at; in mode Loose and without GTIDs a
	// lower bound of it, and Upper the upper one.
	H     change.GTIDSet `json:"h"`
	Upper change.GTIDSet `json:"upper,omitzero"`
	// Range that the chunk covers; cut short by size, Next names the rest.
	Range mysql.Range `json:"range"`
	Next  string      `json:"next,omitempty"`
	// Definition the rows were read with, when it isn't the generation's.
	Definition *change.Table `json:"definition,omitempty"`
	// Parts are the objects that hold the messages of a Whole or Loose table,
	// when they aren't in this one.
	Parts []string `json:"parts,omitempty"`
	// Messages is how many stand behind the header: it tells an object that was
	// cut off from a shorter chunk.
	Messages int       `json:"messages"`
	Time     time.Time `json:"time"`
}

// Void is void.json: the generation must be read again (rule S4).
type Void struct {
	Reason string `json:"reason"`
	// Unordered says that the server's key order contradicts ours: the next
	// generation is read whole (rule S7).
	Unordered bool      `json:"unordered,omitempty"`
	Time      time.Time `json:"time"`
}

// Seam is what the tail needs to know about a table's generation: which rows
// the snapshot already holds.
type Seam struct {
	Table change.TableName `json:"table"`
	Gen   int64            `json:"gen"`
	Seq   int64            `json:"seq"`
	B     change.GTIDSet   `json:"b"`
	Mode  Mode             `json:"mode"`
	// Void: the snapshot is no good; the tail asks for a new generation.
	Void bool `json:"void,omitempty"`
	// Sets are the distinct watermarks, and upper bounds of them.
	Sets []change.GTIDSet `json:"sets,omitempty"`
	// Chunks in key order: UpTo is the chunk's inclusive upper bound (empty for
	// a whole table), Set its index into Sets.
	Chunks []SeamChunk `json:"chunks,omitempty"`
	// Definition of the table's key columns' order.
	Definition *change.Table `json:"definition"`
}

// SeamChunk is one chunk of a seam. Its rows hold what is in Set, and may hold
// what is in Upper, which is Set where the chunk is exact.
type SeamChunk struct {
	UpTo  change.Row `json:"upTo,omitempty"`
	Set   int        `json:"set"`
	Upper int        `json:"upper"`
}

// LoadPlan reads the plan of a task; state.ErrNotFound before there is one.
func LoadPlan(ctx context.Context, t *state.Task) (*Plan, error) {
	p, err := state.GetJSON[Plan](ctx, t.Store, t.Plan())
	if err != nil {
		return nil, err
	}
	if p.Version != planVersion {
		return nil, fault.New(fault.CheckpointUnusable, "use the version of slipway that made the plan, or start the task under a new name",
			"%s: version %d, this program knows %d", t.Plan(), p.Version, planVersion)
	}
	for n := 1; ; n++ {
		page, err := state.GetJSON[planPage](ctx, t.Store, t.PlanPage(n))
		if errors.Is(err, state.ErrNotFound) {
			p.pages = n - 1
			return &p, nil
		}
		if err != nil {
			return nil, err
		}
		p.Tables = append(p.Tables, page.Tables...)
	}
}

// planPage is one of plan/<n>.json, from 1 on: tables that joined the plan
// later, because a planned table's rows came to be theirs.
type planPage struct {
	Tables []change.TableName `json:"tables"`
}

// Fits refuses a task file that would shape messages otherwise than the one the
// plan was made for (rule C6).
func (p *Plan) Fits(t *task.Task) error {
	if p.ConfigHash == t.Hash() {
		return nil
	}
	return fault.New(fault.CheckpointUnusable, "undo the change of the task file, or start the task under a new name",
		"the task file changed what shapes messages (objects, format, order, lanes, topics, timezone) since the task began")
}

// LatestGeneration reads the newest generation of a table; nil when there is
// none.
func LatestGeneration(ctx context.Context, t *state.Task, name change.TableName) (*Generation, error) {
	var latest *Generation
	for n := int64(0); ; n++ {
		g, err := state.GetJSON[Generation](ctx, t.Store, t.GenerationPlan(state.TableOf(name), n))
		if errors.Is(err, state.ErrNotFound) {
			return latest, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read generation %d of %s: %w", n, name, err)
		}
		latest = &g
	}
}

// LoadSeam reads the sealed seam of one generation.
func LoadSeam(ctx context.Context, t *state.Task, name change.TableName, gen int64) (*Seam, error) {
	s, err := state.GetJSON[Seam](ctx, t.Store, t.Seam(state.TableOf(name), gen, 1))
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// chunkName names a chunk, or the k-th rest of one that was cut.
func chunkName(n, k int) string {
	if k == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d+%d", n, k)
}
