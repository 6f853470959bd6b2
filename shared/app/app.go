// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"time"

	"slipway/shared/connect"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/fc"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
	"slipway/shared/snapshot"
	"slipway/shared/state"
	"slipway/shared/tail"
	"slipway/shared/task"
)

// Env is what an App needs from where it runs.
type Env struct {
	// State is the URL of the state store that holds the tasks, as in the task file's `state`.
	State string
	// Getenv resolves the ${NAME} references of task files.
	Getenv func(string) string
	// Log takes structured lines.
	Log *slog.Logger
	// Credentials gives the newest temporary keys of the function's role; nil or false outside the cloud. They expire:
	// ask each time.
	Credentials func() (fc.Credentials, bool)
	// Store replaces the one State names; nil outside tests.
	Store state.Store
	// Workers is how many snapshot workers a plan shares the chunks between; 0 means DefaultWorkers.
	Workers int
	// Tune changes what the steps work with, for tests and benchmarks; nil elsewhere.
	Tune *Tune
	// Progress is told what goes on; nil when nobody watches.
	Progress Progress
}

// Progress hears what a run on a laptop shows. Its methods are called from several goroutines.
type Progress interface {
	// Planned: the snapshot has about rows rows.
	Planned(rows int64, chunks int)
	// Chunk: one is done.
	Chunk(d snapshot.Done)
	// Tailing: a tail has begun to work under this epoch.
	Tailing(t *tail.Tail)
	// Waiting: another process holds the task.
	Waiting(tip state.Checkpoint, left time.Duration)
}

// Tune holds test hooks and what tests and benchmarks set apart from the task file.
type Tune struct {
	ChunkRows      int64
	ChunkBytes     int
	Terms          state.Terms
	SnapshotHooks  snapshot.Hooks
	SnapshotFaults snapshot.Faults
	PlanHooks      snapshot.PlanHooks
	TailHooks      tail.Hooks
	TailFaults     tail.Faults
	CommitEvery    time.Duration
	XAWait         time.Duration
	// Age is how old a position must be where the source gives no GTIDs.
	Age time.Duration
	// Sink wraps the connection to the broker.
	Sink func(deliver.Sink) deliver.Sink
}

// DefaultWorkers is how many snapshot workers share the chunks.
const DefaultWorkers = 4

// App runs the steps of tasks. Its methods may be called at the same time.
type App struct {
	env   Env
	store state.Store
}

// New opens the state store. Its errors are classified.
func New(ctx context.Context, env Env) (*App, error) {
	if env.Tune == nil {
		env.Tune = &Tune{}
	}
	if env.Workers == 0 {
		env.Workers = DefaultWorkers
	}
	a := &App{env: env, store: env.Store}
	if a.store != nil {
		return a, nil
	}
	if env.State == "" {
		return nil, fault.New(fault.Config, "set SLIPWAY_STATE to the state store's URL", "no state store is given")
	}
	var err error
	if a.store, err = state.Open(ctx, env.State); err != nil {
		return nil, fault.New(fault.Config, "", "state store %s: %w", env.State, err)
	}
	return a, nil
}

// job is one step's view of its task.
type job struct {
	task   *task.Task
	state  *state.Task
	chain  *state.Chain
	pipe   *pipeline.Pipeline
	source mysql.Config
}

// Submit puts a task file where the steps find it. The name in the file decides the task. A file that does not fit the
// task's plan (rule C6) is refused, and the one that is there stays.
func (a *App) Submit(ctx context.Context, t *task.Task, file []byte) error {
	st, err := state.NewTask(a.store, t.Name)
	if err != nil {
		return fault.New(fault.Config, "", "%w", err)
	}
	// A running tail reads the file again when it is retried: one that doesn't fit
	// must not get in its way.
	plan, err := snapshot.LoadPlan(ctx, st)
	switch {
	case errors.Is(err, state.ErrNotFound):
	case err != nil:
		return state.Classify(err)
	default:
		if err := plan.Fits(t); err != nil {
			return err
		}
	}
	if err := a.store.Put(ctx, st.TaskFile(), file); err != nil {
		return state.Classify(err)
	}
	return nil
}

