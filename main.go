// SPDX-License-Identifier: Apache-2.0

// Command slipway moves MySQL tables into RocketMQ and keeps them moving. docs/cli.md describes it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"slipway/shared/cli"
	"slipway/shared/fault"
)

// main owns the process: its signals and its end. The first signal ends the context, and whatever runs comes to an orderly
// stop; the second one doesn't wait for it.
func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, os.Args, cli.IO{
			Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv,
			OutTerminal: term.IsTerminal(int(os.Stdout.Fd())), ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
			OutSize: outSize,
		})
	}()
	for {
		select {
		case code := <-done:
			os.Exit(code)
		case s := <-signals:
			interrupted := fault.New(fault.Interrupted, "", "stopped by a signal (%s)", s)
			if ctx.Err() != nil {
				os.Exit(fault.ExitCode(interrupted))
			}
			cancel(interrupted)
		}
	}
}

// outSize is the terminal's, as it is now: its window may change.
func outSize() (columns, rows int) {
	columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}
