// SPDX-License-Identifier: Apache-2.0

// Package status says how a task is doing, from its objects alone: nobody needs to be running, and nothing is written. So
// two who look at the same objects at the same time see the same, and what no object tells (why a process died, say) is not
// claimed; the log has it.
package status

import (
	"slices"
	"time"

	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// Phase is a task's status, by the names that users of DTS know.
type Phase string

// The phases.
const (
	// NotStarted: no task file was submitted.
	NotStarted Phase = "NotStarted"
	// Prechecking: submitted, and no precheck has ended yet.
	Prechecking Phase = "Prechecking"
	// PrecheckFailed: the last precheck found what blocks the task.
	PrecheckFailed Phase = "PrecheckFailed"
	// PreCheckPass: the last precheck found nothing that blocks; there is no plan yet.
	PreCheckPass Phase = "PreCheckPass"
	// Migrating: planned; the snapshot or the tail goes on, or can.
	Migrating Phase = "Migrating"
	// Suspending: a tail was stopped in good order, and none runs.
	Suspending Phase = "Suspending"
	// Retrying: the last tail's lease lapsed; another attempt is due.
	Retrying Phase = "Retrying"
	// MigrationFailed: the last tail's lease lapsed long ago, and no attempt followed.
	MigrationFailed Phase = "MigrationFailed"
	// Finished: the task has done all it should.
	Finished Phase = "Finished"
)

// Patience is how long after a tail's last sign of life an attempt of the workflow may still follow. The workflow's longest
// pause between two is five minutes.
const Patience = 10 * time.Minute

// Status is what a task's objects tell. Times are in UTC, durations in ms.
type Status struct {
	Task  string `json:"task"`
	Phase Phase  `json:"phase"`
	// Step is the workflow's step that is on, or due: precheck, plan, snapshot, settle, tail; "" before and after.
	Step string `json:"step"`
	// Reason says what Phase was concluded from.
	Reason string `json:"reason"`
	// Time is when the objects were read.
	Time time.Time `json:"time"`
	// Snapshot sums the tables up.
	Snapshot Snapshot `json:"snapshot"`
	// Checkpoint is the chain's tip; null before the snapshot is sealed.
	Checkpoint *Checkpoint `json:"checkpoint"`
}

// Snapshot is how far the tables are.
type Snapshot struct {
	Chunks     int   `json:"chunks"`
	ChunksDone int   `json:"chunksDone"`
	Rows       int64 `json:"rows"`
	// RowsEstimate is the server's guess, made when the task was planned.
	RowsEstimate int64   `json:"rowsEstimate"`
	Tables       []Table `json:"tables"`
}

// Table is how far the newest generation of one table is.
type Table struct {
	Name         string        `json:"table"`
	Generation   int64         `json:"generation"`
	Mode         snapshot.Mode `json:"mode"`
	Chunks       int           `json:"chunks"`
	ChunksDone   int           `json:"chunksDone"`
	Rows         int64         `json:"rows"`
	RowsEstimate int64         `json:"rowsEstimate"`
	// Void: this generation must be read again (rule S4).
	Void bool `json:"void"`
	// Sealed: the tail knows what the generation holds.
	Sealed bool `json:"sealed"`
}

// Checkpoint is the tip of the chain, as far as people want to know.
type Checkpoint struct {
	N     int64     `json:"n"`
	Epoch int64     `json:"epoch"`
	Owner string    `json:"owner"`
	Time  time.Time `json:"time"`
	// AgeMillis is from Time, by the owner's clock, to Status.Time, by ours.
	AgeMillis int64 `json:"ageMillis"`
	Released  bool  `json:"released"`
	Stopped   bool  `json:"stopped"`
	// Committed is how far everything is acknowledged, ReservedSeq how far rows may have been sent.
	Committed   state.Position   `json:"committed"`
	ReservedSeq int64            `json:"reservedSeq"`
	LagMillis   int64            `json:"lagMillis"`
	Counts      map[string]int64 `json:"counts"`
	// Prepared counts XA transactions that wait for their end.
	Prepared int `json:"prepared"`
	// Again names the tables that are to be read anew.
	Again []string `json:"again"`
}

// facts are the objects that a phase is concluded from.
type facts struct {
	submitted bool
	report    *verdict // nil: none
	planned   bool
	snapshot  Snapshot
	tip       *state.Checkpoint
}

// verdict is what matters here of a precheck's report.
type verdict struct {
	Blocked bool      `json:"blocked"`
	Time    time.Time `json:"time"`
}

// conclude gives phase, step and reason.
func (f *facts) conclude(now time.Time) (Phase, string, string) {
	switch {
	case f.tip != nil:
		return ofChain(f.tip, now)
	case f.planned && f.any(func(t Table) bool { return t.Generation < 0 }):
		return Migrating, "plan", "a table's chunks are not planned yet"
	case f.planned && f.any(func(t Table) bool { return !t.Void && t.ChunksDone < t.Chunks }):
		return Migrating, "snapshot", "chunks are to be read"
	case f.planned:
		return Migrating, "settle", "every chunk is delivered; the seam is not sealed yet"
	case !f.submitted && f.report == nil:
		return NotStarted, "", "nothing is stored under this name"
	case f.report == nil:
		return Prechecking, "precheck", "the task file is submitted; no precheck has reported yet"
	case f.report.Blocked:
		return PrecheckFailed, "precheck", "the precheck of " + stamp(f.report.Time) + " found what blocks the task"
	}
	return PreCheckPass, "plan", "the precheck of " + stamp(f.report.Time) + " found nothing that blocks"
}

func (f *facts) any(is func(Table) bool) bool { return slices.ContainsFunc(f.snapshot.Tables, is) }

// ofChain concludes from the tip. A tail that works extends its lease all the time, whatever it waits for; so a tip that has
// stood for longer than a newcomer would wait has lost its owner.
func ofChain(tip *state.Checkpoint, now time.Time) (Phase, string, string) {
	age := now.Sub(tip.Time)
	switch {
	case tip.Stopped:
		return Finished, "", "the task came to its end at " + stamp(tip.Time)
	case len(tip.Again) > 0 && tip.Released:
		return Migrating, "snapshot", "tables are to be read anew"
	case tip.Released && tip.N == 1:
		return Migrating, "tail", "the seam is sealed; no tail has begun yet"
	case tip.Released:
		return Suspending, "tail", "the tail drained and let go at " + stamp(tip.Time) + "; nobody has taken over"
	case age <= time.Duration(tip.HoldMillis)*time.Millisecond:
		return Migrating, "tail", "the tail is at work"
	case age <= Patience:
		return Retrying, "tail", "the tail has shown no life since " + stamp(tip.Time)
	}
	return MigrationFailed, "tail", "the tail has shown no life since " + stamp(tip.Time) + ", and no other has taken over"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// checkpointOf makes the view of a tip.
func checkpointOf(tip *state.Checkpoint, now time.Time) *Checkpoint {
	if tip == nil {
		return nil
	}
	c := &Checkpoint{
		N: tip.N, Epoch: tip.Epoch, Owner: tip.Owner, Time: tip.Time, AgeMillis: max(now.Sub(tip.Time).Milliseconds(), 0),
		Released: tip.Released, Stopped: tip.Stopped, Committed: tip.Committed, ReservedSeq: tip.Reserved.Seq,
		LagMillis: tip.LagMillis, Counts: tip.Counts, Prepared: len(tip.XA), Again: tip.Again,
	}
	if c.Counts == nil {
		c.Counts = map[string]int64{}
	}
	if c.Again == nil {
		c.Again = []string{}
	}
	return c
}
