// SPDX-License-Identifier: Apache-2.0

// Command matrix runs the tests that move rows against every kind of source: versions of MySQL, minimal and full row
// metadata, with and without TLS. It prints a table, cell by package, of what passed, was skipped and failed.
//
//	go run ./scripts/matrix                     the cells of CI, with the tests of CI
//	go run ./scripts/matrix -all                every cell, with every test of the packages
//	go run ./scripts/matrix -cells 8.0-full     some cells
//
// A test may be skipped for one reason, which the table counts: that kind of source lacks what it is about. Any other
// skip fails the cell, as does a package of which no test ran.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"slipway/shared/servertest/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errFailed):
		os.Exit(1) // the table has said what
	default:
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(2)
	}
}

// errFailed says that a test failed in a cell.
var errFailed = errors.New("a cell failed")

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("matrix", flag.ContinueOnError)
	all := flags.Bool("all", false, "every cell, and every test of the packages")
	names := flags.String("cells", strings.Join(pairwise(), ","), "the cells to run")
	parallel := flags.Int("parallel", 2, "how many cells run at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *parallel < 1 {
		return errors.New("want no arguments, and at least one cell at once")
	}
	cells, err := choose(strings.Split(*names, ","))
	if *all {
		cells, err = cross(), nil
	}
	if err != nil {
		return err
	}
	m, err := newMatrix(ctx, !*all)
	if err != nil {
		return errors.Join(err, m.close())
	}
	results, err := m.run(ctx, cells, *parallel)
	err = errors.Join(err, m.close())
	if err != nil {
		return err
	}
	return report(os.Stdout, results)
}

// newMatrix fetches the servers, builds the tests and starts RocketMQ. Close it even after an error.
func newMatrix(ctx context.Context, short bool) (*matrix, error) {
	m := &matrix{short: short, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	var err error
	if m.cache, err = server.OpenCache(); err != nil {
		return m, err
	}
	if m.dir, err = os.MkdirTemp("", "slipway-matrix-"); err != nil {
		return m, err
	}
	for _, r := range releases() {
		if _, err := m.cache.FetchMySQL(ctx, m.log, r.version); err != nil {
			return m, err
		}
	}
	if err := m.build(ctx); err != nil {
		return m, err
	}
	return m, m.startRocketMQ(ctx)
}
