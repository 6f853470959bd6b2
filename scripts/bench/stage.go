// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"slipway/shared/app"
	"slipway/shared/rocketmq/admin"
	"slipway/shared/state"
	"slipway/shared/task"
)

const database = "slipway_bench"

// stage is a table of 0.3 KB rows, a topic, and a task with its state in a
// temporary folder.
type stage struct {
	dir   string
	db    *sql.DB
	admin *admin.Client
	conf  setting
	rows  int
}

// setting is what a child needs to know.
type setting struct {
	Addr, Endpoint, Topic, Task, State string
	// Until is the GTID set a tail has to commit.
	Until string
	// Messages and BodyBytes to send bare.
	Messages  int64
	BodyBytes int
	Rows      int
}

// report is what a child measured.
type report struct {
	Seconds  float64
	Rows     int
	Messages int64
	Bytes    int64
}

func newStage(ctx context.Context, rows int) (*stage, error) {
	dsn, endpoint, names := os.Getenv("SLIPWAY_TEST_MYSQL_DSN"), os.Getenv("SLIPWAY_TEST_ROCKETMQ_ENDPOINT"), os.Getenv("SLIPWAY_TEST_ROCKETMQ_NAMESRV")
	if dsn == "" || endpoint == "" || names == "" {
		return nil, errors.New("no servers: run `make bench`, or set SLIPWAY_TEST_MYSQL_DSN, SLIPWAY_TEST_ROCKETMQ_ENDPOINT and SLIPWAY_TEST_ROCKETMQ_NAMESRV")
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	s := &stage{rows: rows, admin: admin.New(names)}
	if s.dir, err = os.MkdirTemp("", "slipway-bench-"); err != nil {
		return nil, err
	}
	s.conf = setting{Addr: cfg.Addr, Endpoint: endpoint, Topic: fmt.Sprintf("bench-%d", time.Now().UnixNano()), Task: "bench", State: "file://" + filepath.Join(s.dir, "state"), Rows: rows}
	cfg.MultiStatements = true
	if s.db, err = sql.Open("mysql", cfg.FormatDSN()); err != nil {
		return nil, err
	}
	s.db.SetMaxOpenConns(1)
	if err := s.admin.CreateTopic(ctx, admin.FIFO(s.conf.Topic, 16)); err != nil {
		return nil, err
	}
	return s, s.fill(ctx)
}

func (s *stage) fill(ctx context.Context) error {
	statements := []string{
		"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database, "USE " + database,
		"CREATE TABLE orders (id BIGINT PRIMARY KEY, customer VARCHAR(50) NOT NULL, k INT NOT NULL, amount DECIMAL(10,2), at DATETIME(3), note VARCHAR(250))",
		"SET SESSION cte_max_recursion_depth = 100000000",
		fmt.Sprintf("INSERT INTO orders WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, CONCAT('customer ', i), i, i / 7, NOW(3), REPEAT('abcdefgh', 25) FROM n", s.rows),
		"ANALYZE TABLE orders",
	}
	for _, q := range statements {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%.60s: %w", q, err)
		}
	}
	a, err := s.open(ctx, nil)
	if err != nil {
		return err
	}
	t, err := task.Load("bench.yaml", s.yaml(), os.LookupEnv)
	if err != nil {
		return err
	}
	if err := a.Submit(ctx, t, s.yaml()); err != nil {
		return err
	}
	_, err = a.Plan(ctx, app.PlanInput{Task: s.conf.Task})
	return err
}

func (s *stage) yaml() []byte {
	return fmt.Appendf(nil, "name: %s\nstate: %s\nsource: {hosts: [%q], user: root}\ndestination: {version: \"5\", endpoint: %q, topic: %s}\nobjects: [{match: %q}]\n",
		s.conf.Task, s.conf.State, s.conf.Addr, s.conf.Endpoint, s.conf.Topic, database+".*")
}

func (s *stage) open(ctx context.Context, tune *app.Tune) (*app.App, error) {
	return openApp(ctx, s.conf, tune)
}

func openApp(ctx context.Context, c setting, tune *app.Tune) (*app.App, error) {
	return app.New(ctx, app.Env{State: c.State, Getenv: os.Getenv, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Tune: tune})
}

