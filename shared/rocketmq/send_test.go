// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"

	"slipway/shared/fault"
	"slipway/shared/rocketmq"
	"slipway/shared/rocketmq/rocketmqtest"
)

// Whatever the library does after a failure, one Send is one call on the wire,
// and its result tells what that call may have done.
func TestD5OneSendMakesOneCall(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{SendTimeout: time.Second})
	for name, tc := range map[string]struct {
		do        rocketmqtest.Action
		reason    rocketmq.Reason // "" means ambiguous
		retryable bool
		stored    bool
	}{
		"throttled":            {rocketmqtest.Refuse(v2.Code_TOO_MANY_REQUESTS), rocketmq.ReasonThrottled, true, false},
		"topic gone":           {rocketmqtest.Refuse(v2.Code_TOPIC_NOT_FOUND), rocketmq.ReasonNoTopic, true, false},
		"body too large":       {rocketmqtest.Refuse(v2.Code_MESSAGE_BODY_TOO_LARGE), rocketmq.ReasonTooLarge, false, false},
		"properties too large": {rocketmqtest.Refuse(v2.Code_MESSAGE_PROPERTIES_TOO_LARGE), rocketmq.ReasonTooLarge, false, false},
		"unauthorized":         {rocketmqtest.Refuse(v2.Code_UNAUTHORIZED), rocketmq.ReasonUnauthorized, false, false},
		"forbidden":            {rocketmqtest.Refuse(v2.Code_FORBIDDEN), rocketmq.ReasonUnauthorized, false, false},
		"illegal key":          {rocketmqtest.Refuse(v2.Code_ILLEGAL_MESSAGE_KEY), rocketmq.ReasonIllegal, false, false},
		"wrong type":           {rocketmqtest.Refuse(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE), rocketmq.ReasonMessageType, false, false},
		"unauthenticated call": {rocketmqtest.Fail(codes.Unauthenticated), rocketmq.ReasonUnauthorized, false, false},

		"call broken before":     {rocketmqtest.Fail(codes.Unavailable), "", false, false},
		"unknown failure":        {rocketmqtest.Fail(codes.Unknown), "", false, false},
		"answer lost":            {rocketmqtest.DropAnswer(), "", false, true},
		"no answer in time":      {rocketmqtest.HangAfterStore(), "", false, true},
		"internal error":         {rocketmqtest.Answer(v2.Code_INTERNAL_SERVER_ERROR), "", false, true},
		"replica not available":  {rocketmqtest.Answer(v2.Code_HA_NOT_AVAILABLE), "", false, true},
		"flush timed out":        {rocketmqtest.Answer(v2.Code_MASTER_PERSISTENCE_TIMEOUT), "", false, true},
		"replication timed out":  {rocketmqtest.Answer(v2.Code_SLAVE_PERSISTENCE_TIMEOUT), "", false, true},
		"proxy timed out":        {rocketmqtest.Answer(v2.Code_PROXY_TIMEOUT), "", false, true},
		"a code of tomorrow":     {rocketmqtest.Answer(v2.Code(59999)), "", false, true},
		"refused and unheard of": {rocketmqtest.Refuse(v2.Code(40999)), "", false, false},
	} {
		proxyOnID(proxy, name, tc.do)
		t.Run(name, func(t *testing.T) {
			err := client.Send(t.Context(), message(topic, "lane-1", name))
			if n := attempts(proxy, name); n != 1 {
				t.Errorf("%d calls came for one Send, want 1", n)
			}
			if tc.reason != "" {
				refusedFor(t, err, tc.reason)
			} else if !errors.Is(err, rocketmq.ErrAmbiguous) {
				t.Errorf("Send = %v, want ErrAmbiguous", err)
			}
			if got := rocketmq.Retryable(err); got != tc.retryable {
				t.Errorf("Retryable(%v) = %t", err, got)
			}
			want := fault.SinkRejected
			if tc.retryable || tc.reason == "" {
				want = fault.SinkUnreachable
			}
			if got := fault.ClassOf(err); got != want {
				t.Errorf("class of %v is %s, want %s", err, got, want)
			}
			if stored := len(storedBodies(t, client, topic, rocketmq.EncodeKey(name))) > 0; stored != tc.stored {
				t.Errorf("stored: %t, want %t", stored, tc.stored)
			}
		})
	}
}

// proxyOnID lets one message meet an action; others pass.
func proxyOnID(p *rocketmqtest.Proxy, id string, do rocketmqtest.Action) {
	p.OnSend(func(call rocketmqtest.SendCall) rocketmqtest.Action {
		if call.ID == id {
			return do
		}
		return nil
	})
}

