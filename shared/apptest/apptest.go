// SPDX-License-Identifier: Apache-2.0

// Package apptest runs whole migrations in tests: a database and a topic of
// their own on real servers, the steps of the application in any order, a
// process that dies at a chosen moment, and at the end the checker's proof
// that the topic is the source.
package apptest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/shared/app"
	"slipway/shared/checker"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/servertest"
	"slipway/shared/state"
)

// Terms are short, so that a test that waits for a lease to lapse is short.
var Terms = state.Terms{Lease: 3 * time.Second, SendTimeout: time.Second, AmbiguousWait: time.Second}

// Migration is one task over one database.
type Migration struct {
	T testing.TB
	// Name of the task, Database and Topic are new for every migration.
	Name, Database, Topic string
	Server                *servertest.MySQLServer
	Broker                *servertest.Broker
	// DB has Database as its default and allows several statements at once.
	DB *sql.DB
	// Store holds the state.
	Store state.Store
	// YAML is the task file; change it before the first step. Login is what it says of the account at the source.
	YAML, Login string
	// Tune applies to every process started from now on.
	Tune app.Tune
	// Endpoint replaces the broker's, for a fault proxy in front of it.
	Endpoint string
}

// New makes a migration of everything in a new database, made by the given
// statements, on the shared servers.
func New(t testing.TB, statements ...string) *Migration {
	t.Helper()
	return On(t, servertest.MySQL(t), servertest.RocketMQ(t), statements...)
}

// On is New on servers of the test's own.
func On(t testing.TB, server *servertest.MySQLServer, broker *servertest.Broker, statements ...string) *Migration {
	t.Helper()
	m := &Migration{
		T: t, Server: server, Broker: broker, Database: server.Database(t), Topic: broker.Topic(t, 8), Store: state.NewMem(),
		Tune: app.Tune{Terms: Terms, CommitEvery: 50 * time.Millisecond, ChunkRows: 100},
	}
	m.Name = strings.ToLower(strings.ReplaceAll(m.Database, "_", "-"))
	if len(m.Name) > 40 {
		m.Name = m.Name[len(m.Name)-40:]
	}
	m.Name = strings.Trim(m.Name, "-")
	m.DB = server.DatabaseDB(t, m.Database)
	m.Exec(statements...)
	m.Login = "user: root"
	if server.CAFile != "" {
		m.Login += fmt.Sprintf(", tls: {mode: verify-identity, ca: %q}", server.CAFile)
	}
	m.YAML = fmt.Sprintf(`name: %s
state: file:///unused
source: {hosts: ["%s"], %s}
destination: {version: "5", endpoint: "%s", topic: %s}
objects: [{match: "%s.*"}]
retry: {connection: 1m, other: 30s}
`, m.Name, server.Addr, m.Login, broker.Endpoint, m.Topic, m.Database)
	return m
}

// Exec runs statements at the source.
func (m *Migration) Exec(statements ...string) {
	m.T.Helper()
	for _, s := range statements {
		if _, err := m.DB.ExecContext(m.T.Context(), s); err != nil {
			m.T.Fatalf("%s: %v", s, err)
		}
	}
}

// LogEnd is where the source's binlog ends.
func (m *Migration) LogEnd() mysql.LogPosition {
	m.T.Helper()
	ctx := context.WithoutCancel(m.T.Context())
	c, err := mysql.Connect(ctx, mysql.Config{Addr: m.Server.Addr, User: "root", TLS: m.Server.TLS(m.T)})
	m.Must(err)
	defer c.Close()
	end, err := c.LogEnd(ctx)
	m.Must(err)
	return end
}

// Must ends the test on an error.
func (m *Migration) Must(err error) {
	m.T.Helper()
	if err != nil {
		m.T.Fatal(err)
	}
}

// ErrDead is what a dead process's store and sink answer.
var ErrDead = errors.New("this process is dead")

// Process is one process that runs steps of the task. It can die: from then on
// nothing it does has an effect any more.
type Process struct {
	*app.App
	m    *Migration
	dead atomic.Bool
}

// Die kills the process; what it sent and stored before stays.
func (p *Process) Die() { p.dead.Store(true) }

