// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	_ "github.com/go-sql-driver/mysql"

	"slipway/shared/checker"
	"slipway/shared/servertest"
)

var unique atomic.Int64

func name(prefix string) string {
	return prefix + strconv.FormatInt(time.Now().UnixNano()%1e12, 36) + strconv.FormatInt(unique.Add(1), 36)
}

// source opens a database of its own on a real server.
func source(t *testing.T) (*sql.DB, string) {
	t.Helper()
	db, err := sql.Open("mysql", servertest.Variable(t, "SLIPWAY_TEST_MYSQL_DSN"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	database := name("chk")
	mustExec(t, db, "CREATE DATABASE "+database)
	t.Cleanup(func() { _, _ = db.ExecContext(context.Background(), "DROP DATABASE "+database) })
	return db, database
}

func mustExec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// newTopic makes a topic on a real broker.
func newTopic(t testing.TB) (nameServer, topic string) {
	t.Helper()
	nameServer, topic = servertest.Variable(t, "SLIPWAY_TEST_ROCKETMQ_NAMESRV"), name("checker")
	a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{nameServer})))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	err = a.CreateTopic(t.Context(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(servertest.Variable(t, "SLIPWAY_TEST_ROCKETMQ_BROKER")),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues))
	if err != nil {
		t.Fatal(err)
	}
	return nameServer, topic
}

// send stores messages as they are, each in its queue.
func send(t testing.TB, nameServer, topic string, messages []checker.Message) {
	t.Helper()
	p, err := producer.NewDefaultProducer(
		producer.WithNsResolver(primitive.NewPassthroughResolver([]string{nameServer})),
		producer.WithInstanceName(name("p")), producer.WithGroupName("checker-test"),
		producer.WithQueueSelector(producer.NewManualQueueSelector()), producer.WithRetry(0),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Shutdown() //nolint:errcheck // a test's client
	route := waitForRoute(t, nameServer, topic)
	for _, m := range messages {
		out := primitive.NewMessage(topic, m.Body)
		out.WithProperties(m.Properties)
		out.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: route.BrokerName, QueueId: m.Queue}
		res, err := p.SendSync(t.Context(), out)
		if err != nil || res.Status != primitive.SendOK {
			t.Fatalf("send: %v %v", res, err)
		}
	}
}

// waitForRoute waits until the name server knows a new topic.
func waitForRoute(t testing.TB, nameServer, topic string) *primitive.MessageQueue {
	t.Helper()
	a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{nameServer})))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		route, err := a.FetchPublishMessageQueues(ctx, topic)
		if err == nil && len(route) == queues {
			return route[0]
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("no route of %s: %w", topic, err))
		}
	}
}
