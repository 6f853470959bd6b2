// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/shared/servertest/server"
)

// serviceSet is one MySQL and one RocketMQ in one folder, and an S3 server when asked for.
type serviceSet struct {
	cache        server.Cache
	log          *slog.Logger
	dir          string
	mysqlVersion string
	mysqlFlags   words
	mysqlTLS     bool
	rocketmq     server.RocketMQOptions
	s3           bool
}

// words is a flag that may be given several times.
type words []string

func (w *words) String() string     { return strings.Join(*w, " ") }
func (w *words) Set(s string) error { *w = append(*w, s); return nil }

func (s *serviceSet) mysqlDir() string    { return filepath.Join(s.dir, "mysql") }
func (s *serviceSet) rocketmqDir() string { return filepath.Join(s.dir, "rocketmq") }
func (s *serviceSet) s3Dir() string       { return filepath.Join(s.dir, "s3") }
func (s *serviceSet) envFile() string     { return filepath.Join(s.dir, "env.sh") }

// fetch brings programs into the cache, one after the other: each download keeps the line busy.
func (s *serviceSet) fetch(ctx context.Context, mysqlVersions ...string) error {
	for _, version := range mysqlVersions {
		if _, err := s.cache.FetchMySQL(ctx, s.log, version); err != nil {
			return err
		}
	}
	if s.s3 {
		if _, err := s.cache.FetchS3(ctx, s.log); err != nil {
			return err
		}
	}
	_, err := s.cache.FetchRocketMQ(ctx, s.log)
	return err
}

// up starts what does not run yet, waits until both answer and writes the env file.
func (s *serviceSet) up(ctx context.Context) error {
	env, err := s.start(ctx, true)
	if err != nil {
		return err
	}
	fmt.Print(exports(env))
	fmt.Fprintf(os.Stderr, "to use them in this shell:  source %s\n", s.envFile())
	return nil
}

// start gives the variables that tests find the servers by.
func (s *serviceSet) start(ctx context.Context, outlive bool) (env []string, err error) {
	unlock, err := server.Lock(filepath.Join(s.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.fetch(ctx, s.mysqlVersion); err != nil {
		return nil, err
	}
	begin := time.Now()
	var (
		mysql    *server.MySQL
		rocketmq *server.RocketMQ
		s3       *server.S3
	)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		dist, err := s.cache.MySQL(s.mysqlVersion)
		if err != nil {
			return err
		}
		mysql, err = dist.Start(ctx, server.MySQLOptions{Dir: s.mysqlDir(), Flags: s.mysqlFlags, TLS: s.mysqlTLS, Outlive: outlive})
		return err
	})
	group.Go(func() (err error) {
		dist, err := s.cache.RocketMQ()
		if err != nil {
			return err
		}
		opts := s.rocketmq
		opts.Dir, opts.Outlive = s.rocketmqDir(), outlive
		rocketmq, err = dist.Start(ctx, opts)
		return err
	})
	if s.s3 {
		group.Go(func() (err error) {
			dist, err := s.cache.S3()
			if err != nil {
				return err
			}
			s3, err = dist.Start(ctx, server.S3Options{Dir: s.s3Dir(), Outlive: outlive})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, s.down())
	}
	s.log.Info("ready", "after", time.Since(begin).Round(time.Millisecond),
		"mysql", mysql.Version, "mysqlPid", mysql.Pid(), "rocketmq", rocketmq.Version, "rocketmqPid", rocketmq.Pid())
	env = slices.Concat(mysql.Env(), rocketmq.Env())
	if s3 != nil {
		env = append(env, s3.Env()...)
	}
	return env, os.WriteFile(s.envFile(), []byte(exports(env)), 0o644)
}

// exports are variables as lines that a shell reads.
func exports(env []string) string {
	var b strings.Builder
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&b, "export %s='%s'\n", name, value)
	}
	return b.String()
}

// down stops what runs. Data and ports are kept for the next up.
func (s *serviceSet) down() error {
	var errs []error
	for dir, name := range s.processes() {
		if p := server.Adopt(dir, name); p != nil {
			errs = append(errs, p.Stop())
		}
	}
	return errors.Join(errs...)
}

func (s *serviceSet) processes() map[string]string {
	return map[string]string{s.mysqlDir(): "mysqld", s.rocketmqDir(): "rocketmq", s.s3Dir(): "versitygw"}
}

func (s *serviceSet) status() error {
	for dir, name := range s.processes() {
		if p := server.Adopt(dir, name); p != nil {
			fmt.Printf("%s: running, pid %d\n", name, p.Pid())
		} else {
			fmt.Printf("%s: stopped\n", name)
		}
	}
	return nil
}

func (s *serviceSet) printEnv() error {
	env, err := os.ReadFile(s.envFile())
	if err != nil {
		return fmt.Errorf("%w; start them first: go run ./scripts/services up", err)
	}
	_, err = os.Stdout.Write(env)
	return err
}

// run starts a private set, runs the command with it and stops it whatever the command's end. Of the failed runs the
// last one's folder is kept, for its logs.
func (s *serviceSet) run(ctx context.Context, argv []string) (err error) {
	if len(argv) == 0 {
		return errors.New("run: no command after --")
	}
	if s.dir, err = os.MkdirTemp(s.cache.Dir, "run-"); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.down())
		if err == nil {
			err = os.RemoveAll(s.dir)
			return
		}
		kept := filepath.Join(s.cache.Dir, "failed-run")
		err = errors.Join(err, os.RemoveAll(kept), os.Rename(s.dir, kept))
		s.log.Info("the servers' data and logs are kept", "dir", kept)
	}()
	env, err := s.start(ctx, false)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, append(os.Environ(), env...)
	err = cmd.Run()
	if status, ok := errors.AsType[*exec.ExitError](err); ok {
		return &commandError{status}
	}
	return err
}

// commandError says that run's command ended unsuccessfully.
type commandError struct{ status *exec.ExitError }

func (e *commandError) Error() string { return e.status.Error() }
