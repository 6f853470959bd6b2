// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/shared/precheck"
	"slipway/shared/rocketmq/admin"
	"slipway/shared/servertest"
	"slipway/shared/servertest/server"
)

// TestRocketMQ uses one private broker with access control.
func TestRocketMQ(t *testing.T) {
	t.Parallel()
	b := servertest.StartRocketMQ(t, servertest.BrokerOptions{ACL: true})
	t.Run("connectivity", func(t *testing.T) { testDestination(t, b) })
	t.Run("topics", func(t *testing.T) {
		seen := testTopics(t, b)
		t.Run("an account without rights", func(t *testing.T) { testTopicRights(t, b) })
		seen(t)
	})
}

const withKeys = `, accessKey: "${AK}", secretKey: "${SK}"`

func testDestination(t *testing.T, b *servertest.Broker) {
	const item = "CHECK_CONN_DEST"
	_, port, _ := strings.Cut(b.Endpoint, ":")
	tests := []struct {
		name         string
		endpoint     string
		keys         string
		key, secret  string
		says, remedy string
	}{
		{"wrong host", "no-such-host.invalid:" + port, withKeys, b.AccessKey, b.SecretKey, `"no-such-host.invalid" is unknown`, "destination.endpoint"},
		{"wrong port", "127.0.0.1:1", withKeys, b.AccessKey, b.SecretKey, "nothing listens at 127.0.0.1:1", "destination.endpoint"},
		{"a port of another kind", b.NameServer, withKeys, b.AccessKey, b.SecretKey, b.NameServer, "gRPC proxy"},
		{"wrong secret", b.Endpoint, withKeys, b.AccessKey, "wrong", "check signature failed", "export AK and SK"},
		{"unknown account", b.Endpoint, withKeys, "nobody", "wrong", "nobody", "export AK and SK"},
		{"no credentials", b.Endpoint, "", "", "", "wants credentials", "destination.accessKey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, taskOf(t, file{endpoint: tt.endpoint, keys: tt.keys}, "", tt.key, tt.secret), item, "topics")
			f := wants(t, r, expected{item: item, level: precheck.Failed, says: tt.says})
			if !strings.Contains(f.Remedy, tt.remedy) {
				t.Errorf("remedy %q, want %q in it", f.Remedy, tt.remedy)
			}
			wants(t, r, expected{item: "CHECK_TOPIC", level: precheck.Skipped, says: "no connection to RocketMQ"})
		})
	}
	mended(t, run(t, taskOf(t, file{endpoint: b.Endpoint, keys: withKeys}, "", b.AccessKey, b.SecretKey), item), item, "")
}

// testTopics mends the topics and gives what waits until that shows, which takes
// the proxy up to half a minute.
func testTopics(t *testing.T, b *servertest.Broker) (seen func(*testing.T)) {
	const item = "CHECK_TOPIC"
	b.TopicOf(t, "plain", "NORMAL", 12)
	b.TopicOf(t, "ordered", "FIFO", 4)
	tk := taskOf(t, file{
		endpoint: b.Endpoint, keys: withKeys, topic: "ordered",
		objects: `[{match: shop.a, topic: plain}, {match: shop.b, topic: absent}, {match: shop.c}]`,
	}, "", b.AccessKey, b.SecretKey)
	r := run(t, tk, item)
	wants(t, r, expected{item, precheck.Success, "ordered", "4 queues"})
	mqadmin(t, b, wants(t, r, expected{item, precheck.Failed, "absent", "does not exist"}).Remedy)
	updateTopic(t, b, wants(t, r, expected{item, precheck.Failed, "plain", "NORMAL"}).Remedy)
	return func(t *testing.T) {
		for _, want := range []expected{{item, precheck.Success, "plain", "12 queues"}, {item, precheck.Success, "absent", "8 queues"}} {
			becomes(t, want, func() precheck.Report { return run(t, tk, item) })
		}
	}
}

func testTopicRights(t *testing.T, b *servertest.Broker) {
	b.TopicOf(t, "guarded", "FIFO", 4)
	mqadmin(t, b, "mqadmin createUser -c DefaultCluster -u sender -p sender-secret -t Normal")
	tk := taskOf(t, file{endpoint: b.Endpoint, keys: withKeys, topic: "guarded"}, "", "sender", "sender-secret")
	r := run(t, tk, "CHECK_CONN_DEST", "CHECK_TOPIC")
	for _, f := range r.Findings {
		// Whether the first question already needs a right is the sink's choice.
		if f.Item == "CHECK_CONN_DEST" && f.Level == precheck.Failed && strings.HasPrefix(f.Remedy, "mqadmin ") {
			mqadmin(t, b, f.Remedy)
			becomes(t, expected{item: "CHECK_CONN_DEST", level: precheck.Success}, func() precheck.Report { return run(t, tk, "CHECK_CONN_DEST") })
		}
	}
	f := wants(t, run(t, tk, "CHECK_TOPIC"), expected{"CHECK_TOPIC", precheck.Failed, "guarded", "may not send"})
	mqadmin(t, b, f.Remedy)
	becomes(t, expected{"CHECK_TOPIC", precheck.Success, "guarded", ""}, func() precheck.Report { return run(t, tk, "CHECK_TOPIC") })
}

// becomes waits for a finding: proxies hear late of changes at their brokers.
func becomes(t *testing.T, want expected, look func() precheck.Report) {
	t.Helper()
	var last precheck.Report
	defer func() {
		if t.Failed() {
			t.Logf("last: %s", table(t, last))
		}
	}()
	slow := time.NewTicker(300 * time.Millisecond) // each look makes a connection
	defer slow.Stop()
	servertest.Eventually(t, want.item+" of "+want.object, 45*time.Second, func() bool {
		select {
		case <-slow.C:
		case <-t.Context().Done():
			return false
		}
		last = look()
		return slices.ContainsFunc(last.Findings, want.is)
	})
}

// updateTopic does what an updateTopic command says, without a JVM; that the
// command is well formed is seen where mqadmin executes one.
func updateTopic(t *testing.T, b *servertest.Broker, line string) {
	t.Helper()
	var name string
	var queues int
	const form = "mqadmin updateTopic -c DefaultCluster -t %s -o true -r %d -w %d -a +message.type=FIFO"
	if n, err := fmt.Sscanf(line, form, &name, &queues, &queues); n != 3 || err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if err := b.Admin.CreateTopic(t.Context(), admin.FIFO(name, queues)); err != nil {
		t.Fatal(err)
	}
}

// mqadmin executes a command line as it stands, with RocketMQ's own tool.
func mqadmin(t *testing.T, b *servertest.Broker, line string) {
	t.Helper()
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "mqadmin" {
		t.Fatalf("%q is no mqadmin command", line)
	}
	cache, err := server.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	keys := "accessKey: " + b.AccessKey + "\nsecretKey: " + b.SecretKey + "\n"
	if err := os.WriteFile(filepath.Join(home, "conf", "tools.yml"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Drocketmq.home.dir=" + home, "-Duser.home=" + home, "-Drocketmq.namesrv.addr=" + b.NameServer,
		"-cp", filepath.Join(cache.Dir, "rocketmq", server.RocketMQVersion, "lib", "*"), "org.apache.rocketmq.tools.command.MQAdminStartup",
	}
	out, err := exec.CommandContext(t.Context(), "java", append(args, words[1:]...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "success") {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
