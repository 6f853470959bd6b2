// SPDX-License-Identifier: Apache-2.0

// Package rig gives the demo and the soak what they work with: real servers, a topic, the slipway program as a process of
// its own, and the newest checkpoint of a task.
//
// The invariant: whatever is started here ends with this process, however that ends, unless it is told to outlive it; and
// nothing is ended that wasn't started here.
package rig

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver
	"golang.org/x/sync/errgroup"

	"slipway/shared/rocketmq/admin"
	"slipway/shared/servertest/server"
	"slipway/shared/state"
)

// Servers are one MySQL and one RocketMQ.
type Servers struct {
	// MySQL is host:port, root has no password; Endpoint is RocketMQ's gRPC proxy, NameServer its name server.
	MySQL, Endpoint, NameServer string
	// MySQLVersion and RocketMQVersion are empty for servers that were not started here.
	MySQLVersion, RocketMQVersion string
	// Pids are those of the servers started here.
	Pids []int

	dsn  string
	stop []func() error
}

// FromEnv gives the servers that SLIPWAY_TEST_* name, which somebody else started; nil when the variables are not set.
func FromEnv() *Servers {
	s := &Servers{
		dsn: os.Getenv("SLIPWAY_TEST_MYSQL_DSN"), Endpoint: os.Getenv("SLIPWAY_TEST_ROCKETMQ_ENDPOINT"),
		NameServer: os.Getenv("SLIPWAY_TEST_ROCKETMQ_NAMESRV"),
	}
	var found bool
	if s.MySQL, found = addressOf(s.dsn); !found || s.Endpoint == "" || s.NameServer == "" {
		return nil
	}
	return s
}

// Fetch brings the servers' programs into the cache if they are not there yet. log hears of downloads.
func Fetch(ctx context.Context, cache server.Cache, log *slog.Logger) error {
	if _, err := cache.FetchMySQL(ctx, log, ""); err != nil {
		return err
	}
	_, err := cache.FetchRocketMQ(ctx, log)
	return err
}

// Start runs new servers in dir, out of what Fetch has brought, and returns when both answer.
func Start(ctx context.Context, cache server.Cache, dir string, outlive bool) (*Servers, error) {
	var (
		mysql    *server.MySQL
		rocketmq *server.RocketMQ
	)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		dist, err := cache.MySQL("")
		if err != nil {
			return err
		}
		mysql, err = dist.Start(ctx, server.MySQLOptions{Dir: filepath.Join(dir, "mysql"), Outlive: outlive})
		return err
	})
	group.Go(func() error {
		dist, err := cache.RocketMQ()
		if err != nil {
			return err
		}
		rocketmq, err = dist.Start(ctx, server.RocketMQOptions{Dir: filepath.Join(dir, "rocketmq"), Outlive: outlive})
		return err
	})
	err := group.Wait()
	s := &Servers{}
	if mysql != nil && mysql.Process != nil {
		s.MySQL, s.dsn, s.MySQLVersion = mysql.Addr, mysql.DSN, mysql.Version
		s.Pids, s.stop = append(s.Pids, mysql.Pid()), append(s.stop, mysql.Stop)
	}
	if rocketmq != nil && rocketmq.Process != nil {
		s.Endpoint, s.NameServer, s.RocketMQVersion = rocketmq.Endpoint, rocketmq.NameServer, rocketmq.Version
		s.Pids, s.stop = append(s.Pids, rocketmq.Pid()), append(s.stop, rocketmq.Stop)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Stop ends the servers that were started here, both at once.
func (s *Servers) Stop() error {
	var group errgroup.Group
	for _, stop := range s.stop {
		group.Go(stop)
	}
	s.stop = nil
	return group.Wait()
}

// Open connects to a database of MySQL as root; "" is none.
func (s *Servers) Open(database string) (*sql.DB, error) {
	return sql.Open("mysql", s.dsn+database+"?interpolateParams=true")
}

// Topic makes a FIFO topic and waits until the broker's clients can see it.
func (s *Servers) Topic(ctx context.Context, name string, queues int) error {
	if err := admin.New(s.NameServer).CreateTopic(ctx, admin.FIFO(name, queues)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	probe := server.RouteProbe{Endpoint: s.Endpoint}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe.Visible(ctx, name)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for topic %s: %w", name, err)
		case <-tick.C:
		}
	}
}

// Chain opens the checkpoints of a task in the store at a state URL.
func Chain(ctx context.Context, stateURL, task string) (*state.Chain, error) {
	store, err := state.Open(ctx, stateURL)
	if err != nil {
		return nil, err
	}
	st, err := state.NewTask(store, task)
	if err != nil {
		return nil, err
	}
	return state.NewChain(st, nil), nil
}

// Committed is the GTID set of the newest checkpoint, for the checker's fence; an empty one before the first. running tells
// why the program has ended, if it has: then there is nothing to wait for.
func Committed(chain *state.Chain, running func() error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := running(); err != nil {
			return "", err
		}
		tip, err := chain.Tip(ctx)
		if errors.Is(err, state.ErrNoChain) {
			return "", nil
		}
		return tip.Committed.GTIDSet, err
	}
}

// DeleteTopic removes a topic.
func (s *Servers) DeleteTopic(ctx context.Context, name string) error {
	return admin.New(s.NameServer).DeleteTopic(ctx, name)
}