// Task loads the task file that was submitted under a name. Its errors are classified.
func (a *App) Task(ctx context.Context, name string, opts ...task.LoadOption) (*task.Task, error) {
	st, err := state.NewTask(a.store, name)
	if err != nil {
		return nil, fault.New(fault.Config, "", "%w", err)
	}
	file, err := a.store.Get(ctx, st.TaskFile())
	if errors.Is(err, state.ErrNotFound) {
		return nil, fault.New(fault.Config, "put the task file there, or let `slipway run` do it", "no task file at %s", st.TaskFile())
	}
	if err != nil {
		return nil, state.Classify(err)
	}
	t, err := task.Load(name+".yaml", file, a.lookup, opts...)
	if err != nil {
		return nil, fault.New(fault.Config, "", "%w", err)
	}
	return t, nil
}

// open takes up a task from the store.
func (a *App) open(ctx context.Context, name string) (*job, error) {
	t, err := a.Task(ctx, name)
	if err != nil {
		return nil, err
	}
	st, err := state.NewTask(a.store, name)
	if err != nil {
		return nil, fault.New(fault.Config, "", "%w", err)
	}
	source, err := connect.Source(t.Source)
	if err != nil {
		return nil, err
	}
	j := &job{task: t, state: st, chain: state.NewChain(st, state.SystemClock()), source: source}
	conn, err := mysql.Connect(ctx, source)
	if err != nil {
		return j, err
	}
	defer conn.Close()
	fold, err := conn.String(ctx, "SELECT @@lower_case_table_names")
	if err != nil {
		return j, err
	}
	t.FoldCase = fold != "0"
	j.pipe = pipeline.New(t)
	return j, nil
}

func (a *App) lookup(name string) (string, bool) {
	v := a.env.Getenv(name)
	return v, v != ""
}

// broker says how to reach the broker, for questions.
func (a *App) broker(j *job) rocketmq.Config {
	cfg := connect.Sink(j.task.Destination)
	cfg.Logger = a.env.Log
	return cfg
}

// sender connects to the broker. gate is asked before every call that could store.
func (a *App) sender(ctx context.Context, j *job, gate func() error) (*deliver.Sender, func(), error) {
	cfg := a.broker(j)
	cfg.Topics, cfg.Gate, cfg.SendTimeout = j.task.Topics(), gate, a.env.Tune.Terms.SendTimeout
	client, err := rocketmq.Dial(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	var sink deliver.Sink = rocketmq.Limit(client, float64(j.task.Limits.MessagesPerSecond))
	if a.env.Tune.Sink != nil {
		sink = a.env.Tune.Sink(sink)
	}
	s := deliver.NewSender(deliver.SenderConfig{
		Sink: sink, AmbiguousWait: a.terms().AmbiguousWait,
		Connection: time.Duration(j.task.Retry.Connection), Other: time.Duration(j.task.Retry.Other), Logger: a.env.Log,
	})
	return s, func() {
		if err := client.Close(); err != nil {
			a.env.Log.Warn("closing the connection to RocketMQ", "error", err)
		}
	}, nil
}

// queues lists a topic's queues over a connection of its own.
func (a *App) queues(j *job) func(ctx context.Context, topic string) ([]string, error) {
	return func(ctx context.Context, topic string) ([]string, error) {
		client, err := rocketmq.Dial(ctx, a.broker(j))
		if err != nil {
			return nil, err
		}
		defer client.Close()
		return client.Queues(ctx, topic)
	}
}

func (a *App) terms() state.Terms {
	t := a.env.Tune.Terms
	if t.Lease == 0 {
		t.Lease = state.DefaultLease
	}
	if t.SendTimeout == 0 {
		t.SendTimeout = state.DefaultSendTimeout
	}
	if t.AmbiguousWait == 0 {
		t.AmbiguousWait = state.DefaultAmbiguousWait
	}
	return t
}

// replicaID makes a server id for a binlog reader: random in the upper half of the range, which people don't give by
// hand, so that no two readers share one.
func replicaID() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:]) | 1<<31
}

// invocation names this run of a step.
func invocation() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return time.Now().UTC().Format("20060102T150405") + "-" + safe(host) + "-" + rand.Text()[:8]
}

func safe(s string) string {
	out := []byte(s)
	for i, c := range out {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			out[i] = '-'
		}
	}
	return string(out)
}
