// SPDX-License-Identifier: Apache-2.0

// Package tail follows the binlog for ever and delivers what it says.
//
// It keeps idea 3 and the rules T and C: nothing is sent beyond the durable
// reservation, the committed position never passes a row that isn't
// acknowledged, at most one process sends at a time, and what may have been
// sent before is marked. A crash at any moment leaves a checkpoint from which
// the next tail goes on.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/snapshot"
	"slipway/shared/state"
	"slipway/shared/task"
)

// Config is what a tail works with.
type Config struct {
	Task     *task.Task
	State    *state.Task
	Chain    *state.Chain
	Source   mysql.Config
	Pipeline *pipeline.Pipeline
	// Sender sends under a lease: NewSender gets the lease's check as the sink's
	// gate.
	NewSender func(ctx context.Context, gate func() error) (*deliver.Sender, func(), error)
	// Queues lists a topic's queues (rule D7).
	Queues func(ctx context.Context, topic string) ([]string, error)
	Terms  state.Terms
	// ServerID is the binlog reader's own replica id.
	ServerID uint32
	// Deadline of the invocation; zero for none. Sending stops well before it
	// (rule C4).
	Deadline time.Time
	// Wait says to wait while another process holds the task, instead of
	// failing with Locked.
	Wait    bool
	Waiting func(tip state.Checkpoint, left time.Duration)
	Logger  *slog.Logger
	// Budget bounds the bytes between the reader and the acknowledgements; 0
	// means DefaultBudget.
	Budget int64
	// CommitEvery is how often a moving position is committed; 0 means a second.
	CommitEvery time.Duration
	Hooks       Hooks
	Faults      Faults
}

// Hooks let a test act, or the process die, between the steps. All may be nil.
type Hooks struct {
	Reserved   func(limit int64)         // a reservation is durable
	Committed  func(cp state.Checkpoint) // a checkpoint is durable
	Committing func()                    // a checkpoint is about to be written
	Event      func(e mysql.Event)       // before an event is handled
}

// Faults switches rules off, so that a test can show what a rule is for.
type Faults struct {
	NoDrop  bool // S10: deliver what the snapshot holds, too
	NoReset bool // S4: no TRUNCATE before a new generation
}

// Defaults.
const (
	DefaultBudget = 32 << 20
	// tailHeartbeat is how often an idle source says where it stands.
	tailHeartbeat = 500 * time.Millisecond
	// handoverMargin is how long before its deadline a tail stops sending.
	handoverMargin = 30 * time.Second
	// drainTime bounds the drain at the end.
	drainTime = 15 * time.Second
)

// Result says why a tail ended without an error.
type Result struct {
	// Again lists tables to be snapshotted anew (rule S4).
	Again []change.TableName
	// Handover is the next epoch, when the deadline came near.
	Handover int64
	// Finished: a task without the incremental stage has delivered all it
	// should.
	Finished bool
	// Interrupted: ctx ended, everything taken on was delivered and committed.
	Interrupted bool
}

// Tail is one invocation.
type Tail struct {
	cfg   Config
	lease *state.Lease
	lanes *deliver.Lanes
	stats stats
}

// New makes a tail; Run starts it.
func New(cfg Config) *Tail {
	if cfg.Budget == 0 {
		cfg.Budget = DefaultBudget
	}
	if cfg.CommitEvery == 0 {
		cfg.CommitEvery = time.Second
	}
	return &Tail{cfg: cfg}
}

var errDrain error = fault.New(fault.SinkUnreachable, "", "the broker did not take what was in flight within %s", drainTime)

// Run takes the task over for an epoch (0: the next one) and follows the
// binlog. When ctx ends it reads no further, delivers what it has taken on,
// commits and releases. Errors are classified.
func (t *Tail) Run(ctx context.Context, epoch int64) (Result, error) {
	plan, err := t.plan(ctx)
	if err != nil {
		return Result{}, err
	}
	if again, err := t.owedGenerations(ctx); err != nil || len(again) > 0 {
		return Result{Again: again}, err
	}
	if err := t.checkQueues(ctx, plan); err != nil {
		return Result{}, err
	}
	t.lease, err = t.cfg.Chain.TakeOver(ctx, state.TakeOverOptions{Epoch: epoch, Terms: t.cfg.Terms, Wait: t.cfg.Wait, Waiting: t.cfg.Waiting})
	if err != nil {
		return Result{}, state.Classify(err)
	}
	return t.run(ctx, plan)
}

// run works under the lease. A failure lets it lapse: what was in flight may
// still land (rule C4).
func (t *Tail) run(ctx context.Context, plan *snapshot.Plan) (Result, error) {
	// Sending and committing outlive ctx, which only ends the reading.
	work, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	sender, closeSender, err := t.cfg.NewSender(work, t.lease.Check)
	if err != nil {
		return Result{}, t.giveBack(ctx, err)
	}
	defer closeSender()
	g, work := errgroup.WithContext(work)
	s, err := t.newSession(work, plan, sender)
	if err != nil {
		return Result{}, t.giveBack(ctx, err)
	}
	stop, stopped := context.WithCancel(work) // ends lanes and committer once all is done
	g.Go(func() error { return s.lanes.Run(stop) })
	g.Go(func() error { return s.committer.run(stop) })
	g.Go(func() error { t.prune(stop); return nil })
	var result Result
	g.Go(func() error {
		defer stopped()
		var err error
		result, err = t.follow(ctx, work, s, kill)
		return err
	})
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	if sender.Unresolved() > 0 {
		return result, nil // the lease lapses by itself
	}
	if s.handler.level.Load() {
		t.lease.Passed()
	}
	if _, err := t.lease.Release(context.WithoutCancel(ctx), s.committer.final(result)); err != nil {
		return result, state.Classify(fmt.Errorf("release the task: %w", err))
	}
	return result, nil
}

