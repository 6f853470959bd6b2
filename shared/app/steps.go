// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"time"

	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/precheck"
	"slipway/shared/snapshot"
	"slipway/shared/state"
	"slipway/shared/tail"
)

// What an invocation must have at its start: a worker begins no chunk, and a tail sends no message, when the deadline is
// nearer than what their orderly end takes (rule C4). With less they would do nothing and be called again, for ever.
const (
	leastSnapshotTime = 24 * time.Second
	leastTailTime     = 40 * time.Second
)

// enough tells whether the platform gives a step the time to get anywhere.
func enough(ctx context.Context, step string, least time.Duration) error {
	deadline, ok := ctx.Deadline()
	if !ok || time.Until(deadline) >= least {
		return nil
	}
	return fault.New(fault.Config, "raise the function's timeout, in s.yaml, to a minute or more",
		"the %s function has %s left at its start and needs %s to get anywhere", step, time.Until(deadline).Round(time.Second), least)
}

// Precheck looks for what would stop the task later, and stores the report.
func (a *App) Precheck(ctx context.Context, in PrecheckInput) (PrecheckOutput, error) {
	report, err := a.Report(ctx, in.Task, nil)
	if err != nil {
		return PrecheckOutput{}, err
	}
	out := PrecheckOutput{Blocked: report.Blocked}
	for _, f := range report.Findings {
		switch f.Level {
		case precheck.Failed:
			out.Report.Failed++
		case precheck.Warning:
			out.Report.Warnings++
		default:
			out.Report.Passed++
		}
	}
	return out, nil
}

// Report is Precheck with the whole report; only limits it to some items.
func (a *App) Report(ctx context.Context, name string, only []string) (precheck.Report, error) {
	j, err := a.open(ctx, name)
	if j == nil {
		return precheck.Report{}, err // without the task file there is nothing to check
	}
	report, err := precheck.Run(ctx, precheck.Env{Task: j.task, Only: only, Logger: a.env.Log})
	if err != nil {
		return report, err
	}
	if err := state.PutJSON(ctx, a.store, j.state.Precheck(), report); err != nil {
		a.env.Log.Warn("the precheck report could not be stored", "error", err)
	}
	return report, nil
}

// Plan makes the plan, or the plan of new generations of some tables. Planning
// again gives what is there.
func (a *App) Plan(ctx context.Context, in PlanInput) (PlanOutput, error) {
	j, err := a.open(ctx, in.Task)
	if err != nil {
		return PlanOutput{}, err
	}
	wait := a.env.Tune.XAWait
	if wait == 0 {
		wait = time.Minute
	}
	planner := snapshot.NewPlanner(snapshot.PlannerConfig{
		Task: j.task, State: j.state, Source: j.source, Pipeline: j.pipe, Queues: a.queues(j), ChunkRows: a.env.Tune.ChunkRows,
		ServerID: replicaID(), Logger: a.env.Log, XAWait: wait, Age: a.env.Tune.Age, Hooks: a.env.Tune.PlanHooks,
	})
	plan, chunks, err := planner.Plan(ctx)
	if err != nil {
		return PlanOutput{}, err
	}
	rows := int64(0)
	for _, name := range plan.Tables {
		if gen, err := snapshot.LatestGeneration(ctx, j.state, name); err == nil && gen != nil {
			rows += gen.Estimate
		}
	}
	// What a tail asked for counts, whatever the input says: an execution that was
	// started anew knows nothing of it.
	tip, err := j.chain.Tip(ctx)
	switch {
	case err == nil:
		owed, err := tail.Owed(ctx, j.state, tip)
		if err != nil {
			return PlanOutput{}, err
		}
		if chunks, err = planner.Again(ctx, owed, tip.Committed.Seq); err != nil {
			return PlanOutput{}, err
		}
	case !errors.Is(err, state.ErrNoChain):
		return PlanOutput{}, state.Classify(err)
	}
	if a.env.Progress != nil {
		a.env.Progress.Planned(rows, chunks)
	}
	return PlanOutput{Workers: Workers(max(min(a.env.Workers, chunks), 1)), Chunks: chunks}, nil
}

