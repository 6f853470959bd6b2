// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"slipway/shared/fault"
	"slipway/shared/rocketmq"
	"slipway/shared/rocketmq/rocketmqtest"
)

func TestDialRefusesAnEndpointThatIsNone(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"", "localhost", "localhost:grpc"} {
		_, err := rocketmq.Dial(t.Context(), rocketmq.Config{Endpoint: endpoint})
		if fault.ClassOf(err) != fault.Config || !strings.Contains(err.Error(), "host:port") {
			t.Errorf("Dial(%q) = %v, want a Config error that says host:port", endpoint, err)
		}
	}
}

// A wrong endpoint is a clear error well within the bound, with topics or
// without.
func TestDialWrongEndpoint(t *testing.T) {
	t.Parallel()
	closed := listen(t)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	silent := listen(t) // takes connections and never answers, as a dropping firewall nearly does
	for name, tc := range map[string]struct{ endpoint, says string }{
		"nothing listens": {closed.Addr().String(), "connection refused"},
		"no answer":       {silent.Addr().String(), "gRPC proxy"},
	} {
		for _, topics := range [][]string{nil, {"orders"}} {
			t.Run(fmt.Sprintf("%s/%d topics", name, len(topics)), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				_, err := rocketmq.Dial(ctx, rocketmq.Config{Endpoint: tc.endpoint, Topics: topics, SendTimeout: time.Second})
				if fault.ClassOf(err) != fault.SinkUnreachable || !strings.Contains(err.Error(), tc.says) ||
					!strings.Contains(err.Error(), tc.endpoint) {
					t.Errorf("Dial = %v, want SinkUnreachable that names the endpoint and says %q", err, tc.says)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("Dial took %v", took)
				}
			})
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() }) // may be closed by the test
	return lis
}

func TestDialNamesAMissingTopic(t *testing.T) {
	t.Parallel()
	start := time.Now()
	_, err := rocketmq.Dial(t.Context(), rocketmq.Config{Endpoint: broker(t).grpc, Topics: []string{"nobody-made-this"}})
	refusedFor(t, err, rocketmq.ReasonNoTopic)
	if e, ok := errors.AsType[*rocketmq.RefusedError](err); !ok || e.Topic != "nobody-made-this" || !e.Retryable() || !strings.Contains(err.Error(), "updateTopic") {
		t.Errorf("Dial = %v, want a retryable refusal that names the topic and its remedy", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Dial took %v", took)
	}
}

func TestDialByName(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(broker(t).grpc)
	if err != nil {
		t.Fatal(err)
	}
	topic := newTopic(t, "FIFO", 1)
	client := dial(t, rocketmq.Config{Endpoint: net.JoinHostPort("localhost", port), Topics: []string{topic}})
	if err := client.Send(t.Context(), message(topic, "lane-1", "1")); err != nil {
		t.Error(err)
	}
}

// The session may break before it gives the first answer.
func TestDialBrokenSession(t *testing.T) {
	t.Parallel()
	proxy := rocketmqtest.NewProxy(t, broker(t).grpc)
	proxy.BreakTelemetry()
	_, err := rocketmq.Dial(t.Context(), rocketmq.Config{Endpoint: proxy.Endpoint(), Topics: []string{newTopic(t, "FIFO", 1)}})
	if fault.ClassOf(err) != fault.SinkUnreachable || !strings.Contains(err.Error(), "session") {
		t.Errorf("Dial = %v, want SinkUnreachable that names the session", err)
	}
}

func TestDialIsBoundedWhenTheStartHangs(t *testing.T) {
	t.Parallel()
	proxy := rocketmqtest.NewProxy(t, broker(t).grpc)
	proxy.MuteTelemetry()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	start := time.Now()
	_, err := rocketmq.Dial(ctx, rocketmq.Config{Endpoint: proxy.Endpoint(), Topics: []string{newTopic(t, "FIFO", 1)}})
	if fault.ClassOf(err) != fault.SinkUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial = %v, want SinkUnreachable after the deadline", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("Dial took %v", took)
	}
}