// giveBack releases a lease under which nothing was sent, so that the next try
// needn't wait for it to lapse.
func (t *Tail) giveBack(ctx context.Context, err error) error {
	// The reservation stays: what an earlier tail sent in it may come again.
	if _, released := t.lease.Release(context.WithoutCancel(ctx), nil); released != nil {
		t.cfg.Logger.Warn("the task could not be released", "error", released)
	}
	return err
}

// prune thins the chain out now and then (rule C3). It can wait: a failure is
// only told.
func (t *Tail) prune(ctx context.Context) {
	for wait := time.Minute; ; wait = time.Hour {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := t.lease.Prune(ctx); err != nil && ctx.Err() == nil {
			t.cfg.Logger.Warn("old checkpoints could not be thinned out", "error", err)
		}
	}
}

// follow reads until something ends it, then drains.
func (t *Tail) follow(ctx, work context.Context, s *session, kill context.CancelCauseFunc) (Result, error) {
	reading, stop := context.WithCancel(work)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	// The handler may be waiting for a broker that is away: then what it has taken
	// on is given up, and the lease lapses.
	defer context.AfterFunc(reading, func() {
		time.AfterFunc(2*drainTime, func() { kill(errDrain) })
	})()
	var handover atomic.Bool
	if !t.cfg.Deadline.IsZero() {
		timer := time.AfterFunc(time.Until(t.cfg.Deadline.Add(-handoverMargin)), func() { handover.Store(true); stop() })
		defer timer.Stop()
	}
	err := s.read(reading)
	result := Result{Again: s.handler.again, Finished: errors.Is(err, errFinished)}
	switch {
	case err == nil || errors.Is(err, errAgain) || errors.Is(err, errFinished):
	case work.Err() != nil:
		return Result{}, context.Cause(work) // lanes or committer failed; they say why
	case reading.Err() != nil && errors.Is(err, context.Canceled):
	default:
		return Result{}, err
	}
	drain, cancel := context.WithTimeoutCause(work, drainTime, errDrain)
	defer cancel()
	if err := s.lanes.Drain(drain); err != nil {
		return Result{}, err
	}
	if len(result.Again) == 0 && !result.Finished {
		if handover.Load() {
			result.Handover = t.lease.Epoch() + 1
		} else {
			result.Interrupted = true
		}
	}
	return result, nil
}

// plan loads the plan and checks that the task file still fits it (rule C6).
func (t *Tail) plan(ctx context.Context) (*snapshot.Plan, error) {
	plan, err := snapshot.LoadPlan(ctx, t.cfg.State)
	if errors.Is(err, state.ErrNotFound) {
		return nil, fault.New(fault.CheckpointUnusable, "run the workflow from its start: slipway run TASK", "task %s has no plan", t.cfg.Task.Name)
	}
	if err != nil {
		return nil, err
	}
	return plan, plan.Fits(t.cfg.Task)
}

// owedGenerations lists the tables a tail before this one asked for and which
// are not settled yet.
func (t *Tail) owedGenerations(ctx context.Context) ([]change.TableName, error) {
	tip, err := t.cfg.Chain.Tip(ctx)
	if err != nil {
		return nil, state.Classify(err)
	}
	owed, err := Owed(ctx, t.cfg.State, tip)
	return owed, err
}

// Owed lists the tables that checkpoint tip wants snapshotted anew and whose
// new generation isn't settled.
func Owed(ctx context.Context, st *state.Task, tip state.Checkpoint) ([]change.TableName, error) {
	var owed []change.TableName
	for _, text := range tip.Again {
		name, err := change.ParseTableName(text)
		if err != nil {
			return nil, fault.New(fault.CheckpointUnusable, "", "checkpoint %d: %w", tip.N, err)
		}
		gen, err := snapshot.LatestGeneration(ctx, st, name)
		if err != nil {
			return nil, err
		}
		if gen != nil && gen.Seq == tip.Committed.Seq {
			_, err = snapshot.LoadSeam(ctx, st, name, gen.Gen)
		} else {
			err = state.ErrNotFound
		}
		switch {
		case errors.Is(err, state.ErrNotFound):
			owed = append(owed, name)
		case err != nil:
			return nil, err
		}
	}
	return owed, nil
}

// checkQueues refuses to send when lanes would land in other queues than so
// far, and waits for missing ones (rule D7).
func (t *Tail) checkQueues(ctx context.Context, plan *snapshot.Plan) error {
	for topic, want := range plan.Queues {
		if err := AwaitQueues(ctx, t.cfg.Queues, topic, want, t.cfg.Logger, time.Duration(t.cfg.Task.Retry.Connection)); err != nil {
			return err
		}
	}
	return nil
}

// executedOf parses a checkpoint's set.
func executedOf(cp state.Checkpoint) (change.GTIDSet, error) {
	set, err := change.ParseGTIDSet(cp.Committed.GTIDSet)
	if err != nil {
		return set, fault.New(fault.CheckpointUnusable, "", "checkpoint %d: %w", cp.N, err)
	}
	return set, nil
}
