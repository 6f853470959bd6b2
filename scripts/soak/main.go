// SPDX-License-Identifier: Apache-2.0

// Command soak looks for what tests don't find. A random workload changes several tables for minutes: inserts, updates,
// deletes, key changes, transactions over several tables, rollbacks, savepoints, XA transactions. Meanwhile `slipway run`
// moves them and is killed with kill -9 again and again, while it takes the snapshot and while it follows the binlog. At the
// end the checker reads the whole topic and compares it with the tables.
//
//	go run ./scripts/soak -rows 200000 -kills 5 -seed 1
//
// ROWS, KILLS and SEED in the environment do the same. Every choice follows from the seed; how the choices of the writers
// interleave does not. It uses the servers that SLIPWAY_TEST_* name, or starts its own. It exits 1 when the checker finds
// anything, and keeps then what is needed to look into it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errFound):
		os.Exit(1) // the report has said what
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "soak: stopped; nothing is left running")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
}

// options are the command line.
type options struct {
	rows  int64  // row changes of the workload
	kills int    // how often slipway is killed
	seed  uint64 // all choices follow from it
	ddl   bool   // some DDL too
	keep  bool   // keep database, state and logs even when nothing was found
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.Int64Var(&o.rows, "rows", int64(fromEnv("ROWS", 200_000)), "row changes of the workload")
	flags.IntVar(&o.kills, "kills", int(fromEnv("KILLS", 5)), "how often slipway is killed")
	flags.Uint64Var(&o.seed, "seed", fromEnv("SEED", 1), "every random choice follows from it")
	flags.BoolVar(&o.ddl, "ddl", os.Getenv("DDL") != "", "add columns and truncate a table now and then")
	flags.BoolVar(&o.keep, "keep", os.Getenv("KEEP") != "", "keep database, state and logs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || o.rows < 1 || o.kills < 0 {
		return errors.New("want at least one row, no negative number of kills and no further arguments")
	}
	s, err := newSoak(ctx, o)
	if err != nil {
		return err
	}
	found, err := s.run(ctx)
	return errors.Join(err, s.close(found || err != nil && ctx.Err() == nil), verdict(found))
}

// errFound says that the checker found something.
var errFound = errors.New("the checker found something")

func verdict(found bool) error {
	if found {
		return errFound
	}
	return nil
}

// fromEnv is a number from the environment, or def.
func fromEnv(name string, def uint64) uint64 {
	if v, err := strconv.ParseUint(os.Getenv(name), 10, 63); err == nil {
		return v
	}
	return def
}