func TestTopicFacts(t *testing.T) {
	t.Parallel()
	fifo, normal := newTopic(t, "FIFO", 3), newTopic(t, "NORMAL", 2)
	client := dial(t, rocketmq.Config{Endpoint: broker(t).grpc})
	for _, tc := range []struct {
		topic  string
		want   []string
		queues int
	}{{fifo, []string{"FIFO"}, 3}, {normal, []string{"NORMAL"}, 2}, {"nobody-made-this", nil, 0}} {
		got, err := client.Topic(t.Context(), tc.topic)
		if err != nil {
			t.Fatal(err)
		}
		if got.Exists != (tc.queues > 0) || !slices.Equal(got.Types, tc.want) || len(got.Queues) != tc.queues || got.FIFO() != (tc.topic == fifo) {
			t.Errorf("Topic(%s) = %+v, want types %v and %d queues", tc.topic, got, tc.want, tc.queues)
		}
	}
	refusedFor(t, client.Send(t.Context(), message(fifo, "lane-1", "1")), rocketmq.ReasonNotSent) // dialled without topics
}

func TestD7QueuesAreSortedByBrokerAndNumber(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{})
	proxy.OnRoute(func(r *v2.QueryRouteResponse) {
		first := r.GetMessageQueues()[0]
		r.MessageQueues = nil
		for _, q := range []struct {
			broker string
			id     int32
			perm   v2.Permission
		}{
			{"b", 1, v2.Permission_READ_WRITE},
			{"b", 10, v2.Permission_READ_WRITE},
			{"a", 0, v2.Permission_WRITE},
			{"b", 2, v2.Permission_READ_WRITE},
			{"a", 1, v2.Permission_READ},
			{"b", 0, v2.Permission_READ_WRITE},
		} {
			r.MessageQueues = append(r.MessageQueues, &v2.MessageQueue{
				Topic: first.GetTopic(), Id: q.id, Permission: q.perm,
				Broker: &v2.Broker{Name: q.broker, Endpoints: first.GetBroker().GetEndpoints()}, AcceptMessageTypes: first.GetAcceptMessageTypes(),
			})
		}
	})
	got, err := client.Queues(t.Context(), topic)
	if want := []string{"a/0", "b/0", "b/1", "b/2", "b/10"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Queues = %v, %v, want %v: those that take messages, in order", got, err, want)
	}
}

func TestD7QueuesOfTheRealBroker(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "FIFO", 3)
	client := dial(t, rocketmq.Config{Endpoint: broker(t).grpc})
	got, err := client.Queues(t.Context(), topic)
	if want := []string{"broker-a/0", "broker-a/1", "broker-a/2"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Queues = %v, %v, want %v", got, err, want)
	}
	_, err = client.Queues(t.Context(), "nobody-made-this")
	refusedFor(t, err, rocketmq.ReasonNoTopic)
}

func TestNormalTopicIsAMessageTypeMismatch(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "NORMAL", 1)
	client := dial(t, rocketmq.Config{Endpoint: broker(t).grpc, Topics: []string{topic}})
	err := client.Send(t.Context(), message(topic, "lane-1", "1"))
	refusedFor(t, err, rocketmq.ReasonMessageType)
	if rocketmq.Retryable(err) || !strings.Contains(err.Error(), "message.type=FIFO") {
		t.Errorf("Send = %v, want a permanent refusal with the remedy", err)
	}
}

func TestCloseEndsTheClient(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "FIFO", 1)
	client := dial(t, rocketmq.Config{Endpoint: broker(t).grpc, Topics: []string{topic}})
	for range 2 {
		if err := client.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	refusedFor(t, client.Send(t.Context(), message(topic, "lane-1", "1")), rocketmq.ReasonNotSent)
	if _, err := client.Topic(t.Context(), topic); err == nil {
		t.Error("a closed client still asks for topics")
	}
}

// The library leaves its sessions open; with another client on the same
// connection only Close can end them.
func TestCloseEndsTheSession(t *testing.T) {
	t.Parallel()
	proxy, _, topic := behindProxy(t, rocketmq.Config{})
	client := dial(t, rocketmq.Config{Endpoint: proxy.Endpoint(), Topics: []string{topic}})
	if n := proxy.Sessions(); n != 2 {
		t.Errorf("%d sessions for two clients", n)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	await(t, "the session's end", func() bool { return proxy.Sessions() == 1 })
}
