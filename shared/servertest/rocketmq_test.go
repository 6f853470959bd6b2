// SPDX-License-Identifier: Apache-2.0

package servertest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"slipway/shared/rocketmq/admin"
	"slipway/shared/servertest"
	"slipway/shared/servertest/server"
)

func TestD7TopicsAreFIFOWithAFixedQueueListAndGoWithTheirTest(t *testing.T) {
	b := servertest.RocketMQ(t)
	var name string
	t.Run("a test", func(t *testing.T) {
		name = b.Topic(t, 8)
		got, err := b.Admin.TopicConfig(t.Context(), name)
		if err != nil || got != admin.FIFO(name, 8) {
			t.Errorf("topic = %+v, %v, want %+v", got, err, admin.FIFO(name, 8))
		}
		route, err := b.Admin.Route(t.Context(), name)
		if err != nil || route.Fixed != "broker-a:8" {
			t.Errorf("route = %+v, %v, want the queues fixed as broker-a:8", route, err)
		}
	})
	if _, err := b.Admin.TopicConfig(t.Context(), name); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("after the test: %v, want the topic gone", err)
	}
}

func TestTopicOfTakesAnyMessageTypeAndADeletedNameAgain(t *testing.T) {
	b := servertest.RocketMQ(t)
	name := fmt.Sprintf("again-%d", time.Now().UnixNano())
	for _, kind := range []string{"NORMAL", "FIFO"} {
		b.TopicOf(t, name, kind, 2)
		got, err := b.Admin.TopicConfig(t.Context(), name)
		if err != nil || got.Type != kind || got.Ordered != (kind == "FIFO") {
			t.Errorf("topic = %+v, %v, want type %s", got, err, kind)
		}
		b.DeleteTopic(t, name)
	}
}

func TestPrivateRocketMQKeepsPortsAndTopicsOverKillAndRestart(t *testing.T) {
	b := servertest.StartRocketMQ(t, servertest.BrokerOptions{})
	name, pid := b.Topic(t, 4), b.Pid(t)
	trust(t, b)
	b.Kill9(t)
	if conn, err := net.Dial("tcp", b.Endpoint); err == nil {
		_ = conn.Close()
		t.Error("a killed broker answers")
	}
	b.Restart(t)
	if b.Pid(t) == pid {
		t.Errorf("process %d is the old one", pid)
	}
	b.AwaitTopic(t, name)
	route, err := b.Admin.Route(t.Context(), name)
	if err != nil || route.Fixed != "broker-a:4" {
		t.Errorf("route = %+v, %v, want the fixed queue list kept", route, err)
	}
}

func TestPrivateRocketMQDemandsSignatures(t *testing.T) {
	b := servertest.StartRocketMQ(t, servertest.BrokerOptions{ACL: true})
	name := b.Topic(t, 1)
	for what, probe := range map[string]server.RouteProbe{
		"unsigned":       {Endpoint: b.Endpoint},
		"a wrong secret": {Endpoint: b.Endpoint, AccessKey: b.AccessKey, SecretKey: "wrong"},
	} {
		if err := probe.Visible(t.Context(), name); err == nil {
			t.Errorf("%s: the proxy answered", what)
		}
	}
	stranger := admin.New(b.NameServer)
	if err := stranger.CreateTopic(t.Context(), admin.FIFO("strangers", 1)); err == nil {
		t.Error("the broker created a topic for an unsigned call")
	}
}

func TestTheSharedRocketMQSpeaksTLSAndPlaintextOnOnePort(t *testing.T) {
	b := servertest.RocketMQ(t)
	name := b.Topic(t, 1)
	for _, plaintext := range []bool{true, false} {
		if err := (server.RouteProbe{Endpoint: b.Endpoint, Plaintext: plaintext}).Visible(t.Context(), name); err != nil {
			t.Errorf("plaintext=%v: %v", plaintext, err)
		}
	}
}

func TestPrivateRocketMQSpeaksNoTLSWhenDisabled(t *testing.T) {
	b := servertest.StartRocketMQ(t, servertest.BrokerOptions{TLS: "disabled"})
	name := b.Topic(t, 1)
	if err := (server.RouteProbe{Endpoint: b.Endpoint}).Visible(t.Context(), name); err == nil {
		t.Error("the proxy speaks TLS")
	}
}

// trust checks that the broker's certificate is good for its address to who trusts CAFile.
func trust(t *testing.T, b *servertest.Broker) {
	t.Helper()
	pem, err := os.ReadFile(b.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := tls.Dial("tcp", b.Endpoint, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		t.Errorf("verify the broker's certificate: %v", err)
		return
	}
	_ = conn.Close()
}

func TestRocketMQIsNotOpenToTheNetwork(t *testing.T) {
	b := servertest.RocketMQ(t)
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("without gcc the proxy listens on every address")
	}
	_, port, err := net.SplitHostPort(b.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	// Another loopback address reaches a listener on every address, and none on 127.0.0.1.
	if conn, err := net.Dial("tcp", "127.0.0.2:"+port); err == nil {
		_ = conn.Close()
		t.Error("the proxy listens on more than 127.0.0.1")
	}
}
