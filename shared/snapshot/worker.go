// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/state"
)

// Faults switches rules off, so that a test can show what a rule is for. The
// zero value is the only one outside tests.
type Faults struct {
	NoOverlay bool // S1: chunks as the view has them
	NoStore   bool // S3: send without storing first
}

// WorkerConfig is what a snapshot worker works with.
type WorkerConfig struct {
	Task     *state.Task
	Source   mysql.Config
	Pipeline *pipeline.Pipeline
	Sender   *deliver.Sender
	// MaxRows and MaxBytes bound a packed message.
	MaxRows, MaxBytes int
	// ChunkBytes is where a chunk is cut (rule S9); 0 means DefaultChunkBytes.
	ChunkBytes int
	// ServerID is the binlog reader's own replica id.
	ServerID uint32
	// Patience bounds how long a lost connection is tried again.
	Patience time.Duration
	// SendTimeout is how long one send may take.
	SendTimeout time.Duration
	// Age is how old a position must be to be read behind, at least; 0 means
	// DefaultAge (rule S11).
	Age    time.Duration
	Logger *slog.Logger
	// Progress, when set, is called after each chunk.
	Progress func(Done)
	Hooks    Hooks
	Faults   Faults
}

// DefaultChunkBytes is where a chunk is cut.
const DefaultChunkBytes = 32 << 20

// heartbeat is how often an idle source says where it stands: it bounds how
// long a chunk waits for its watermark.
const heartbeat = 100 * time.Millisecond

// Worker reads and delivers chunks until all of its share are done or its time
// is over. Any number may run at once, in any number of processes.
type Worker struct {
	cfg     WorkerConfig
	watcher *Watcher
	uuid    string
}

// NewWorker makes a worker.
func NewWorker(cfg WorkerConfig) *Worker {
	if cfg.ChunkBytes == 0 {
		cfg.ChunkBytes = DefaultChunkBytes
	}
	if cfg.Age == 0 {
		cfg.Age = DefaultAge
	}
	return &Worker{cfg: cfg}
}

// Run takes chunks n with n mod workers == worker until none is left or the
// tenure's deadline nears; more says that some are left.
func (w *Worker) Run(ctx context.Context, tenure *Tenure, worker, workers int) (more bool, err error) {
	plan, err := LoadPlan(ctx, w.cfg.Task)
	if err != nil {
		return false, err
	}
	todo, err := w.share(ctx, plan, worker, workers)
	if err != nil {
		return false, err
	}
	// Sending stops at the deadline, whatever hangs.
	sendCtx, cancel := context.WithCancel(ctx)
	if left, ok := tenure.left(); ok {
		sendCtx, cancel = context.WithTimeout(ctx, left-w.cfg.SendTimeout)
	}
	defer cancel()
	if len(todo) > 0 {
		more, err = w.work(sendCtx, plan, todo, tenure)
	}
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(sendCtx), context.DeadlineExceeded) {
		more, err = true, nil // what it was at is taken up from its objects
	}
	if w.cfg.Sender.Unresolved() == 0 {
		if ended := tenure.end(context.WithoutCancel(ctx)); err == nil {
			err = ended
		}
	}
	return more, err
}

// assignment is one chunk of one generation.
type assignment struct {
	gen *Generation
	n   int
}

// share lists this worker's chunks.
func (w *Worker) share(ctx context.Context, plan *Plan, worker, workers int) ([]assignment, error) {
	var out []assignment
	index := 0
	for _, name := range plan.Tables {
		gen, err := LatestGeneration(ctx, w.cfg.Task, name)
		if err != nil {
			return nil, err
		}
		if gen == nil {
			return nil, fmt.Errorf("the plan of table %s is missing: run plan again", name)
		}
		for n := range gen.Chunks() {
			if index++; index%workers == worker {
				out = append(out, assignment{gen, n})
			}
		}
	}
	return out, nil
}

// stored is a chunk, or a part of one, that is ready to be sent.
type stored struct {
	gen     *Generation
	header  Header
	objects [][]byte
	replay  bool
	spill   []string // keys of the parts, in order, read when sent
}

