// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/scripts/rig"
	"slipway/shared/servertest/server"
)

// topic takes the shop's changes.
const topic = "shop"

// demo is what has been started so far; close ends it.
type demo struct {
	options
	page    *page
	dir     string // of everything that is written to disk
	program string // the built slipway
	file    string // the task file
	servers *rig.Servers
	bucket  *bucket
	db      *sql.DB
	till    *till
	migration
}

func (d *demo) run(ctx context.Context) error {
	begun := time.Now()
	d.page.title("Slipway: a shop moves from MySQL into RocketMQ while it goes on selling")
	for _, step := range []func(context.Context) error{
		d.startServers, d.openShop, d.writeTask, d.move, d.showState, d.killAndResume, d.closeShop, d.showMessages, d.prove,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.page.note("the demo took %s", since(begun))
	d.next()
	if d.keep {
		return d.stay(ctx)
	}
	return nil
}

// startServers brings up everything the demo needs, and builds slipway meanwhile.
func (d *demo) startServers(ctx context.Context) error {
	d.page.section("Real servers, on this machine")
	cache, err := server.OpenCache()
	if err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp(cache.Dir, "demo-"); err != nil {
		return err
	}
	begun := time.Now()
	building, buildCtx := errgroup.WithContext(ctx)
	building.Go(func() (err error) {
		d.program, err = rig.Build(buildCtx, d.dir)
		return err
	})
	err = func() error {
		d.page.now("looking for the servers in %s", cache.Dir)
		if err := rig.Fetch(ctx, cache, d.page.log()); err != nil {
			return err
		}
		d.page.now("starting MySQL and RocketMQ, building slipway")
		if d.servers, err = rig.Start(ctx, cache, d.dir, false); err != nil {
			return err
		}
		if d.bucket, err = openBucket(ctx); err != nil {
			return err
		}
		return d.servers.Topic(ctx, topic, 8)
	}()
	if err := errors.Join(err, building.Wait()); err != nil {
		return err
	}
	d.page.done("MySQL", fmt.Sprintf("%-12s", d.servers.MySQLVersion), d.servers.MySQL)
	d.page.done("RocketMQ", fmt.Sprintf("%-12s", d.servers.RocketMQVersion), d.servers.Endpoint, " topic "+topic+", FIFO, 8 queues")
	d.page.done("S3", fmt.Sprintf("%-12s", "in memory"), d.bucket.endpoint, " bucket "+bucketName)
	d.page.note("any S3 browser shows the bucket: key demo, secret demo-secret, path style")
	d.page.note("ready after %s", since(begun))
	return nil
}

// openShop fills the shop and opens its till.
func (d *demo) openShop(ctx context.Context) error {
	d.page.section("A small shop")
	d.page.now("filling it")
	root, err := d.servers.Open("")
	if err != nil {
		return err
	}
	defer root.Close()
	if d.db, err = d.servers.Open("shop"); err != nil {
		return err
	}
	begun := time.Now()
	if err := openShop(ctx, root, d.db); err != nil {
		return fmt.Errorf("fill the shop: %w", err)
	}
	d.page.done("customers", grouped(customers)+" rows")
	d.page.done("orders", grouped(orders)+" rows")
	d.page.done("items", grouped(orders*perOrder)+" rows")
	d.till = openTill(ctx, d.db)
	d.page.note("filled in %s; from now on it sells, ships, moves and cancels, up to 200 transactions a second", since(begun))
	return nil
}

// writeTask writes the task file and shows it.
func (d *demo) writeTask(context.Context) error {
	d.page.section("The task")
	d.file = filepath.Join(d.dir, "shop.yaml")
	yaml := fmt.Sprintf(`name: shop
state: %s
source: {hosts: ["%s"], user: root}
destination: {version: "5", endpoint: "%s", topic: %s}
objects:
  - {match: "shop.*"}
`, d.bucket.state(), d.servers.MySQL, d.servers.Endpoint, topic)
	d.page.text(yaml)
	return os.WriteFile(d.file, []byte(yaml), 0o644)
}

// slipway runs a short command of it and shows what it prints.
func (d *demo) slipway(ctx context.Context, args ...string) error {
	d.page.command("slipway " + strings.Join(args, " ") + " shop.yaml")
	cmd := exec.CommandContext(ctx, d.program, append(args, d.file)...)
	cmd.Env = append(os.Environ(), d.bucket.env()...)
	out, err := cmd.Output()
	if status, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("slipway %s: %w\n%s", args[0], err, status.Stderr)
	}
	if err != nil {
		return err
	}
	d.page.text(string(out))
	return nil
}

// showState shows where the task stands, from its objects alone.
func (d *demo) showState(ctx context.Context) error {
	d.page.section("Its state: small objects in the bucket")
	if err := d.slipway(ctx, "status"); err != nil {
		return err
	}
	return d.slipway(ctx, "checkpoint", "list", "--limit", "4")
}

// next says what to try.
func (d *demo) next() {
	d.page.section("What to try next")
	if d.keep {
		host, port, _ := strings.Cut(d.servers.MySQL, ":")
		d.page.note("everything goes on running until Ctrl-C. In another terminal:")
		d.page.line("  export " + strings.Join(d.bucket.env(), " "))
		d.page.line("  " + d.program + " status " + d.file)
		d.page.line("  " + d.program + " checkpoint show " + d.file)
		d.page.line("  mysql -h " + host + " -P " + port + " -u root shop -e \"UPDATE customers SET city = 'Rome' WHERE id = 1\"")
		d.page.line("  less " + d.log())
		return
	}
	d.page.line("  make demo ARGS=-keep   the same, and it stays to be looked at")
	d.page.line("  make demo ARGS=-kill   kill slipway with kill -9 on the way")
	d.page.line("  make soak              a random workload under kill -9, checked in the same way")
	d.page.line("  README.md              a task of your own")
}

// stay waits for Ctrl-C; the shop is open again.
func (d *demo) stay(ctx context.Context) error {
	d.till = openTill(ctx, d.db)
	select {
	case err := <-d.till.done:
		d.till.done <- nil
		return err
	case <-d.running().Done():
		return d.running().Ended()
	case <-ctx.Done():
		d.page.line("\nstopping")
		return nil
	}
}

// close ends everything, in the order in which it depends on each other. After a failure the logs stay.
func (d *demo) close(failed error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var errs []error
	if d.till != nil {
		errs = append(errs, d.till.close())
	}
	if p := d.running(); p != nil && p.Ended() == nil {
		if failed == nil {
			errs = append(errs, p.Drain(ctx))
		} else {
			errs = append(errs, p.Kill())
		}
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	if d.servers != nil {
		errs = append(errs, d.servers.Stop())
	}
	if d.bucket != nil {
		errs = append(errs, d.bucket.close())
	}
	if d.dir != "" {
		if failed != nil && !errors.Is(failed, context.Canceled) {
			d.page.note("logs are kept in %s", d.dir)
		} else {
			errs = append(errs, os.RemoveAll(d.dir))
		}
	}
	return errors.Join(errs...)
}