func attempts(p *rocketmqtest.Proxy, id string) int {
	n := 0
	for _, call := range p.Calls() {
		if call.ID == id {
			n++
		}
	}
	return n
}

func TestD5SendWaitsForItsCallWhenCancelled(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{SendTimeout: 10 * time.Second})
	arrived, release := make(chan struct{}), make(chan struct{})
	hold := rocketmqtest.Hold(release)
	proxy.OnSend(func(rocketmqtest.SendCall) rocketmqtest.Action {
		close(arrived)
		return hold
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Send(ctx, message(topic, "lane-1", "held")) }()
	<-arrived
	cancel()
	// The lane is still taken: the cancelled Send has not been abandoned.
	refusedFor(t, client.Send(t.Context(), message(topic, "lane-1", "next")), rocketmq.ReasonLaneBusy)
	close(release)
	if err := <-done; err != nil {
		t.Errorf("Send = %v, want nil: its call went through", err)
	}
}

func TestD5CancelledBeforeTheCallIsRefused(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := fault.New(fault.Interrupted, "", "shutting down")
	cancel(why)
	err := client.Send(ctx, message(topic, "lane-1", "1"))
	refusedFor(t, err, rocketmq.ReasonNotSent)
	if !errors.Is(err, why) || fault.ClassOf(err) != fault.Interrupted || len(proxy.Calls()) != 0 {
		t.Errorf("Send = %v of class %s after %d calls, want the cause, its class and none", err, fault.ClassOf(err), len(proxy.Calls()))
	}
}

func TestD5BrokerAwayIsNotSentAndComesBack(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{SendTimeout: 2 * time.Second})
	proxy.Down()
	// The first may meet the connection as it breaks; from then on nothing can
	// leave this process.
	if err := client.Send(t.Context(), message(topic, "lane-1", "0")); err == nil {
		t.Fatal("Send succeeded without a broker")
	}
	var lanes sync.WaitGroup
	for i := range 64 {
		lanes.Go(func() {
			err := client.Send(t.Context(), message(topic, fmt.Sprintf("lane-%d", i), "away"))
			if e, ok := errors.AsType[*rocketmq.RefusedError](err); !ok || e.Reason != rocketmq.ReasonNotSent || !e.Retryable() {
				t.Errorf("Send = %v, want a retryable refusal: not sent", err)
			}
		})
	}
	lanes.Wait()
	proxy.Up()
	await(t, "the broker to be back", func() bool {
		err := client.Send(t.Context(), message(topic, "lane-1", "back"))
		if err != nil && !rocketmq.Retryable(err) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestC2GateIsAskedBeforeEachCall(t *testing.T) {
	t.Parallel()
	lost := fault.New(fault.Locked, "", "lease lost")
	var mu sync.Mutex
	var gate error
	asked := 0
	proxy, client, topic := behindProxy(t, rocketmq.Config{Gate: func() error {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return gate
	}})
	if err := client.Send(t.Context(), message(topic, "lane-1", "1")); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	gate = lost
	mu.Unlock()
	err := client.Send(t.Context(), message(topic, "lane-1", "2"))
	refusedFor(t, err, rocketmq.ReasonGate)
	if !errors.Is(err, rocketmq.ErrGate) || fault.ClassOf(err) != fault.Locked || rocketmq.Retryable(err) {
		t.Errorf("Send = %v of class %s, want ErrGate with the gate's own class", err, fault.ClassOf(err))
	}
	if n := len(proxy.Calls()); n != 1 || asked != 2 {
		t.Errorf("%d calls came and the gate was asked %d times, want 1 and 2", n, asked)
	}
}

func TestD5SendThatCannotBeJoined(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	defer close(stuck)
	_, client, topic := behindProxy(t, rocketmq.Config{
		SendTimeout: 50 * time.Millisecond,
		Gate: func() error {
			<-stuck
			return nil
		},
	})
	client.SetJoinGrace(50 * time.Millisecond)
	if err := client.Send(t.Context(), message(topic, "lane-1", "1")); !errors.Is(err, rocketmq.ErrUnjoined) {
		t.Errorf("Send = %v, want ErrUnjoined", err)
	}
	refusedFor(t, client.Send(t.Context(), message(topic, "lane-1", "2")), rocketmq.ReasonLaneBusy)
}

func TestSendRefusesWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	proxy, client, topic := behindProxy(t, rocketmq.Config{})
	for name, tc := range map[string]struct {
		change func(m *rocketmq.Message)
		reason rocketmq.Reason
	}{
		"no body":              {func(m *rocketmq.Message) { m.Body = nil }, rocketmq.ReasonIllegal},
		"body over 4 MiB":      {func(m *rocketmq.Message) { m.Body = make([]byte, rocketmq.MaxBodyBytes+1) }, rocketmq.ReasonTooLarge},
		"no topic":             {func(m *rocketmq.Message) { m.Topic = "" }, rocketmq.ReasonIllegal},
		"no group":             {func(m *rocketmq.Message) { m.Group = "" }, rocketmq.ReasonIllegal},
		"group of 64 bytes":    {func(m *rocketmq.Message) { m.Group = string(bytes.Repeat([]byte("g"), 64)) }, rocketmq.ReasonIllegal},
		"tag with a bar":       {func(m *rocketmq.Message) { m.Tag = "a||b" }, rocketmq.ReasonIllegal},
		"key with a space":     {func(m *rocketmq.Message) { m.Keys = []string{"a b"} }, rocketmq.ReasonIllegal},
		"empty key":            {func(m *rocketmq.Message) { m.Keys = []string{""} }, rocketmq.ReasonIllegal},
		"property not UTF-8":   {func(m *rocketmq.Message) { m.Properties[0].Value = "\xff" }, rocketmq.ReasonIllegal},
		"property control":     {func(m *rocketmq.Message) { m.Properties[0].Value = "a\x01b" }, rocketmq.ReasonIllegal},
		"property twice":       {func(m *rocketmq.Message) { m.Properties[1].Name = m.Properties[0].Name }, rocketmq.ReasonIllegal},
		"129 properties":       {func(m *rocketmq.Message) { m.Properties = properties(129, 20) }, rocketmq.ReasonTooLarge},
		"properties too large": {func(m *rocketmq.Message) { m.Properties = properties(2, rocketmq.MaxPropertiesBytes/2) }, rocketmq.ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			m := message(topic, "lane-1", "x")
			tc.change(m)
			err := client.Send(t.Context(), m)
			refusedFor(t, err, tc.reason)
			if rocketmq.Retryable(err) {
				t.Errorf("%v is retryable", err)
			}
		})
	}
	if n := len(proxy.Calls()); n != 0 {
		t.Errorf("%d calls came, want none", n)
	}
}

