// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"slipway/shared/fault"
	"slipway/shared/rocketmq"
	"slipway/shared/rocketmq/rocketmqtest"
)

// childEnv makes a test that needs a process of its own run in this one.
const childEnv = "ROCKETMQ_TEST_CHILD"

func TestMain(m *testing.M) {
	// RocketMQ's client leaves its manager's four tickers behind each client
	// that was started (its issue 1305), which first sleep for up to a minute,
	// and OpenCensus has one worker. All else must be gone.
	const library = "github.com/apache/rocketmq-clients/golang/v5"
	ignore := []goleak.Option{
		goleak.IgnoreAnyFunction(library + "/pkg/ticker.Tick.func1"),
		goleak.IgnoreAnyFunction(library + ".(*defaultClientManager).startUp.func1"),
		goleak.IgnoreAnyFunction(library + ".(*defaultClientManager).startUp.func2"),
		goleak.IgnoreAnyFunction(library + ".(*defaultClientManager).startUp.func3"),
		goleak.IgnoreAnyFunction(library + ".(*defaultClientManager).startUp.func4"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
	}
	code := m.Run()
	err := goleak.Find(ignore...)
	for range 5 { // a session looks for its client's end once a second
		if err != nil {
			err = goleak.Find(ignore...)
		}
	}
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// inChild runs the calling test again in a process whose home, temporary and
// working directory is dir, and gives false in that process.
func inChild(t *testing.T, dir string) bool {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return false
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), childEnv+"="+t.Name(), "HOME="+dir, "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "--- SKIP") {
		t.Fatalf("the test's own process: %v\n%s", err, out)
	}
	return true
}

// The client library logs to two files by default; not a byte may reach the
// disk, whatever goes wrong.
func TestNoLogFiles(t *testing.T) {
	endpoint := broker(t).grpc
	dir := t.TempDir()
	if inChild(t, dir) {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if path != dir {
				t.Errorf("the process left %s", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return
	}
	proxy, client, topic := behindProxy(t, rocketmq.Config{SendTimeout: time.Second})
	if err := client.Send(t.Context(), message(topic, "lane-1", "1")); err != nil {
		t.Fatal(err)
	}
	proxyOnID(proxy, "2", rocketmqtest.Fail(codes.Unavailable))
	if err := client.Send(t.Context(), message(topic, "lane-1", "2")); err == nil {
		t.Error("the failing Send succeeded")
	}
	proxy.Down()
	if err := client.Send(t.Context(), message(topic, "lane-1", "3")); err == nil {
		t.Error("the Send without a broker succeeded")
	}
	if _, err := rocketmq.Dial(t.Context(), rocketmq.Config{Endpoint: endpoint, Topics: []string{"nobody-made-this"}}); err == nil {
		t.Error("Dial with a missing topic succeeded")
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	// A log file stays open, wherever it is.
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("no list of open files: %v", err)
	}
	for _, fd := range fds {
		name, err := os.Readlink(fd)
		if err != nil || strings.HasPrefix(name, "/sys/") || strings.HasPrefix(name, "/proc/") {
			continue // the runtime's own, or the listing's
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			t.Errorf("the process holds %s open", name)
		}
	}
}

func TestTLSOn(t *testing.T) {
	endpoint := broker(t).grpc
	topic := newTopic(t, "FIFO", 1)
	if inChild(t, t.TempDir()) {
		return
	}
	client := dial(t, rocketmq.Config{Endpoint: endpoint, TLS: true, Topics: []string{topic}})
	if err := client.Send(t.Context(), message(topic, "lane-1", "tls")); err != nil {
		t.Error(err)
	}
	if got := storedBodies(t, client, topic, "tls"); len(got) != 1 {
		t.Errorf("the broker has %q, want the message", got)
	}
	// A proxy that speaks no TLS can't be reached, so it was TLS.
	plain := rocketmqtest.NewProxy(t, endpoint)
	_, err := rocketmq.Dial(t.Context(), rocketmq.Config{Endpoint: plain.Endpoint(), TLS: true})
	if fault.ClassOf(err) != fault.SinkUnreachable || !strings.Contains(err.Error(), "tls") {
		t.Errorf("Dial of a port without TLS = %v", err)
	}
}

func TestTLSOnVerifies(t *testing.T) {
	endpoint := broker(t).grpc
	if inChild(t, t.TempDir()) {
		return
	}
	_, err := rocketmq.Dial(t.Context(), rocketmq.Config{
		Endpoint: endpoint, TLS: true,
		TLSConfig: &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"},
	})
	if fault.ClassOf(err) != fault.SinkUnreachable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Dial with no trusted authority = %v, want an error that names the certificate", err)
	}
}

func TestTLSSettingIsTheProcesss(t *testing.T) {
	t.Parallel()
	dial(t, rocketmq.Config{Endpoint: broker(t).grpc}) // stays open
	_, err := rocketmq.Dial(t.Context(), rocketmq.Config{Endpoint: broker(t).grpc, TLS: true})
	if fault.ClassOf(err) != fault.Config || !strings.Contains(err.Error(), "process-wide") {
		t.Errorf("Dial with the other TLS setting = %v, want a Config error that says process-wide", err)
	}
}