func (s *stage) close() {
	ctx := context.Background()
	_, _ = s.db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+database)
	_ = s.admin.DeleteTopic(ctx, s.conf.Topic)
	_ = s.db.Close()
	_ = os.RemoveAll(s.dir)
}

// child runs one step in a process of its own and adds what the kernel says
// about it.
func (s *stage) child(ctx context.Context, step string) (figure, report, error) {
	self, err := os.Executable()
	if err != nil {
		return figure{}, report{}, err
	}
	conf, err := json.Marshal(s.conf)
	if err != nil {
		return figure{}, report{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", step)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(conf), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return figure{}, report{}, err
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		return figure{}, report{}, fmt.Errorf("%s said %q: %w", step, out, err)
	}
	f := figure{Rows: r.Rows, Seconds: r.Seconds, Messages: r.Messages, MB: float64(r.Bytes) / 1e6}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		f.RSS = float64(u.Maxrss) / 1024
	}
	return f, r, nil
}

// bare adds a limit measured by another child.
func (s *stage) bare(ctx context.Context, f *figure, name, step string) error {
	_, r, err := s.child(ctx, step)
	if err != nil {
		return err
	}
	f.Bare = append(f.Bare, limit{name, float64(f.Rows) / r.Seconds})
	return nil
}

func (s *stage) snapshot(ctx context.Context) (figure, error) {
	f, r, err := s.child(ctx, "snapshot")
	if err != nil {
		return f, err
	}
	if r.Rows != s.rows {
		return f, fmt.Errorf("%d of %d rows were delivered", r.Rows, s.rows)
	}
	if err := s.bare(ctx, &f, "streaming SELECT", "select"); err != nil {
		return f, err
	}
	return f, s.bareSends(ctx, &f, r)
}

func (s *stage) bareSends(ctx context.Context, f *figure, r report) error {
	s.conf.Messages, s.conf.BodyBytes = r.Messages, int(r.Bytes/max(r.Messages, 1))
	return s.bare(ctx, f, fmt.Sprintf("sends of %d bodies of %d bytes", r.Messages, s.conf.BodyBytes), "send")
}

// tail makes a change at the source and measures how a tail delivers it.
func (s *stage) tail(ctx context.Context, rows int, changes ...string) (figure, error) {
	return s.follow(ctx, rows, func() error {
		for _, q := range changes {
			if _, err := s.db.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *stage) tailSingles(ctx context.Context, n int) (figure, error) {
	return s.follow(ctx, n, func() error {
		for i := 0; i < n; {
			var b strings.Builder
			for ; i < n && b.Len() < 60_000; i++ {
				fmt.Fprintf(&b, "UPDATE orders SET k = k + 1 WHERE id = %d;", i%s.rows+1)
			}
			if _, err := s.db.ExecContext(ctx, b.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *stage) follow(ctx context.Context, rows int, write func() error) (figure, error) {
	a, err := s.open(ctx, nil)
	if err != nil {
		return figure{}, err
	}
	if _, err := a.Settle(ctx, app.SettleInput{Task: s.conf.Task}); err != nil {
		return figure{}, err
	}
	if err := write(); err != nil {
		return figure{}, err
	}
	if err := s.db.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&s.conf.Until); err != nil {
		return figure{}, err
	}
	s.conf.Rows = rows
	before, err := s.tip(ctx)
	if err != nil {
		return figure{}, err
	}
	f, r, err := s.child(ctx, "tail")
	if err != nil {
		return f, err
	}
	if r.Rows != rows {
		return f, fmt.Errorf("%d of %d rows were delivered", r.Rows, rows)
	}
	decode := s.conf
	s.conf.Until = before.Committed.GTIDSet
	if err := s.bare(ctx, &f, "binlog decode", "decode"); err != nil {
		return f, err
	}
	s.conf = decode
	return f, s.bareSends(ctx, &f, r)
}

func (s *stage) tip(ctx context.Context) (state.Checkpoint, error) {
	store, err := state.Open(ctx, s.conf.State)
	if err != nil {
		return state.Checkpoint{}, err
	}
	st, err := state.NewTask(store, s.conf.Task)
	if err != nil {
		return state.Checkpoint{}, err
	}
	return state.NewChain(st, nil).Tip(ctx)
}

func readSetting(in io.Reader) (setting, error) {
	var c setting
	err := json.NewDecoder(in).Decode(&c)
	return c, err
}
