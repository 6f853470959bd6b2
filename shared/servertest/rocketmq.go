// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/shared/rocketmq/admin"
	"slipway/shared/servertest/server"
)

// Broker is a RocketMQ that a test may use: the shared one, or one of its own.
type Broker struct {
	// Endpoint is the gRPC address, NameServer and BrokerAddr those of the remoting protocol; all host:port.
	Endpoint, NameServer, BrokerAddr string
	// AccessKey and SecretKey sign calls; both "" without access control.
	AccessKey, SecretKey string
	// Plaintext says that the gRPC port speaks no TLS.
	Plaintext bool
	// CAFile is the authority to trust of a private broker; the shared one's is not known.
	CAFile string
	// Admin creates and describes topics.
	Admin *admin.Client

	private *server.RocketMQ // nil for the shared broker
}

// BrokerOptions says how a private broker runs.
type BrokerOptions struct {
	// ACL demands signatures; the broker's AccessKey and SecretKey are set then.
	ACL bool
	// TLS is what the gRPC port speaks: "permissive" (TLS and plaintext, the default) or "disabled".
	TLS string
	// SyncFlush acknowledges a message only when it is on disk.
	SyncFlush bool
}

// RocketMQ returns the shared broker.
func RocketMQ(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{
		Endpoint:   Variable(t, "SLIPWAY_TEST_ROCKETMQ_ENDPOINT"),
		NameServer: Variable(t, "SLIPWAY_TEST_ROCKETMQ_NAMESRV"),
		BrokerAddr: Variable(t, "SLIPWAY_TEST_ROCKETMQ_BROKER"),
		AccessKey:  os.Getenv("SLIPWAY_TEST_ROCKETMQ_ACCESS_KEY"),
		SecretKey:  os.Getenv("SLIPWAY_TEST_ROCKETMQ_SECRET_KEY"),
	}
	b.Admin = admin.New(b.NameServer, admin.WithCredentials(b.AccessKey, b.SecretKey))
	return b
}

// StartRocketMQ starts a broker of the test's own, which ends with it.
func StartRocketMQ(t testing.TB, opts BrokerOptions) *Broker {
	t.Helper()
	skipShort(t)
	cache, err := server.OpenCache()
	check(t, "open the cache of servers", err)
	dist, err := cache.RocketMQ()
	if err != nil {
		Absent(t, err.Error())
	}
	run := server.RocketMQOptions{Dir: privateDir(t, "rocketmq"), ACL: opts.ACL, TLS: opts.TLS}
	if opts.SyncFlush {
		run.Flush = "SYNC_FLUSH"
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	r, err := dist.Start(ctx, run)
	check(t, "start a RocketMQ", err)
	t.Cleanup(func() { check(t, "end the private RocketMQ", r.Kill()) })
	b := &Broker{
		Endpoint: r.Endpoint, NameServer: r.NameServer, BrokerAddr: r.Broker, Plaintext: opts.TLS == "disabled",
		CAFile: filepath.Join(run.Dir, "ca.crt"), private: r,
	}
	if opts.ACL {
		b.AccessKey, b.SecretKey = server.AccessKey, server.SecretKey
	}
	b.Admin = admin.New(b.NameServer, admin.WithCredentials(b.AccessKey, b.SecretKey))
	return b
}

// Topic creates a FIFO topic with a fixed queue list and a name of its own, deleted when the test ends, and returns
// the name once producers can find it.
func (b *Broker) Topic(t testing.TB, queues int) string {
	t.Helper()
	name := uniqueName("t")
	b.create(t, admin.FIFO(name, queues))
	return name
}

// TopicOf creates a topic of the given name and message type (NORMAL, FIFO …), deleted when the test ends; its queue
// list is fixed when the type is FIFO. It returns once producers can find it.
func (b *Broker) TopicOf(t testing.TB, name, messageType string, queues int) {
	t.Helper()
	b.create(t, admin.Topic{Name: name, Type: messageType, Queues: queues, Ordered: messageType == "FIFO"})
}

func (b *Broker) create(t testing.TB, topic admin.Topic) {
	t.Helper()
	check(t, "create a topic", b.Admin.CreateTopic(t.Context(), topic))
	t.Cleanup(func() {
		if b.private != nil {
			return // it goes with its broker
		}
		check(t, "delete the test's topic", b.Admin.DeleteTopic(context.Background(), topic.Name))
	})
	b.AwaitTopic(t, topic.Name)
}

// AwaitTopic waits until producers can find a topic that somebody else creates.
func (b *Broker) AwaitTopic(t testing.TB, name string) {
	t.Helper()
	probe := server.RouteProbe{Endpoint: b.Endpoint, Plaintext: b.Plaintext, AccessKey: b.AccessKey, SecretKey: b.SecretKey}
	var last error
	defer func() {
		if t.Failed() {
			t.Logf("the last answer about topic %s: %v", name, last)
		}
	}()
	Eventually(t, "the route of topic "+name, 40*time.Second, func() bool {
		last = probe.Visible(t.Context(), name)
		return last == nil
	})
}

// DeleteTopic removes a topic at once.
func (b *Broker) DeleteTopic(t testing.TB, name string) {
	t.Helper()
	check(t, "delete a topic", b.Admin.DeleteTopic(t.Context(), name))
}

// Pid is the process of a private broker.
func (b *Broker) Pid(t testing.TB) int { t.Helper(); return b.own(t).Pid() }

// Stop shuts a private broker down in order.
func (b *Broker) Stop(t testing.TB) { t.Helper(); check(t, "stop RocketMQ", b.own(t).Stop()) }

// Kill9 ends a private broker as a crash would.
func (b *Broker) Kill9(t testing.TB) { t.Helper(); check(t, "kill RocketMQ", b.own(t).Kill()) }

// Restart starts a private broker again, stopping it first if it runs, on the same ports and messages.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	check(t, "restart RocketMQ", b.own(t).Restart(ctx))
}

func (b *Broker) own(t testing.TB) *server.RocketMQ {
	t.Helper()
	if b.private == nil {
		t.Fatal("the shared RocketMQ is not a test's to stop: use StartRocketMQ")
	}
	return b.private
}
