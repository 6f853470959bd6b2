// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/shared/checker"
	"slipway/shared/servertest"
)

func TestStreamReadsEveryQueueFromItsStart(t *testing.T) {
	t.Parallel()
	nameServer, topic := newTopic(t)
	m := shop()
	big := m.messages[0] // of a body that takes a pull of its own
	big.Properties = maps.Clone(big.Properties)
	big.Properties["replay"] = "true"
	sent := append(slices.Clone(m.messages), big)
	send(t, nameServer, topic, sent)

	got, err := checker.Read(t.Context(), nameServer, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(sent) {
		t.Fatalf("read %d messages of %d", len(got), len(sent))
	}
	next := map[int]int{}
	for _, g := range got {
		var want checker.Message
		for seen, i := 0, 0; i < len(sent); i++ {
			if sent[i].Queue == g.Queue {
				if seen == next[g.Queue] {
					want = sent[i]
					break
				}
				seen++
			}
		}
		if g.Topic != topic || g.Offset != int64(next[g.Queue]) || !bytes.Equal(g.Body, want.Body) {
			t.Fatalf("queue %d offset %d is not what was sent there", g.Queue, g.Offset)
		}
		for k, v := range want.Properties {
			if g.Properties[k] != v {
				t.Fatalf("property %s is %q, sent %q", k, g.Properties[k], v)
			}
		}
		next[g.Queue]++
	}
	for seed := range uint64(3) {
		c := checker.New(checker.Options{})
		for msg, err := range checker.Stream(t.Context(), nameServer, []string{topic}, checker.WithSeed(seed)) {
			if err != nil {
				t.Fatal(err)
			}
			c.Add(msg)
		}
		if r := c.Report(); !r.OK() {
			t.Error(r.String())
		}
		if d := m.folded(c); d != "" {
			t.Error(d)
		}
	}
}

func TestStreamReadsSeveralTopics(t *testing.T) {
	t.Parallel()
	nameServer, data := newTopic(t)
	_, ddl := newTopic(t)
	m := shop()
	var statements, rows []checker.Message
	for _, msg := range m.messages {
		if msg.Properties["op"] == "DDL" {
			statements = append(statements, msg)
		} else {
			rows = append(rows, msg)
		}
	}
	send(t, nameServer, data, rows)
	send(t, nameServer, ddl, statements)
	for seed := range uint64(3) {
		for _, topics := range [][]string{{data, ddl}, {ddl, data}} {
			c := checker.New(checker.Options{})
			for msg, err := range checker.Stream(t.Context(), nameServer, topics, checker.WithSeed(seed)) {
				if err != nil {
					t.Fatal(err)
				}
				c.Add(msg)
			}
			if r := c.Report(); !r.OK() || r.DDL != 1 {
				t.Error(r.String())
			}
			if d := m.folded(c); d != "" {
				t.Error(d)
			}
		}
	}
	_, err := checker.Read(t.Context(), nameServer, []string{data, "no-such-topic"})
	if err == nil || !strings.Contains(err.Error(), "no-such-topic") {
		t.Errorf("want an error naming the topic, got %v", err)
	}
}

func TestStreamOfAnEmptyTopicEndsAtOnce(t *testing.T) {
	t.Parallel()
	nameServer, topic := newTopic(t)
	waitForRoute(t, nameServer, topic)
	began := time.Now()
	got, err := checker.Read(t.Context(), nameServer, []string{topic})
	if err != nil || len(got) != 0 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %s: a pull at the end was held by the broker", took)
	}
}

func TestStreamOfAMissingTopicSaysSo(t *testing.T) {
	t.Parallel()
	_, err := checker.Read(t.Context(), servertest.Variable(t, "SLIPWAY_TEST_ROCKETMQ_NAMESRV"), []string{"no-such-topic"})
	if err == nil || !strings.Contains(err.Error(), "no-such-topic") {
		t.Errorf("want an error naming the topic, got %v", err)
	}
	_, err = checker.Read(t.Context(), "127.0.0.1:1", []string{"orders"})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("want an error naming the server, got %v", err)
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	nameServer, topic := newTopic(t)
	send(t, nameServer, topic, shop().messages)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	for _, err := range checker.Stream(ctx, nameServer, []string{topic}) {
		if err != nil {
			break
		}
		if n++; n == 1 {
			cancel()
		}
	}
	cancel()
	if n == 0 {
		t.Error("nothing was read before the context ended")
	}
}
