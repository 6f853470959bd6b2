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
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/shared/servertest/server"
)

// suiteLimit bounds one package's tests in one cell.
const suiteLimit = "10m"

// matrix is what the cells have in common: the tests, built once, and one RocketMQ. Each cell has a MySQL of its own.
type matrix struct {
	short    bool // only the tests of CI
	log      *slog.Logger
	cache    server.Cache
	dir      string
	rocketmq *server.RocketMQ
}

// build makes a program of each package's tests.
func (m *matrix) build(ctx context.Context) error {
	args := []string{"test", "-c", "-o", m.dir + "/"}
	for _, s := range suites() {
		args = append(args, "./shared/"+s.pkg)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the tests (run this at the module's root): %w", err)
	}
	return nil
}

func (m *matrix) startRocketMQ(ctx context.Context) error {
	dist, err := m.cache.FetchRocketMQ(ctx, m.log)
	if err != nil {
		return err
	}
	m.rocketmq, err = dist.Start(ctx, server.RocketMQOptions{Dir: filepath.Join(m.dir, "rocketmq")})
	return err
}

// close stops RocketMQ and removes everything.
func (m *matrix) close() error {
	var err error
	if m.rocketmq != nil && m.rocketmq.Process != nil {
		err = m.rocketmq.Kill()
	}
	if m.dir != "" {
		err = errors.Join(err, os.RemoveAll(m.dir))
	}
	return err
}

// run runs some cells at once, and gives the results in the order of the cells.
func (m *matrix) run(ctx context.Context, cells []cell, parallel int) ([]cellResult, error) {
	results := make([]cellResult, len(cells))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, c := range cells {
		group.Go(func() (err error) {
			results[i], err = m.runCell(ctx, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
			return nil
		})
	}
	return results, group.Wait()
}

func (m *matrix) runCell(ctx context.Context, c cell) (r cellResult, err error) {
	r = cellResult{cell: c}
	mysql, err := m.startMySQL(ctx, c)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, mysql.Kill()) }()
	r.version = mysql.Version
	env := slices.Concat(os.Environ(), []string{"SLIPWAY_TEST_REQUIRED=1"}, mysql.Env(), m.rocketmq.Env())
	for _, s := range suites() {
		result, err := m.runSuite(ctx, c, s, env)
		if err != nil {
			return r, err
		}
		r.suites = append(r.suites, result)
		m.log.Info(result.String(), "cell", c, "package", s.pkg)
	}
	return r, nil
}

func (m *matrix) startMySQL(ctx context.Context, c cell) (*server.MySQL, error) {
	dist, err := m.cache.MySQL(c.release().version)
	if err != nil {
		return nil, err
	}
	if series := strings.TrimSuffix(c.version, "x"); !strings.HasPrefix(dist.Version, series) {
		return nil, fmt.Errorf("MySQL %s is in the cache where %s belongs: Debian's could not be fetched", dist.Version, c.version)
	}
	options := c.options()
	options.Dir = filepath.Join(m.dir, c.String())
	return dist.Start(ctx, options)
}

// runSuite runs one package's tests in its folder. Its error is not about a test.
func (m *matrix) runSuite(ctx context.Context, c cell, s suite, env []string) (suiteResult, error) {
	args := []string{"-test.v=test2json", "-test.count=1", "-test.timeout=" + suiteLimit, "-test.skip=" + s.skip}
	if m.short {
		args = append(args, "-test.run="+s.short)
	}
	begin := time.Now()
	tests := exec.CommandContext(ctx, filepath.Join(m.dir, s.pkg+".test"), args...)
	tests.Dir, tests.Env, tests.Stderr = filepath.Join("shared", s.pkg), env, os.Stderr
	said, err := tests.StdoutPipe()
	if err != nil {
		return suiteResult{}, err
	}
	events := exec.CommandContext(ctx, "go", "tool", "test2json")
	events.Stdin, events.Stderr = said, os.Stderr
	out, err := events.StdoutPipe()
	if err != nil {
		return suiteResult{}, err
	}
	if err := tests.Start(); err != nil {
		return suiteResult{}, err
	}
	if err := events.Start(); err != nil {
		return suiteResult{}, errors.Join(err, tests.Process.Kill(), tests.Wait())
	}
	r, err := readResult(out)
	r.pkg, r.cell = s.pkg, c
	err = errors.Join(err, events.Wait())
	ended := tests.Wait()
	r.took = time.Since(begin)
	if status, ok := errors.AsType[*exec.ExitError](ended); ok && ctx.Err() == nil {
		ended = nil
		if len(r.failed) == 0 {
			r.failed[""] = status.Error() + "\n" + r.output
		}
	}
	return r, errors.Join(err, ended)
}
