// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"slipway/shared/rocketmq/admin"
	"slipway/shared/servertest"
)

func TestCreateTopicChangesAnExistingOneAndDeleteIsIdempotent(t *testing.T) {
	b := servertest.RocketMQ(t)
	name := "admin-" + time.Now().Format("150405.000000000")[:6] + "-" + strings.ReplaceAll(time.Now().Format(".000000000"), ".", "")
	t.Cleanup(func() { _ = b.Admin.DeleteTopic(t.Context(), name) })
	for _, topic := range []admin.Topic{
		{Name: name, Type: "FIFO", Queues: 2, Ordered: true},
		{Name: name, Type: "FIFO", Queues: 5, Ordered: true},
	} {
		if err := b.Admin.CreateTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		got, err := b.Admin.TopicConfig(t.Context(), name)
		if err != nil || got != topic {
			t.Errorf("topic = %+v, %v, want %+v", got, err, topic)
		}
	}
	route, err := b.Admin.Route(t.Context(), name)
	if err != nil || route.Fixed != "broker-a:5" || len(route.Queues) != 1 || route.Queues[0].Queues != 5 {
		t.Errorf("route = %+v, %v, want five fixed queues", route, err)
	}
	if len(route.Brokers) != 1 || route.Brokers[0].Addr != b.BrokerAddr {
		t.Errorf("brokers = %+v, want %s", route.Brokers, b.BrokerAddr)
	}
	for range 2 {
		if err := b.Admin.DeleteTopic(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Admin.TopicConfig(t.Context(), name); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("the deleted topic: %v, want ErrNotFound", err)
	}
	if _, err := b.Admin.Route(t.Context(), name); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("the deleted topic's route: %v, want ErrNotFound", err)
	}
}

func TestCreateGroupMayBeRepeated(t *testing.T) {
	b := servertest.RocketMQ(t)
	for range 2 {
		if err := b.Admin.CreateGroup(t.Context(), admin.Group{Name: "admin-test", Orderly: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARefusalNamesTheServersReason(t *testing.T) {
	b := servertest.RocketMQ(t)
	err := b.Admin.CreateTopic(t.Context(), admin.Topic{Name: "no spaces allowed", Type: "FIFO", Queues: 1})
	refusal, ok := errors.AsType[*admin.Refusal](err)
	if !ok || refusal.Remark == "" || !strings.Contains(err.Error(), "broker-a") {
		t.Errorf("error = %v, want a refusal with the broker's name and words", err)
	}
}

func TestAServerThatIsNotRocketMQIsAnErrorNotAHang(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	_, err = admin.New(listener.Addr().String()).Brokers(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not a RocketMQ answer") {
		t.Errorf("error = %v, want it to say what answers there", err)
	}
}

func TestQuoteKeys(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"one", `{0:"a"}`, `{"0":"a"}`},
		{"further and negative", `{0:"a",12:"b",-1:"c"}`, `{"0":"a","12":"b","-1":"c"}`},
		{"numbers in lists are values", `[1,2,{3:[4,5]}]`, `[1,2,{"3":[4,5]}]`},
		{"strings are left alone", `{"a":"{0:1,2:3}","b\"{4:":5}`, `{"a":"{0:1,2:3}","b\"{4:":5}`},
		{"strict JSON is left alone", `{"0":1, "a":-2.5e3}`, `{"0":1, "a":-2.5e3}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(admin.QuoteKeys([]byte(c.in))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func FuzzQuoteKeysLeavesJSONAlone(f *testing.F) {
	f.Add(`{"a":[1,{"b":"\\\"{0:"}],"c":-1}`)
	f.Fuzz(func(t *testing.T, in string) {
		out := string(admin.QuoteKeys([]byte(in)))
		if json.Valid([]byte(in)) && out != in {
			t.Errorf("%s became %s", in, out)
		}
	})
}
