// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/shared/app"
	"slipway/shared/fault"
	"slipway/shared/servertest"
	"slipway/shared/tail"
	"slipway/shared/task"
	"slipway/shared/telemetry"
)

// watched is an application with a task over the shared servers that is ready for its tail.
func watched(t *testing.T) (a *telemetry.App, epoch int64, insert func()) {
	t.Helper()
	mysql, broker := servertest.MySQL(t), servertest.RocketMQ(t)
	database, topic := mysql.Database(t), broker.Topic(t, 4)
	mysql.Exec(t, "CREATE TABLE "+database+".orders (id INT PRIMARY KEY AUTO_INCREMENT, at INT)",
		"INSERT INTO "+database+".orders (at) VALUES (1), (2)")
	db := mysql.DB(t)
	store := "file://" + t.TempDir()
	file := fmt.Appendf(nil, `name: shop
environment: prod
state: %s
source: {hosts: [%q], user: root, tls: {mode: disabled}}
destination: {version: "5", endpoint: %q, topic: %s, tls: {mode: disabled}}
objects: [{match: %s.*}]
`, store, mysql.Addr, broker.Endpoint, topic, database)
	none := func(string) string { return "" }
	shop, err := task.Load("shop.yaml", file, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	a, err = telemetry.New(t.Context(), app.Env{State: store, Getenv: none, Log: slog.New(slog.DiscardHandler), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Submit(t.Context(), shop, file); err != nil {
		t.Fatal(err)
	}
	plan, err := a.Plan(t.Context(), app.PlanInput{Task: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range plan.Workers {
		if _, err := a.Snapshot(t.Context(), app.SnapshotInput{Task: "shop", Worker: w}); err != nil {
			t.Fatal(err)
		}
	}
	settled, err := a.Settle(t.Context(), app.SettleInput{Task: "shop"})
	if err != nil || settled.Epoch == 0 {
		t.Fatalf("settle: %+v, %v", settled, err)
	}
	return a, settled.Epoch, func() {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO "+database+".orders (at) VALUES (3)"); err != nil {
			t.Fatal(err)
		}
	}
}

func expose(a *telemetry.App) string {
	answer := httptest.NewRecorder()
	a.Metrics().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.String()
}

// The probes follow a real tail from before its start to after its end, asked from another goroutine throughout.
func TestT7ProbesFollowTheTail(t *testing.T) {
	a, epoch, insert := watched(t)
	if err := a.Ready(); err == nil {
		t.Error("ready before a tail runs")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := a.Tail(ctx, app.TailInput{Task: "shop", Epoch: epoch, ID: "tail-shop-1-0"})
		ended <- err
	}()
	servertest.Eventually(t, "ready", 30*time.Second, func() bool {
		select {
		case err := <-ended:
			t.Fatalf("the tail ended: %v", err)
		default:
		}
		return a.Ready() == nil
	})
	insert()
	var s tail.Status
	servertest.Eventually(t, "a change is committed", 30*time.Second, func() bool {
		s = a.Status().(tail.Status)
		return s.Committed.Seq == 1 && s.Idle
	})
	if s.Task != "shop" || s.Epoch != epoch || s.Owner == "" || !s.Leased || !s.Streaming || s.Changes != 1 || s.Messages != 1 ||
		s.Totals["changes"] != 1 || s.ReservedSeq < 1 || s.OldestMillis != 0 || s.Retrying != 0 || s.Committed.GTIDSet == "" || s.Committed.File == "" {
		t.Errorf("status: %+v", s)
	}
	if s.CheckpointAgeMillis > 10_000 || s.SilentMillis > 10_000 {
		t.Errorf("an idle tail is heard of every few seconds: %+v", s)
	}
	if err := a.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	for _, want := range []string{"slipway_changes_total{environment=\"prod\",task=\"shop\"} 1\n", "slipway_leased{environment=\"prod\",task=\"shop\"} 1\n"} {
		if text := expose(a); !strings.Contains(text, want) {
			t.Errorf("the exposition lacks %q:\n%s", want, text)
		}
	}
	stop()
	if err := <-ended; fault.ClassOf(err) != fault.Interrupted {
		t.Errorf("the tail ended with %v", err)
	}
	if a.Ready() == nil || a.Health() != nil || a.Status() != struct{}{} || strings.Contains(expose(a), "slipway_") {
		t.Errorf("after the end: ready %v, health %v, status %v", a.Ready(), a.Health(), a.Status())
	}
}