// Process starts a process with the migration's present tuning.
func (m *Migration) Process() *Process {
	m.T.Helper()
	p := &Process{m: m}
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelInfo
	}
	tune := m.Tune
	inner := tune.Sink
	tune.Sink = func(s deliver.Sink) deliver.Sink {
		if inner != nil {
			s = inner(s)
		}
		return mortalSink{p, s}
	}
	var err error
	p.App, err = app.New(m.T.Context(), app.Env{
		Getenv: os.Getenv, Log: slog.New(slog.NewTextHandler(m.T.Output(), &slog.HandlerOptions{Level: level})),
		Store: mortalStore{p, m.Store}, Workers: 2, Tune: &tune,
	})
	m.Must(err)
	file := m.YAML
	if m.Endpoint != "" {
		file = strings.ReplaceAll(file, m.Broker.Endpoint, m.Endpoint)
	}
	// Not by Submit, which would refuse a file that the steps must refuse, too.
	m.Must(m.Store.Put(m.T.Context(), m.State().TaskFile(), []byte(file)))
	return p
}

// mortalStore does nothing for a dead process.
type mortalStore struct {
	p *Process
	state.Store
}

func (s mortalStore) Create(ctx context.Context, key string, body []byte) error {
	if s.p.dead.Load() {
		return ErrDead
	}
	return s.Store.Create(ctx, key, body)
}

func (s mortalStore) Put(ctx context.Context, key string, body []byte) error {
	if s.p.dead.Load() {
		return ErrDead
	}
	return s.Store.Put(ctx, key, body)
}

func (s mortalStore) Delete(ctx context.Context, key string) error {
	if s.p.dead.Load() {
		return ErrDead
	}
	return s.Store.Delete(ctx, key)
}

// mortalSink sends nothing for a dead process.
type mortalSink struct {
	p *Process
	s deliver.Sink
}

func (s mortalSink) Send(ctx context.Context, m *rocketmq.Message) error {
	if s.p.dead.Load() {
		return ErrDead
	}
	return s.s.Send(ctx, m)
}

// Plan runs the step in a process of its own and ends the test if it fails, as
// do Snapshot and Settle.
func (m *Migration) Plan(again ...string) app.PlanOutput {
	m.T.Helper()
	out, err := m.Process().Plan(m.T.Context(), app.PlanInput{Task: m.Name, Again: again})
	m.Must(err)
	return out
}

// Snapshot reads all chunks with one worker.
func (m *Migration) Snapshot() {
	m.T.Helper()
	m.Must(m.SnapshotBy(m.Process()))
}

// SnapshotBy reads all chunks with one worker in process p.
func (m *Migration) SnapshotBy(p *Process) error {
	_, err := p.Snapshot(m.T.Context(), app.SnapshotInput{Task: m.Name, Worker: app.Worker{Worker: 0, Workers: 1}})
	return err
}

// Settle seals the seam and gives the tail's epoch. Invocations that ended
// unseen are forgotten first: their process is dead, which the test knows.
func (m *Migration) Settle() int64 {
	m.T.Helper()
	st := m.State()
	for key, err := range m.Store.List(m.T.Context(), st.Workers(), "") {
		m.Must(err)
		m.Must(m.Store.Delete(m.T.Context(), key))
	}
	out, err := m.Process().Settle(m.T.Context(), app.SettleInput{Task: m.Name})
	m.Must(err)
	if out.More || out.Wait > 0 {
		m.T.Fatalf("settle: chunks are missing, or a worker is still at work: %+v", out)
	}
	return out.Epoch
}

// State names the task's objects.
func (m *Migration) State() *state.Task {
	m.T.Helper()
	st, err := state.NewTask(m.Store, m.Name)
	m.Must(err)
	return st
}

// Tip is the newest checkpoint.
func (m *Migration) Tip() state.Checkpoint {
	m.T.Helper()
	cp, err := state.NewChain(m.State(), nil).Tip(m.T.Context())
	m.Must(err)
	return cp
}

