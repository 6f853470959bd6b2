// SPDX-License-Identifier: Apache-2.0

// Command services runs the real servers that tests, the demo and the benchmarks use: MySQL and RocketMQ, and with -s3 an
// S3 server, on loopback and free ports, downloaded or built once into $SLIPWAY_CACHE (default ~/.cache/slipway).
//
//	go run ./scripts/services up             start them, or show those that run; go on in the background
//	go run ./scripts/services env            print how to reach them, as shell exports
//	go run ./scripts/services status         print whether they run
//	go run ./scripts/services down           stop them
//	go run ./scripts/services run -- CMD …   start a private set, run CMD with it, stop it
//	go run ./scripts/services fetch          only download, all there is
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"slipway/shared/servertest/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if failed, ok := errors.AsType[*commandError](err); ok {
		os.Exit(max(1, failed.status.ExitCode())) // the command has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

const usage = "usage: services up|down|env|status|fetch|run [flags] [-- command]"

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	cache, err := server.OpenCache()
	if err != nil {
		return err
	}
	set := serviceSet{cache: cache, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: noTime}))}
	flags := flag.NewFlagSet("services "+args[0], flag.ContinueOnError)
	flags.StringVar(&set.dir, "state", filepath.Join(cache.Dir, "run"), "folder of the instances")
	flags.StringVar(&set.mysqlVersion, "mysql", "", "MySQL version: "+server.MySQL57+" or "+server.MySQL80+"; empty for Debian sid's")
	flags.Var(&set.mysqlFlags, "mysql-flag", "a further flag for mysqld (repeat as needed)")
	flags.BoolVar(&set.mysqlTLS, "mysql-tls", false, "MySQL refuses connections without TLS")
	flags.BoolVar(&set.rocketmq.ACL, "acl", false, "RocketMQ demands signatures (user "+server.AccessKey+", password "+server.SecretKey+")")
	flags.BoolVar(&set.s3, "s3", false, "an S3 server, too: versitygw, which is built with Go the first time")
	flags.StringVar(&set.rocketmq.TLS, "tls", "permissive", "what RocketMQ's gRPC port speaks: permissive (TLS and plaintext) or disabled")
	flags.StringVar(&set.rocketmq.Flush, "flush", "ASYNC_FLUSH", "RocketMQ's flush mode, or SYNC_FLUSH")
	flags.StringVar(&set.rocketmq.Heap, "heap", "512m", "RocketMQ's Java heap")
	flags.BoolVar(&set.rocketmq.FullJIT, "full-jit", false, "compile Java fully: a slower start, then benchmark speed")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if args[0] != "run" && flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q; %s", flags.Args(), usage)
	}
	switch args[0] {
	case "up":
		return set.up(ctx)
	case "down":
		return set.down()
	case "env":
		return set.printEnv()
	case "status":
		return set.status()
	case "fetch":
		set.s3 = true
		return set.fetch(ctx, server.MySQLVersions()...)
	case "run":
		return set.run(ctx, flags.Args())
	default:
		return errors.New(usage)
	}
}

// noTime drops the time from log lines: they are read as they appear.
func noTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
