// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// session is one run over one server: from the checkpoint it took over to its
// end.
type session struct {
	tail      *Tail
	lanes     *deliver.Lanes
	handler   *handler
	committer *committer
	reader    *mysql.Reader
	progress  *progress
}

// newSession sets out from the lease's checkpoint.
func (t *Tail) newSession(ctx context.Context, plan *snapshot.Plan, sender *deliver.Sender) (*session, error) {
	cp := t.lease.Last()
	position, err := executedOf(cp)
	if err != nil {
		return nil, err
	}
	seams, err := loadSeams(ctx, t.cfg.State, plan, position)
	if err != nil {
		return nil, err
	}
	seams.off, seams.noReset = t.cfg.Faults.NoDrop, t.cfg.Faults.NoReset
	src, err := t.lookAtSource(ctx, position, seams)
	if err != nil {
		return nil, err
	}
	known := snapshot.Schema{}
	if cp.Schema != "" {
		if known, err = state.GetJSON[snapshot.Schema](ctx, t.cfg.State.Store, cp.Schema); err != nil {
			return nil, fmt.Errorf("read the table definitions: %w", err)
		}
	}
	xa, err := newXAStore(t.cfg.State, cp.XA)
	if err != nil {
		return nil, err
	}
	h := &handler{
		ctx: ctx, pipe: t.cfg.Pipeline, seams: seams, xa: xa, task: t.cfg.State, plan: plan,
		schema: newSchema(t.cfg.Pipeline, src.dialect, known, liveLoader(ctx, t.cfg.Source)), ddlTopic: t.cfg.Task.Destination.DDLTopic,
		reserve: newReservation(cp.Reserved.Seq),
		skipped: func(sql string) { t.cfg.Logger.Info("skipped a statement that concerns no selected table", "sql", sql) },
	}
	h.schema.tip = src.tip
	h.resumeFrom(cp, src)
	t.stats.base = cp.Counts
	s := &session{tail: t, handler: h}
	t.lanes = deliver.NewLanes(deliver.LanesConfig{
		Pipeline: t.cfg.Pipeline, Sender: sender, Lanes: t.cfg.Pipeline.Lanes(), Epoch: t.lease.Epoch(),
		MaxRows: t.cfg.Task.Packing.MaxRows, MaxBytes: int(t.cfg.Task.Packing.MaxBytes), Budget: t.cfg.Budget,
	}, h.seq)
	s.lanes, h.lanes = t.lanes, t.lanes
	s.progress = newProgress(cp.Committed, position, src.uuid, h.seq, h.resume, h.resumedRows)
	h.progress = s.progress
	if !t.cfg.Task.Incremental() {
		high := seams.high.Clone()
		h.finished = func() bool { return s.progress.reached(high) }
	}
	s.committer = newCommitter(t, s, src)
	s.reader = mysql.NewReader(mysql.ReaderConfig{
		Source: t.cfg.Source, ServerID: t.cfg.ServerID, From: position, ServerUUID: src.uuid, Heartbeat: tailHeartbeat,
		Patience: time.Duration(t.cfg.Task.Retry.Connection), Tables: h.schema, Logger: t.cfg.Logger,
		Known: mysql.LogPosition{File: cp.Committed.File, Pos: cp.Committed.Pos, Begun: cp.Committed.FileBegun},
	})
	return s, nil
}

// source is what the server said at take-over.
type source struct {
	uuid     string
	executed change.GTIDSet
	// ahead is the server's clock less ours.
	ahead time.Duration
	// dialect and tip are what it says about definitions (rule T5).
	dialect mysql.Dialect
	tip     *tipCheck
}

// lookAtSource checks that the server is one to go on from (rule S8); the
// reader checks the position itself.
func (t *Tail) lookAtSource(ctx context.Context, position change.GTIDSet, seams *seams) (source, error) {
	conn, err := mysql.Connect(ctx, t.cfg.Source)
	if err != nil {
		return source{}, err
	}
	defer conn.Close()
	var src source
	if src.uuid, err = conn.ServerUUID(ctx); err != nil {
		return source{}, err
	}
	// It is there to follow to another server, which by position is refused (S11).
	if _, byPosition := position.LogEnd(); !byPosition {
		if src.executed, err = conn.Executed(ctx); err != nil {
			return source{}, err
		}
	}
	clock, err := conn.Clock(ctx)
	if err != nil {
		return source{}, err
	}
	src.ahead = time.Until(clock)
	if src.dialect, err = mysql.LoadDialect(ctx, conn); err != nil {
		return source{}, err
	}
	if src.tip, err = newTipCheck(ctx, conn, t.cfg.Pipeline.Selected); err != nil {
		return source{}, err
	}
	need := position.Clone()
	need.Union(seams.high)
	missing, err := conn.Missing(ctx, need)
	if err != nil {
		return source{}, err
	}
	if !missing.IsEmpty() {
		return source{}, fault.New(fault.PositionLost, "point the task at the server it was reading, or start it under a new name",
			"source %s (server %s) has not executed %s, which was delivered from: it was restored, or promoted while behind",
			t.cfg.Source.Addr, src.uuid, missing)
	}
	return src, nil
}

