// SPDX-License-Identifier: Apache-2.0

// Command demo shows Slipway at work, on this machine and on real servers: a small shop moves from MySQL into RocketMQ while
// it goes on selling, with the task's state in an S3 bucket, and at the end the demo proves that the topic is the shop.
//
//	go run ./scripts/demo           the whole of it, a minute or less once the servers are downloaded
//	go run ./scripts/demo -kill     and kill slipway with kill -9 on the way
//	go run ./scripts/demo -keep     and leave everything running until Ctrl-C, to look around
//
// All it starts ends with it. It exits 1 when the topic is not the shop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // a second one ends the demo at once, and the kernel ends the servers with it
		cancel(errInterrupted)
	}()
	p := newPage(os.Stdout)
	err := run(ctx, p, os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(context.Cause(ctx), errInterrupted):
		p.end()
		fmt.Fprintln(os.Stderr, "demo: stopped; nothing is left running")
		os.Exit(130)
	default:
		p.end()
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

var errInterrupted = errors.New("interrupted")

// options are the command line.
type options struct {
	keep, kill bool
}

func run(ctx context.Context, p *page, args []string) error {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.BoolVar(&o.keep, "keep", false, "leave everything running until Ctrl-C")
	flags.BoolVar(&o.kill, "kill", false, "kill slipway with kill -9 and start it again (half a minute more)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q", flags.Args())
	}
	d := &demo{options: o, page: p}
	err := d.run(ctx)
	return errors.Join(err, d.close(err))
}