// What the limits let through, the broker takes.
func TestSendStoresUpToTheLimits(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "FIFO", 8)
	client := dial(t, rocketmq.Config{Endpoint: broker(t).grpc, Topics: []string{topic}, SendTimeout: 20 * time.Second})
	for name, change := range map[string]func(m *rocketmq.Message){
		"body":      func(m *rocketmq.Message) { m.Body = make([]byte, rocketmq.MaxBodyBytes) },
		"group":     func(m *rocketmq.Message) { m.Group = string(bytes.Repeat([]byte("g"), rocketmq.MaxGroupBytes)) },
		"128 names": func(m *rocketmq.Message) { m.Properties = properties(rocketmq.MaxProperties, 20) },
		"large value": func(m *rocketmq.Message) {
			m.Tag, m.Keys = "", nil
			m.Properties = properties(1, rocketmq.MaxPropertiesBytes)
		},
		"long tag": func(m *rocketmq.Message) { m.Tag = rocketmq.EncodeKey(string(bytes.Repeat([]byte("é "), 300))) },
		"keys":     func(m *rocketmq.Message) { m.Keys = []string{"a", "b", "%"} },
	} {
		t.Run(name, func(t *testing.T) {
			m := message(topic, "lane-1", name)
			change(m)
			if err := client.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeysFindTheirMessages(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, "FIFO", 1)
	client := dial(t, rocketmq.Config{Endpoint: broker(t).grpc, Topics: []string{topic}})
	keys := []string{
		"plain", "with space", "a|b||c", "100%", "\xff\xfe\x00", "line\nbreak", "訂單", "", "*",
		string(bytes.Repeat([]byte("k"), 300)), string(bytes.Repeat([]byte("k"), 301)), string(bytes.Repeat([]byte("訂 "), 100)),
	}
	for i, key := range keys {
		m := message(topic, "lane-1", fmt.Sprint(i))
		m.Keys, m.Tag = []string{rocketmq.EncodeKey(key)}, rocketmq.EncodeKey(key)
		m.Body = fmt.Appendf(nil, "body-%03d;", i)
		if err := client.Send(t.Context(), m); err != nil {
			t.Fatalf("key %q: %v", key, err)
		}
	}
	for i, key := range keys {
		found := storedBodies(t, client, topic, rocketmq.EncodeKey(key))
		if want := fmt.Sprintf("body-%03d;", i); len(found) != 1 || found[0] != want {
			t.Errorf("key %q finds %q, want %q alone", key, found, want)
		}
	}
}