// resumeFrom decides where numbers go on and what may be a copy (rule D2). On
// the same server a replay repeats the numbers exactly; on another they go on
// behind the reservation, and all it held at take-over is marked.
func (h *handler) resumeFrom(cp state.Checkpoint, src source) {
	if cp.Committed.ServerUUID == src.uuid {
		h.seq, h.replayTo = cp.Committed.Seq, cp.Reserved.Seq
		if open := cp.Committed.Open; open != nil {
			g, err := change.ParseGTID(open.GTID)
			if err == nil {
				h.resume, h.resumedRows = g, open.Row
			}
		}
		return
	}
	h.seq = cp.Reserved.Seq
	h.replayIn = src.executed
}

// read follows the binlog; a void table is asked for first (rule S4).
func (s *session) read(ctx context.Context) error {
	if err := s.handler.resetVoid(s.selectedTables(ctx)); err != nil {
		return err
	}
	if h := s.handler; h.finished != nil && h.finished() {
		return errFinished
	}
	hook := s.tail.cfg.Hooks.Event
	return s.reader.Run(ctx, func(e mysql.Event) error {
		if hook != nil {
			hook(e)
		}
		// A handler that waits for lanes or a reservation must see that reading
		// was told to stop only between events: what it took on it finishes.
		return s.handler.handle(e)
	})
}

// selectedTables lists the selected tables as they are now.
func (s *session) selectedTables(ctx context.Context) func() ([]change.TableName, error) {
	return func() ([]change.TableName, error) {
		conn, err := mysql.Connect(ctx, s.tail.cfg.Source)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		all, err := mysql.ListTables(ctx, conn)
		var names []change.TableName
		for _, t := range all {
			if s.handler.pipe.Selected(t.Database, t.Name) {
				names = append(names, t.TableName)
			}
		}
		return names, err
	}
}

// resetVoid asks for new generations of tables whose snapshot is no good. A
// table that is gone may have another name by now, under which nobody planned
// it: so unplanned tables are asked for, too.
func (h *handler) resetVoid(current func() ([]change.TableName, error)) error {
	void := h.seams.void()
	if len(void) == 0 {
		return nil
	}
	now, err := current()
	if err != nil {
		return err
	}
	for _, name := range now {
		if !slices.Contains(h.plan.Tables, name) {
			void = append(void, name)
		}
	}
	for _, name := range void {
		h.seq++
		if err := h.startOver(name, time.Now().UnixMilli(), true); err != nil {
			return err
		}
	}
	h.progress.skipTo(h.seq, h.tx.effects...)
	h.tx = txState{}
	return errAgain
}

// AwaitQueues waits until a topic has the queues it had when the task was
// planned. Missing ones are waited for, for as long as patience says; others
// than planned are an error at once (rule D7).
func AwaitQueues(ctx context.Context, queues func(context.Context, string) ([]string, error), topic string, want []string, log *slog.Logger, patience time.Duration) error {
	since := time.Now()
	for {
		got, err := queues(ctx, topic)
		if err == nil {
			if slices.Equal(got, want) {
				return nil
			}
			for _, q := range got {
				if !slices.Contains(want, q) {
					return fault.New(fault.CheckpointUnusable, "drain the consumers, then start the task under a new name",
						"topic %s has queue %s, which it had not when the task was planned: lanes would move to other queues", topic, q)
				}
			}
			err = fault.New(fault.SinkUnreachable, "bring the broker back", "topic %s has %d of its %d queues", topic, len(got), len(want))
		}
		if !fault.Retryable(err) || time.Since(since) > patience {
			return err
		}
		log.Warn("waiting for the topic", "topic", topic, "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
	}
}
