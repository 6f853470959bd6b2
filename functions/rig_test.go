// SPDX-License-Identifier: Apache-2.0

package functions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/infra"
	"slipway/shared/app"
	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/fc/emulator"
	"slipway/shared/flow"
	"slipway/shared/precheck"
	"slipway/shared/state"
)

// snapshotTimeout is short for a function that the platform gives hours: settle waits it out after a crash (rule S10).
const snapshotTimeout = 30 * time.Second

// build makes the binaries as s.yaml does, and gives their folder.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds five binaries: not with -short")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", dir, "./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return dir
}

// rig is one task and the project deployed for it.
type rig struct {
	*apptest.Migration
	bucket *bucket
	store  state.Store
	cloud  emulator.Cloud

	mu      sync.Mutex
	running map[int]emulator.Running // the last invocation of each snapshot worker
}

// deploy makes a task over a database made by statements, with its state in a bucket, and the five functions.
func deploy(t *testing.T, binaries string, statements ...string) *rig {
	t.Helper()
	r := &rig{Migration: apptest.New(t, statements...), bucket: openBucket(t), running: map[int]emulator.Running{}}
	r.store = r.bucket.open(t)
	r.YAML = strings.NewReplacer(
		"file:///unused", `"`+r.bucket.url+`"`, "{connection: 1m, other: 30s}", "{connection: 30m, other: 10m}", // as the precheck wants them
	).Replace(r.YAML)
	r.Must(r.store.Put(t.Context(), r.Name+"/task.yaml", []byte(r.YAML)))
	base := emulator.Spec{
		Env: append(keys(), "SLIPWAY_STATE="+r.bucket.url), Timeout: 2 * time.Minute, Logs: t.Output(), HealthPeriod: time.Second,
	}
	r.cloud = emulator.Project(binaries, base, func(step string, s *emulator.Spec) {
		if step == "snapshot" {
			s.Timeout, s.Reached = snapshotTimeout, r.reached
		}
		if step == "tail" {
			s.Timeout = time.Hour
		}
	})
	t.Cleanup(r.cloud.Close)
	return r
}

// reached remembers who runs a worker's share.
func (r *rig) reached(run emulator.Running) {
	var in app.SnapshotInput
	if err := json.Unmarshal(run.Event, &in); err != nil {
		panic(err) // the flow made it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[in.Worker.Worker] = run
}

// worker is the invocation that runs a worker's share now.
func (r *rig) worker(n int) emulator.Running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[n]
}

// execution is the flow at work.
type execution struct {
	r      *rig
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu     sync.Mutex
	events []flow.Event
	tails  chan struct{} // one for each tail that was called
}

var errEnough = errors.New("the test has seen enough")

// execute starts the flow. It is stopped when the test ends.
func (r *rig) execute() *execution {
	r.T.Helper()
	m, err := flow.Parse(infra.Flow())
	r.Must(err)
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.T.Context()))
	x := &execution{r: r, cancel: func() { cancel(errEnough) }, done: make(chan struct{}), tails: make(chan struct{}, 100)}
	go func() {
		defer close(x.done)
		_, x.err = m.Run(ctx, app.PrecheckInput{Task: r.Name}, r.cloud, flow.Options{Name: r.Name, Observe: x.observe})
	}()
	r.T.Cleanup(func() { x.cancel(); <-x.done })
	return x
}

func (x *execution) observe(e flow.Event) {
	x.mu.Lock()
	x.events = append(x.events, e)
	x.mu.Unlock()
	if e.Kind == flow.Invoked && e.State == "tail" {
		x.tails <- struct{}{}
	}
}

// seen lists the states that were entered, a Map's own included and its Processor's left out, and the errors that were
// retried.
func (x *execution) seen() (states []string, retried []error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.events {
		switch {
		case e.Kind == flow.Entered && e.Item < 0:
			states = append(states, e.State)
		case e.Kind == flow.Retrying:
			retried = append(retried, e.Err)
		}
	}
	return states, retried
}

// awaitTail waits until the flow calls the n-th tail.
func (x *execution) awaitTail(n int) {
	x.r.T.Helper()
	for range n {
		select {
		case <-x.tails:
		case <-x.done:
			x.r.T.Fatalf("the flow ended: %v; precheck: %+v", x.err, x.r.blockers())
		case <-time.After(3 * time.Minute):
			x.r.T.Fatal("no tail was called")
		}
	}
}

// check waits until everything is delivered, and proves that the topic is the source.
func (x *execution) check(tables ...string) checker.Report {
	r := x.r
	r.T.Helper()
	cfg := checker.Config{NameServer: r.Broker.NameServer, Topics: []string{r.Topic}, DB: r.DB, Committed: x.committed}
	for _, name := range tables {
		cfg.Tables = append(cfg.Tables, checker.Table{Database: r.Database, Name: name})
	}
	report, err := checker.Run(r.T.Context(), cfg)
	r.Must(err)
	if !report.OK() {
		r.T.Fatalf("the topic is not the source:\n%s", report.String())
	}
	return report
}

func (x *execution) committed(ctx context.Context) (string, error) {
	select {
	case <-x.done:
		return "", fmt.Errorf("the flow has ended: %w", x.err)
	default:
	}
	return x.r.tip(ctx).Committed.GTIDSet, nil
}

// drain stops the execution as an operator does: the tail's container is told by /pre-stop, and gives the task up only
// with nothing in flight.
func (x *execution) drain() {
	r := x.r
	r.T.Helper()
	x.cancel()
	<-x.done
	if !errors.Is(x.err, errEnough) {
		r.T.Fatalf("the flow ended by %v", x.err)
	}
	if tip := r.tip(r.T.Context()); !tip.Released || tip.Reserved.Seq != tip.Committed.Seq {
		r.T.Errorf("the tail did not drain: its last checkpoint is %+v", tip)
	}
}

func (r *rig) task() *state.Task { return &state.Task{Store: r.store, Name: r.Name} }

func (r *rig) tip(ctx context.Context) state.Checkpoint {
	r.T.Helper()
	tip, err := state.NewChain(r.task(), state.SystemClock()).Tip(ctx)
	if err != nil && !errors.Is(err, state.ErrNoChain) {
		r.T.Errorf("read the chain: %v", err)
	}
	return tip
}

// blockers are what the precheck found wrong, for a flow that ends early.
func (r *rig) blockers() (list []precheck.Finding) {
	report, err := state.GetJSON[precheck.Report](context.Background(), r.store, r.task().Precheck())
	if err != nil {
		return []precheck.Finding{{What: err.Error()}}
	}
	return slices.DeleteFunc(report.Findings, func(f precheck.Finding) bool { return f.Level == precheck.Success })
}

// writer keeps changing the source until it is stopped; each call of write makes the n-th change.
func (r *rig) writer(write func(n int) string) (stop func() int) {
	ctx, cancel := context.WithCancel(r.T.Context())
	done := make(chan struct{})
	n := 0
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; n++ {
			// A statement under way is finished: the source must stand still afterwards.
			if _, err := r.DB.ExecContext(context.WithoutCancel(ctx), write(n)); err != nil {
				r.T.Errorf("write: %v", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond): // others use the server too
			}
		}
	}()
	stop = func() int { cancel(); <-done; return n }
	r.T.Cleanup(func() { stop() })
	return stop
}