// work runs the two stages: reading and storing, and behind it sending.
func (w *Worker) work(ctx context.Context, plan *Plan, todo []assignment, tenure *Tenure) (more bool, err error) {
	if err := w.start(ctx, plan, todo, tenure); err != nil {
		return false, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.watcher.Run(watching) })
	g.Go(func() error { return tenure.hold(watching) })
	ready := make(chan *stored, 1)
	g.Go(func() error {
		defer close(ready)
		for _, a := range todo {
			if left, ok := tenure.left(); ok && left < w.margin() {
				more = true
				return nil
			}
			if err := w.prepare(ctx, a, ready); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		defer stop()
		for s := range ready {
			if err := w.deliver(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	err = g.Wait()
	return more, err
}

// margin is how much time a chunk must have left to be begun.
func (w *Worker) margin() time.Duration { return w.cfg.SendTimeout + 20*time.Second }

// start opens the binlog beside the chunks.
func (w *Worker) start(ctx context.Context, plan *Plan, todo []assignment, tenure *Tenure) error {
	conn, err := mysql.Connect(ctx, w.cfg.Source)
	if err != nil {
		return err
	}
	defer conn.Close()
	if w.uuid, err = conn.ServerUUID(ctx); err != nil {
		return err
	}
	now, err := executed(ctx, conn, plan.ByPosition())
	if err != nil {
		return err
	}
	if !now.Covers(plan.P1) {
		return positionLost(w.cfg.Source.Addr, w.uuid, "the plan", plan.P1.Minus(now))
	}
	cfg := mysql.ReaderConfig{
		Source: w.cfg.Source, ServerID: w.cfg.ServerID, From: now, Known: plan.Log, ServerUUID: w.uuid,
		Heartbeat: heartbeat, Patience: w.cfg.Patience, Logger: w.cfg.Logger, Volatile: true,
	}
	if !plan.ByPosition() {
		w.watcher = NewWatcher(cfg, time.Time{}, 0)
		return nil
	}
	age, err := ageAt(ctx, conn, w.cfg.Age)
	if err != nil {
		return err
	}
	from, old, err := plannedBehind(ctx, conn, plan, todo)
	if err != nil {
		return err
	}
	if old < freshPlan {
		cfg.From = from
	} else {
		old = 0
	}
	if left, ok := tenure.left(); ok && left < age-old+w.margin() {
		return fault.New(fault.Config, "raise the snapshot function's timeout, in s.yaml",
			"the snapshot function has %s, and without GTIDs it has to wait %s before its first chunk (rule S11)", left.Round(time.Second), age-old)
	}
	w.watcher = NewWatcher(cfg, time.Now().Add(-old), age)
	return nil
}

// freshPlan is how old a plan may be for a worker to read the log from there:
// it needn't wait for a boundary of its own to be old enough (rule S11), and
// there isn't much to be read.
const freshPlan = 10 * time.Minute

// plannedBehind is what the bounds of the chunks were planned behind, by
// position, and how old it is.
func plannedBehind(ctx context.Context, conn *mysql.Conn, plan *Plan, todo []assignment) (from change.GTIDSet, old time.Duration, err error) {
	from, since := plan.P1.Clone(), plan.Since
	for _, a := range todo {
		if from.Union(a.gen.B); a.gen.Since.After(since) {
			since = a.gen.Since
		}
	}
	now, err := conn.Clock(ctx)
	return from, now.Sub(since), err
}

// prepare brings every part of one chunk to where it can be sent, and hands it
// on. A chunk that is done is skipped, one that is stored is sent again,
// marked (rule S3).
func (w *Worker) prepare(ctx context.Context, a assignment, ready chan<- *stored) error {
	t, key := w.cfg.Task, state.TableOf(a.gen.Name())
	rng := mysql.Range{}
	if a.gen.Mode == Ranges {
		rng = a.gen.Ranges[a.n]
	}
	for k := 0; ; k++ {
		if void, err := exists(ctx, t.Store, t.Void(key, a.gen.Gen)); err != nil || void {
			return err
		}
		name := chunkName(a.n, k)
		done, err := state.GetJSON[Done](ctx, t.Store, t.ChunkDone(key, a.gen.Gen, name))
		var header Header
		switch {
		case err == nil:
			header = done.Header
		case errors.Is(err, state.ErrNotFound):
			s, err := w.obtain(ctx, a.gen, name, chunkName(a.n, k+1), rng)
			if void, ok := errors.AsType[*voidError](err); ok {
				return w.writeVoid(ctx, a.gen, void.Void)
			}
			if err != nil {
				return fmt.Errorf("chunk %s of %s: %w", name, a.gen.Name(), err)
			}
			header = s.header
			select {
			case ready <- s:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		default:
			return err
		}
		if header.Next == "" {
			return nil
		}
		rng = mysql.Range{After: header.Range.UpTo, UpTo: rng.UpTo}
	}
}

func (w *Worker) writeVoid(ctx context.Context, gen *Generation, v Void) error {
	v.Time = now()
	w.cfg.Logger.Warn("this snapshot of the table is void, it will be read anew", "table", gen.Name().String(), "generation", gen.Gen, "reason", v.Reason)
	err := state.CreateJSON(ctx, w.cfg.Task.Store, w.cfg.Task.Void(state.TableOf(gen.Name()), gen.Gen), v)
	if errors.Is(err, state.ErrExists) {
		return nil
	}
	return err
}

func exists(ctx context.Context, s state.Store, key string) (bool, error) {
	_, err := s.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
