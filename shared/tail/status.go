// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"sync/atomic"
	"time"

	"slipway/shared/deliver"
	"slipway/shared/mysql"
	"slipway/shared/state"
)

// Status is how a tail is doing at one moment.
type Status struct {
	// Task and Environment are the task's own labels.
	Task        string `json:"task"`
	Environment string `json:"environment,omitempty"`
	// Leased: the lease is held, so messages may be sent. All that follows is zero before it was taken for the first time.
	Leased bool `json:"leased"`
	// Streaming: the binlog reader has delivered its first event.
	Streaming bool `json:"streaming"`
	// Idle: the source has nothing new and everything is acknowledged.
	Idle  bool   `json:"idle"`
	Epoch int64  `json:"epoch"`
	Owner string `json:"owner"`
	// Checkpoint is the number of the newest one, Committed and ReservedSeq are what it says.
	Checkpoint  int64          `json:"checkpoint"`
	Committed   state.Position `json:"committed"`
	ReservedSeq int64          `json:"reservedSeq"`
	// CheckpointAgeMillis is for how long the checkpoint has been the newest, or the lease has been held without one.
	CheckpointAgeMillis int64 `json:"checkpointAgeMillis"`
	// LagMillis is how far behind its source the task was at the checkpoint.
	LagMillis int64 `json:"lagMillis"`
	// SilentMillis is for how long the reader has handed on no event: an idle source is heard of twice a second.
	SilentMillis int64 `json:"silentMillis"`
	// OldestMillis is how long the oldest unacknowledged change has been next in its lane; 0 when there is none (T7).
	OldestMillis int64 `json:"oldestUnacknowledgedMillis"`
	// Retrying counts messages that are being sent again after a failure.
	Retrying int64 `json:"retrying"`
	// Changes and Messages count what was acknowledged since this tail began.
	Changes  int64 `json:"changes"`
	Messages int64 `json:"messages"`
	// Totals count the same over the task's life, as of the checkpoint.
	Totals map[string]int64 `json:"totals,omitempty"`
}

// Watch follows a running tail from outside. The tail gets its lease, sender and lanes only while it runs, so a Watch
// picks each up at a step that comes after it in the tail's own order; until then its part of the Status is zero.
type Watch struct {
	tail    *Tail
	started time.Time
	lease   atomic.Pointer[state.Lease]
	sender  atomic.Pointer[deliver.Sender]
	lanes   atomic.Pointer[deliver.Lanes]
	idle    atomic.Bool
	// When the reader was last heard of and the newest checkpoint was stored, in ns since started; 0 for never.
	heard, stored atomic.Int64
}

// Watch begins to follow the tail. It must be called before Run.
func (t *Tail) Watch() *Watch {
	w := &Watch{tail: t, started: time.Now()}
	w.followSender()
	w.followHooks()
	return w
}

func (w *Watch) followSender() {
	dial := w.tail.cfg.NewSender
	w.tail.cfg.NewSender = func(ctx context.Context, gate func() error) (*deliver.Sender, func(), error) {
		w.stored.Store(w.now())
		w.lease.Store(w.tail.lease)
		sender, closeSender, err := dial(ctx, gate)
		if err == nil {
			w.sender.Store(sender)
		}
		return sender, closeSender, err
	}
}

// followHooks sees events and checkpoints. The goroutines they come from start after the lanes were made.
func (w *Watch) followHooks() {
	hooks := &w.tail.cfg.Hooks
	event, committed := hooks.Event, hooks.Committed
	hooks.Event = func(e mysql.Event) {
		w.idle.Store(e.Kind == mysql.Idle)
		if w.heard.Swap(w.now()) == 0 {
			w.lanes.Store(w.tail.lanes)
		}
		if event != nil {
			event(e)
		}
	}
	hooks.Committed = func(cp state.Checkpoint) {
		w.stored.Store(w.now())
		if committed != nil {
			committed(cp)
		}
	}
}

// Status may be called at any time from any goroutine. It takes no lock that sending or committing waits for.
func (w *Watch) Status() Status {
	s := Status{Task: w.tail.cfg.Task.Name, Environment: w.tail.cfg.Task.Environment}
	lease := w.lease.Load()
	if lease == nil {
		return s
	}
	cp := lease.Last()
	s.Leased, s.Epoch, s.Owner = lease.Check() == nil, lease.Epoch(), lease.Owner()
	s.Checkpoint, s.Committed, s.ReservedSeq = cp.N, cp.Committed, cp.Reserved.Seq
	s.LagMillis, s.Totals = cp.LagMillis, cp.Counts
	s.CheckpointAgeMillis = w.since(&w.stored)
	if sender := w.sender.Load(); sender != nil {
		s.Retrying = sender.Retrying()
	}
	if lanes := w.lanes.Load(); lanes != nil {
		s.Streaming, s.SilentMillis = true, w.since(&w.heard)
		s.OldestMillis = lanes.Oldest().Milliseconds()
		s.Changes, s.Messages = lanes.Sent()
		s.Idle = w.idle.Load() && lanes.Oldest() == 0
	}
	return s
}

func (w *Watch) now() int64 { return int64(max(time.Since(w.started), 1)) }

func (w *Watch) since(at *atomic.Int64) int64 {
	return time.Duration(w.now() - at.Load()).Milliseconds()
}
