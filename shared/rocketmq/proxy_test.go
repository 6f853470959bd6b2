// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"slipway/shared/rocketmq"
	"slipway/shared/rocketmq/rocketmqtest"
)

// What makes a failed send ambiguous: the broker stores it after all, behind
// its own replay.
func TestD5LateStoreComesAfterTheReplay(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{})
	proxy.RequireReplayMark()
	release, stored := make(chan struct{}), make(chan error, 1)
	proxy.OnSend(func(call rocketmqtest.SendCall) rocketmqtest.Action {
		if call.ID == "late" && call.Attempt == 1 {
			return proxy.StoreLate(release, stored)
		}
		return nil
	})
	m := message(topic, "lane-1", "late")
	m.Body = []byte("first")
	if err := client.Send(t.Context(), m); !errors.Is(err, rocketmq.ErrAmbiguous) {
		t.Fatalf("Send = %v, want ErrAmbiguous", err)
	}
	m.Body = []byte("replay")
	m.Properties = append(m.Properties, rocketmq.Property{Name: "replay", Value: "true"})
	if err := client.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := storedBodies(t, client, topic, m.Keys[0]); !slices.Equal(got, []string{"replay"}) {
		t.Errorf("the broker has %q before the late copy, want the replay", got)
	}
	close(release)
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	got := storedBodies(t, client, topic, m.Keys[0])
	slices.Sort(got)
	if !slices.Equal(got, []string{"first", "replay"}) {
		t.Errorf("the broker has %q in the end, want both copies", got)
	}
}

// recorder keeps what a proxy reports instead of failing the test.
type recorder struct {
	testing.TB
	mu      sync.Mutex
	reports []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func (r *recorder) only(t *testing.T, want string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reports) != 1 || !strings.Contains(r.reports[0], want) {
		t.Errorf("the proxy reports %q, want one with %q", r.reports, want)
	}
}

func TestProxyReportsAMissingReplayMark(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "FIFO", 1)
	r := &recorder{TB: t}
	proxy := rocketmqtest.NewProxy(r, broker(t).grpc)
	proxy.RequireReplayMark()
	client := dial(t, rocketmq.Config{Endpoint: proxy.Endpoint(), Topics: []string{topic}})
	// Never passed on: no mark needed afterwards. Passed on: needed.
	proxyOnID(proxy, "kept", rocketmqtest.Fail(codes.Unavailable))
	if err := client.Send(t.Context(), message(topic, "lane-1", "kept")); err == nil {
		t.Fatal("the failing Send succeeded")
	}
	proxy.OnSend(nil)
	for _, id := range []string{"kept", "given", "given"} {
		if err := client.Send(t.Context(), message(topic, "lane-1", id)); err != nil {
			t.Fatal(err)
		}
	}
	r.only(t, "given came again without replay=true")
}

func TestProxyReportsTwoInFlight(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "FIFO", 1)
	r := &recorder{TB: t}
	proxy := rocketmqtest.NewProxy(r, broker(t).grpc)
	proxy.RequireOneInFlight()
	var clients [2]*rocketmq.Client // each guards its own lanes only
	for i := range clients {
		clients[i] = dial(t, rocketmq.Config{Endpoint: proxy.Endpoint(), Topics: []string{topic}})
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	proxy.OnSend(func(call rocketmqtest.SendCall) rocketmqtest.Action {
		if call.ID != "slow" {
			return nil
		}
		close(arrived)
		return rocketmqtest.Hold(release)
	})
	slow := make(chan error, 1)
	go func() { slow <- clients[0].Send(t.Context(), message(topic, "lane-1", "slow")) }()
	<-arrived
	for _, group := range []string{"lane-2", "lane-1"} {
		if err := clients[1].Send(t.Context(), message(topic, group, "fast")); err != nil {
			t.Error(err)
		}
	}
	close(release)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	r.only(t, "group lane-1 was under way")
}
