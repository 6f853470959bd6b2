// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"slipway/shared/rocketmq"
	"slipway/shared/rocketmq/rocketmqtest"
	"slipway/shared/servertest"
)

// brokerAddrs is the real RocketMQ of the test run: its gRPC proxy, and the
// broker's own port for what only that can do.
type brokerAddrs struct{ grpc, remoting string }

func broker(t testing.TB) brokerAddrs {
	t.Helper()
	return brokerAddrs{servertest.Variable(t, "SLIPWAY_TEST_ROCKETMQ_ENDPOINT"), servertest.Variable(t, "SLIPWAY_TEST_ROCKETMQ_BROKER")}
}

// newTopic creates a topic of its own for the test.
func newTopic(t testing.TB, kind string, queues int) string {
	t.Helper()
	name := fmt.Sprintf("sink-%d-%d", os.Getpid(), time.Now().UnixNano())
	n := strconv.Itoa(queues)
	code, remark, _ := remoting(t, 17, map[string]string{
		"topic": name, "defaultTopic": "TBW102", "readQueueNums": n, "writeQueueNums": n, "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false", "attributes": "+message.type=" + kind,
	})
	if code != 0 {
		t.Fatalf("create topic: %d %s", code, remark)
	}
	return name
}

// storedBodies gives the bodies the broker has under a key of a topic, out of
// everything stored before the call: a fence sent behind it shows that the
// broker's index has got so far.
func storedBodies(t testing.TB, client *rocketmq.Client, topic, key string) []string {
	t.Helper()
	fence := message(topic, "fence", fmt.Sprintf("fence-%d", time.Now().UnixNano()))
	if err := client.Send(t.Context(), fence); err != nil {
		t.Fatal(err)
	}
	await(t, "the broker's index", func() bool { return len(byKey(t, topic, fence.Keys[0])) > 0 })
	return byKey(t, topic, key)
}

// await asks again and again until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit, again := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("waited too long for %s", what)
		case <-again.C:
		}
	}
}

// byKey asks the broker's index for the bodies of a topic's messages with a key.
func byKey(t testing.TB, topic, key string) []string {
	t.Helper()
	const notFound, bodyAt = 22, 88
	code, remark, raw := remoting(t, 12, map[string]string{
		"topic": topic, "key": key, "maxNum": "16", "beginTimestamp": "0",
		"endTimestamp": strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10),
	})
	if code != 0 && code != notFound {
		t.Fatalf("query by key: %d %s", code, remark)
	}
	var bodies []string
	for len(raw) > 0 { // stored messages, one after the other
		size := binary.BigEndian.Uint32(raw)
		body := binary.BigEndian.Uint32(raw[bodyAt-4:])
		bodies = append(bodies, string(raw[bodyAt:bodyAt+body]))
		raw = raw[size:]
	}
	return bodies
}

// remoting makes one call of RocketMQ's own protocol to the broker.
func remoting(t testing.TB, code int, fields map[string]string) (int, string, []byte) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", broker(t).remoting)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	type header struct {
		Code      int               `json:"code"`
		Language  string            `json:"language"`
		Version   int               `json:"version"`
		Opaque    int               `json:"opaque"`
		Remark    string            `json:"remark,omitempty"`
		ExtFields map[string]string `json:"extFields,omitempty"`
	}
	head, err := json.Marshal(header{Code: code, Language: "GO", Version: 501, Opaque: 1, ExtFields: fields})
	if err != nil {
		t.Fatal(err)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(head)))
	if _, err := conn.Write(append(frame, head...)); err != nil {
		t.Fatal(err)
	}
	var sizes [8]byte
	if _, err := io.ReadFull(conn, sizes[:]); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, binary.BigEndian.Uint32(sizes[:4])-4)
	if _, err := io.ReadFull(conn, reply); err != nil {
		t.Fatal(err)
	}
	n := binary.BigEndian.Uint32(sizes[4:]) & 0xffffff
	var answer header
	if err := json.Unmarshal(reply[:n], &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Code, answer.Remark, reply[n:]
}

// dial opens a client without TLS that ends with the test.
func dial(t testing.TB, cfg rocketmq.Config) *rocketmq.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := rocketmq.Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// behindProxy opens a client on a new FIFO topic through a fault proxy.
func behindProxy(t testing.TB, cfg rocketmq.Config) (*rocketmqtest.Proxy, *rocketmq.Client, string) {
	t.Helper()
	topic := newTopic(t, "FIFO", 8)
	proxy := rocketmqtest.NewProxy(t, broker(t).grpc)
	proxy.RequireOneInFlight()
	cfg.Endpoint, cfg.Topics = proxy.Endpoint(), []string{topic}
	return proxy, dial(t, cfg), topic
}
