// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"slipway/scripts/rig"
	"slipway/shared/checker"
	"slipway/shared/servertest/server"
)

const (
	writers = 3
	// perKill is what a kill costs: the lease that has to lapse, and some work before the next.
	perKill = 33 * time.Second
	// fill is how many rows each table has at the beginning.
	fill = 25_000
)

// soak is one run.
type soak struct {
	options
	began    time.Time
	servers  *rig.Servers
	own      bool
	dir      string
	database string
	db       *sql.DB
	tables   []*table
	load     *workload
	move     *migration
}

// newSoak finds or starts servers and builds the program.
func newSoak(ctx context.Context, o options) (s *soak, err error) {
	s = &soak{options: o, began: time.Now(), tables: tables(), database: fmt.Sprintf("soak_%d_%d", o.seed, os.Getpid())}
	s.say("seed %d, %d row changes, %d kills, %s", o.seed, o.rows, o.kills, map[bool]string{true: "with DDL", false: "no DDL"}[o.ddl])
	cache, err := server.OpenCache()
	if err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(cache.Dir, "soak-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(false))
		}
	}()
	if s.servers = rig.FromEnv(); s.servers == nil {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		if err := rig.Fetch(ctx, cache, log); err != nil {
			return nil, err
		}
		if s.servers, err = rig.Start(ctx, cache, s.dir, false); err != nil {
			return nil, err
		}
		s.own = true
	}
	s.say("servers: MySQL %s, RocketMQ %s", s.servers.MySQL, s.servers.Endpoint)
	return s, s.prepare(ctx)
}

// prepare makes database, topic, task file and program.
func (s *soak) prepare(ctx context.Context) error {
	root, err := s.servers.Open("")
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.ExecContext(ctx, "CREATE DATABASE "+s.database+" CHARACTER SET utf8mb4"); err != nil {
		return err
	}
	if s.db, err = s.servers.Open(s.database); err != nil {
		return err
	}
	for _, t := range s.tables {
		if _, err := s.db.ExecContext(ctx, "CREATE TABLE "+t.name+" ("+t.ddl+")"); err != nil {
			return fmt.Errorf("create table %s: %w", t.name, err)
		}
	}
	if err := s.servers.Topic(ctx, s.topic(), 8); err != nil {
		return err
	}
	if err := os.WriteFile(s.taskFile(), []byte(s.yaml()), 0o644); err != nil {
		return err
	}
	binary, err := rig.Build(ctx, s.dir)
	if err != nil {
		return err
	}
	chain, err := rig.Chain(ctx, s.state(), s.name())
	if err != nil {
		return err
	}
	s.move = newMigration(binary, s.dir, s.taskFile(), chain, s.say)
	slow, hurry := context.WithCancel(ctx)
	s.load = &workload{
		db: s.db, tables: s.tables, space: 2 * fill, want: s.rows, slow: slow, hurry: hurry,
		pace: rate.NewLimiter(s.pace(), 2000),
	}
	s.say("filling %d tables", len(s.tables))
	return s.load.fill(ctx, s.seed, fill)
}

// pace spreads the row changes over the kills.
func (s *soak) pace() rate.Limit {
	if s.kills == 0 {
		return rate.Limit(5000)
	}
	return rate.Limit(float64(s.rows) / (time.Duration(s.kills) * perKill).Seconds())
}

func (s *soak) name() string     { return fmt.Sprintf("soak-%d", s.seed) }
func (s *soak) topic() string    { return s.database }
func (s *soak) state() string    { return "file://" + filepath.Join(s.dir, "state") }
func (s *soak) taskFile() string { return filepath.Join(s.dir, "task.yaml") }

func (s *soak) yaml() string {
	return fmt.Sprintf(`name: %s
state: %s
source: {hosts: ["%s"], user: root}
destination: {version: "5", endpoint: "%s", topic: %s}
objects: [{match: "%s.*"}]
lanes: 16
packing: {maxRows: 50}
`, s.name(), s.state(), s.servers.MySQL, s.servers.Endpoint, s.topic(), s.database)
}

// run does all of it; found tells that the checker found something.
func (s *soak) run(ctx context.Context) (found bool, err error) {
	if err := s.move.start(); err != nil {
		return false, err
	}
	if err := s.work(ctx); err != nil {
		return false, err
	}
	s.say("writers stopped: waiting for the topic to hold everything")
	if err := checker.Fence(ctx, s.db, rig.Committed(s.move.chain, s.move.ended)); err != nil {
		return false, err
	}
	draining, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p, _, _ := s.move.current()
	if err := p.Drain(draining); err != nil {
		return false, err
	}
	s.say("drained: checking")
	var list []checker.Table
	for _, t := range s.tables {
		list = append(list, checker.Table{Database: s.database, Name: t.name})
	}
	report, err := checker.Run(ctx, checker.Config{
		NameServer: s.servers.NameServer, Topics: []string{s.topic()}, DB: s.db, Tables: list,
	})
	if err != nil {
		return false, err
	}
	if err := s.print(&report); err != nil {
		return false, err
	}
	return !report.OK(), nil
}

// work runs writers and kills side by side.
func (s *soak) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	planned, stopped := make(chan struct{}), make(chan struct{})
	writing, _ := errgroup.WithContext(ctx)
	for id := range writers + 1 {
		w, err := s.load.start(ctx, s.seed, id)
		if err != nil {
			return err
		}
		writing.Go(func() error {
			if id == writers {
				return w.runXA(ctx, planned)
			}
			return w.run(ctx)
		})
	}
	group.Go(func() error {
		defer close(stopped)
		return writing.Wait()
	})
	if s.ddl {
		group.Go(func() error { return s.load.runDDL(ctx, rand.New(rand.NewPCG(s.seed, 1<<34)), stopped) })
	}
	group.Go(func() error {
		defer close(planned)
		return s.move.await(ctx, "snapshot")
	})
	group.Go(func() error {
		defer s.load.hurry()
		return s.move.killAll(ctx, rand.New(rand.NewPCG(s.seed, 1<<33)), s.kills)
	})
	group.Go(func() error { return s.watch(ctx, stopped) })
	return group.Wait()
}

// watch tells now and then how far the workload is.
func (s *soak) watch(ctx context.Context, stopped <-chan struct{}) error {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			_, phase, _ := s.move.current()
			s.say("%d of %d rows changed, slipway: %s", s.load.rows.Load(), s.rows, phase)
		}
	}
}

// say prints a line with the seconds since the beginning.
func (s *soak) say(format string, a ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, a...))
}

// close stops what was started. With keep, all that helps to look into it stays.
func (s *soak) close(keep bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if s.move != nil {
		if p, _, _ := s.move.current(); p != nil && p.Ended() == nil {
			errs = append(errs, p.Kill())
		}
	}
	if s.own { // before its folder goes: a server that runs makes it anew
		errs = append(errs, s.servers.Stop())
	}
	if keep || s.keep {
		s.say("kept: %s (task file, state, logs), database %s, topic %s", s.dir, s.database, s.topic())
	} else {
		errs = append(errs, s.remove(ctx))
	}
	return errors.Join(errs...)
}

func (s *soak) remove(ctx context.Context) error {
	var errs []error
	if s.db != nil && !s.own {
		_, err := s.db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+s.database)
		errs = append(errs, err, s.db.Close(), s.servers.DeleteTopic(ctx, s.topic()))
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