// Snapshot reads and delivers one worker's share of the chunks, until none is
// left or the deadline nears.
func (a *App) Snapshot(ctx context.Context, in SnapshotInput) (SnapshotOutput, error) {
	if err := enough(ctx, "snapshot", leastSnapshotTime); err != nil {
		return SnapshotOutput{}, err
	}
	j, err := a.open(ctx, in.Task)
	if err != nil {
		return SnapshotOutput{}, err
	}
	plan, err := snapshot.LoadPlan(ctx, j.state)
	if err != nil {
		return SnapshotOutput{}, err
	}
	if err := plan.Fits(j.task); err != nil {
		return SnapshotOutput{}, err
	}
	for topic, want := range plan.Queues {
		if err := tail.AwaitQueues(ctx, a.queues(j), topic, want, a.env.Log, time.Duration(j.task.Retry.Connection)); err != nil {
			return SnapshotOutput{}, err
		}
	}
	deadline, _ := ctx.Deadline()
	terms := a.terms()
	tenure, err := snapshot.BeginTenure(ctx, j.state, invocation(), in.Worker.Worker, deadline, terms.SendTimeout, terms.AmbiguousWait)
	if err != nil {
		return SnapshotOutput{}, err
	}
	sender, closeSender, err := a.sender(ctx, j, tenure.Check)
	if err != nil {
		return SnapshotOutput{}, err
	}
	defer closeSender()
	cfg := snapshot.WorkerConfig{
		Task: j.state, Source: j.source, Pipeline: j.pipe, Sender: sender,
		MaxRows: j.task.Packing.MaxRows, MaxBytes: int(j.task.Packing.MaxBytes), ChunkBytes: a.env.Tune.ChunkBytes,
		ServerID: replicaID(), Patience: time.Duration(j.task.Retry.Connection),
		SendTimeout: terms.SendTimeout, Age: a.env.Tune.Age, Logger: a.env.Log,
		Hooks: a.env.Tune.SnapshotHooks, Faults: a.env.Tune.SnapshotFaults,
	}
	if a.env.Progress != nil {
		cfg.Progress = a.env.Progress.Chunk
	}
	more, err := snapshot.NewWorker(cfg).Run(ctx, tenure, in.Worker.Worker, in.Workers)
	return SnapshotOutput{More: more}, err
}

// Settle seals the seam when every chunk is delivered.
func (a *App) Settle(ctx context.Context, in SettleInput) (SettleOutput, error) {
	j, err := a.open(ctx, in.Task)
	if err != nil {
		return SettleOutput{}, err
	}
	r, err := snapshot.Settle(ctx, j.state, j.chain, time.Now)
	if err != nil {
		return SettleOutput{}, err
	}
	if !r.More && r.Wait == 0 {
		if err := snapshot.Sweep(ctx, j.state); err != nil {
			return SettleOutput{}, state.Classify(err)
		}
	}
	if r.Wait > 0 {
		a.env.Log.Info("waiting for a snapshot invocation that still runs, or ended unseen", "for", r.Wait)
	}
	wait := (r.Wait + time.Second - 1) / time.Second // up: a second early would be one more round
	return SettleOutput{More: r.More, Wait: int(min(wait, MaxWait)), Epoch: r.Epoch}, nil
}

// Tail follows the binlog until it is interrupted, hands over or needs tables
// again.
func (a *App) Tail(ctx context.Context, in TailInput) (TailOutput, error) {
	if err := enough(ctx, "tail", leastTailTime); err != nil {
		return TailOutput{}, err
	}
	j, err := a.open(ctx, in.Task)
	if err != nil {
		return TailOutput{}, err
	}
	deadline, _ := ctx.Deadline()
	cfg := tail.Config{
		Task: j.task, State: j.state, Chain: j.chain, Source: j.source, Pipeline: j.pipe,
		NewSender: func(ctx context.Context, gate func() error) (*deliver.Sender, func(), error) {
			return a.sender(ctx, j, gate)
		},
		Queues: a.queues(j), Terms: a.env.Tune.Terms, ServerID: replicaID(), Deadline: deadline, Logger: a.env.Log,
		CommitEvery: a.env.Tune.CommitEvery, Hooks: a.env.Tune.TailHooks, Faults: a.env.Tune.TailFaults,
	}
	if a.env.Progress != nil {
		cfg.Waiting = a.env.Progress.Waiting
	}
	t := tail.New(cfg)
	if a.env.Progress != nil {
		a.env.Progress.Tailing(t)
	}
	r, err := t.Run(ctx, in.Epoch)
	if err != nil {
		return TailOutput{}, err
	}
	out := TailOutput{Handover: r.Handover, Stopped: r.Finished}
	for _, name := range r.Again {
		out.Again = append(out.Again, name.String())
	}
	if r.Interrupted {
		return out, fault.New(fault.Interrupted, "", "the tail was told to stop; everything it had taken on is delivered and committed")
	}
	return out, nil
}