// Tail is a tail at work.
type Tail struct {
	P    *Process
	m    *Migration
	stop context.CancelFunc
	done chan struct{}
	out  app.TailOutput
	err  error
}

// Tail starts a tail in a process of its own.
func (m *Migration) Tail(epoch int64) *Tail {
	m.T.Helper()
	return m.TailBy(m.Process(), epoch)
}

// TailBy starts a tail in process p. It is stopped when the test ends.
func (m *Migration) TailBy(p *Process, epoch int64) *Tail {
	ctx, stop := context.WithCancel(context.WithoutCancel(m.T.Context()))
	r := &Tail{P: p, m: m, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.out, r.err = p.Tail(ctx, app.TailInput{Task: m.Name, Epoch: epoch})
	}()
	m.T.Cleanup(func() { stop(); <-r.done })
	return r
}

// FollowAgain settles and starts the tail, and goes round as the workflow does
// for as long as a tail asks for tables again. It gives the tail that has read
// past all that was executed.
func (m *Migration) FollowAgain() *Tail {
	m.T.Helper()
	for range 5 {
		r := m.Tail(m.Settle())
		caught := make(chan error, 1)
		go func() { caught <- checker.Fence(m.T.Context(), m.DB, r.Committed) }()
		select {
		case err := <-caught:
			m.Must(err)
			select {
			case <-r.Done():
			default:
				return r
			}
		case <-r.Done():
		}
		out, err := r.Wait()
		m.Must(err)
		if len(out.Again) == 0 {
			m.T.Fatalf("the tail ended with %+v", out)
		}
		m.Plan(out.Again...)
		m.Snapshot()
	}
	m.T.Fatal("the tail asks for tables again and again")
	return nil
}

// Stop tells the tail to drain, and waits for its end.
func (r *Tail) Stop() {
	r.m.T.Helper()
	r.stop()
	<-r.done
	if r.err != nil && fault.ClassOf(r.err) != fault.Interrupted {
		r.m.T.Fatalf("tail: %v", r.err)
	}
}

// Wait waits for a tail that ends by itself, and gives what it said.
func (r *Tail) Wait() (app.TailOutput, error) {
	r.m.T.Helper()
	select {
	case <-r.done:
	case <-time.After(2 * time.Minute):
		r.m.T.Fatal("the tail does not end")
	}
	return r.out, r.err
}

// Done is closed when the tail has ended.
func (r *Tail) Done() <-chan struct{} { return r.done }

// Committed is the newest checkpoint's GTID set, for the checker's fence; a
// tail that failed ends the wait.
func (r *Tail) Committed(ctx context.Context) (string, error) {
	select {
	case <-r.done:
		if r.err != nil && fault.ClassOf(r.err) != fault.Interrupted {
			return "", fmt.Errorf("the tail has failed: %w", r.err)
		}
	default:
	}
	cp, err := state.NewChain(r.m.State(), nil).Tip(ctx)
	if errors.Is(err, state.ErrNoChain) {
		return "", nil
	}
	return cp.Committed.GTIDSet, err
}

// Caught waits until everything executed so far is committed.
func (r *Tail) Caught() {
	r.m.T.Helper()
	r.m.Must(checker.Fence(r.m.T.Context(), r.m.DB, r.Committed))
}

// Check waits until everything is delivered, and proves that the topic is the
// source; tables are those of Database.
func (r *Tail) Check(tables ...string) checker.Report {
	r.m.T.Helper()
	report := r.Examine(checker.Options{}, tables...)
	if !report.OK() {
		r.m.T.Fatalf("the topic is not the source:\n%s", report.String())
	}
	return report
}

// Examine is Check with options and without a verdict.
func (r *Tail) Examine(opts checker.Options, tables ...string) checker.Report {
	m := r.m
	m.T.Helper()
	var list []checker.Table
	for _, name := range tables {
		list = append(list, checker.Table{Database: m.Database, Name: name})
	}
	report, err := checker.Run(m.T.Context(), checker.Config{
		Options: opts, NameServer: m.Broker.NameServer, Topics: []string{m.Topic}, DB: m.DB, Tables: list, Committed: r.Committed,
	})
	m.Must(err)
	return report
}
