// SPDX-License-Identifier: Apache-2.0

// Package servertest gives tests real MySQL, RocketMQ and S3 servers.
//
// Shared servers are those `make test` starts and names in the environment; a test takes databases, topics and prefixes
// with names of its own on them, which are gone afterwards. A test that misconfigures, kills or resets a server starts a
// private one. Where there are no servers a test is skipped, unless SLIPWAY_TEST_REQUIRED=1: then it fails, so that a
// complete run can't silently be an empty one.
package servertest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// startLimit bounds the start of a private server.
const startLimit = 2 * time.Minute

// names counts what was created by this process.
var names atomic.Int64

// uniqueName returns a name no other test of this or another process has.
func uniqueName(prefix string) string {
	return fmt.Sprintf("%s_%d_%d_%d", prefix, time.Now().UnixMilli(), os.Getpid(), names.Add(1))
}

// Variable returns an environment variable naming a shared server, or skips the test.
func Variable(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		Absent(t, name+" is unset: run `make test`, or source what `go run ./scripts/services up` writes")
	}
	return v
}

// Absent ends a test that lacks a server or a tool: skipped, or failed where all tests are required to run.
func Absent(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("SLIPWAY_TEST_REQUIRED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Eventually waits until ok returns true and fails the test after timeout. It asks every 20 ms and is meant for events
// in other processes, which nothing announces; within a process wait for the event itself.
func Eventually(t testing.TB, what string, timeout time.Duration, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, timeout)
		case <-tick.C:
		}
	}
}

// privateDir makes a folder for a server; it goes with the test. SLIPWAY_TEST_KEEP=1 keeps it, for its logs, when the test failed.
func privateDir(t testing.TB, what string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "slipway-"+what+"-") //nolint:usetesting // it may outlive the test, and a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("SLIPWAY_TEST_KEEP") == "1" {
			t.Logf("the server's folder is kept: %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the server's folder: %v", err)
		}
	})
	return dir
}

// skipShort skips a test that starts a server when only quick ones are wanted.
func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server: not with -short")
	}
}

// check fails the test on an error.
func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, strings.TrimSpace(err.Error()))
	}
}
