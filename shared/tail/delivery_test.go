// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/rocketmq"
	"slipway/shared/rocketmq/rocketmqtest"
	"slipway/shared/servertest"
	"slipway/shared/state"
)

// Rules D5, D8, C: behind a broker that loses answers, refuses and goes away,
// every message is within its reservation, committed only behind its
// acknowledgement, sent again marked if it may be stored, and unmarked if not.
func TestD5ABadBroker(t *testing.T) {
	t.Parallel()
	m := apptest.New(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT i, 0 FROM "+servertest.Numbers(1, 101, 1))
	epoch := ready(m)
	proxy := rocketmqtest.NewProxy(t, m.Broker.Endpoint)
	proxy.RequireOneInFlight()
	proxy.RequireReplayMark()
	m.Endpoint = proxy.Endpoint()
	var dropped, refused atomic.Int64
	proxy.OnSend(func(call rocketmqtest.SendCall) rocketmqtest.Action {
		switch {
		case call.Attempt > 1:
		case call.N%10 == 3 && dropped.Add(1) <= 3:
			return rocketmqtest.DropAnswer()
		case call.N%10 == 7 && refused.Add(1) <= 3:
			return rocketmqtest.Refuse(v2.Code_TOO_MANY_REQUESTS)
		}
		return rocketmqtest.Pass()
	})
	around(m, func(_ context.Context, msg *rocketmq.Message, send func() error) error {
		first, last := seqs(msg)
		if tip := m.Tip(); last > tip.Reserved.Seq {
			t.Errorf("%s is sent, and %d is the reservation", msg.ID, tip.Reserved.Seq)
		}
		err := send()
		if tip := m.Tip(); first <= tip.Committed.Seq {
			t.Errorf("%s is not acknowledged yet, and %d is committed", msg.ID, tip.Committed.Seq)
		}
		return err
	})
	var committed atomic.Int64
	m.Tune.TailHooks.Committed = func(cp state.Checkpoint) {
		if was := committed.Swap(cp.Committed.Seq); cp.Committed.Seq < was {
			t.Errorf("committed falls from %d to %d", was, cp.Committed.Seq)
		}
	}
	tail := m.Tail(epoch)
	for i := range 40 {
		m.Exec(fmt.Sprintf("UPDATE t SET v = v + 1 WHERE id %% 10 = %d", i%10))
	}
	report := tail.Check("t")
	if dropped.Load() < 3 || refused.Load() < 3 {
		t.Fatalf("%d answers were dropped, %d messages refused", dropped.Load(), refused.Load())
	}
	if report.Replays != 3 || report.Copies != 3 {
		t.Errorf("3 answers were lost, %d messages are marked, %d repeat", report.Replays, report.Copies)
	}

	// Away for a while: the tail waits, is behind, and comes level again.
	proxy.Down()
	m.Exec("UPDATE t SET v = -1")
	servertest.Eventually(t, "a lag", 20*time.Second, func() bool { return m.Tip().LagMillis > 0 && m.Tip().Reserved.Seq > m.Tip().Committed.Seq })
	proxy.Up()
	tail.Check("t")
	servertest.Eventually(t, "no lag", 20*time.Second, func() bool { return m.Tip().LagMillis == 0 })

	// Idle: what happens in other databases moves the position.
	other := m.Server.Database(t)
	before := m.Tip().Committed
	m.Exec("CREATE TABLE " + other + ".x (id INT PRIMARY KEY); INSERT INTO " + other + ".x VALUES (1)")
	tail.Caught()
	if after := m.Tip().Committed; after.Seq != before.Seq || after.GTIDSet == before.GTIDSet {
		t.Errorf("the position went from %+v to %+v", before, after)
	}
	tail.Stop()

	// Rule D7: queues that are away are waited for, others than planned aren't.
	var asked atomic.Int64
	proxy.OnRoute(func(r *v2.QueryRouteResponse) {
		if queues := r.GetMessageQueues(); len(queues) > 3 && asked.Add(1) <= 1 {
			r.MessageQueues = queues[:3]
		}
	})
	tail = m.Tail(0)
	m.Exec("UPDATE t SET v = -2")
	tail.Check("t")
	tail.Stop()
	if asked.Load() < 2 {
		t.Error("the missing queues were not waited for")
	}
	proxy.OnRoute(func(r *v2.QueryRouteResponse) {
		for _, q := range r.GetMessageQueues() {
			q.Id += 100
		}
	})
	fails(t, m.Tail(0), fault.CheckpointUnusable, "queue", "drain")
}

// A row no message can hold ends the tail, which names it and the remedy.
func TestD5ARowThatDoesNotFit(t *testing.T) {
	t.Parallel()
	m := apptest.New(t, "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)")
	m.YAML += "packing: {maxRows: 500, maxBytes: 1MiB}\n"
	tail := m.Tail(ready(m))
	m.Exec("INSERT INTO t SELECT i, REPEAT(CHAR(1), 600000) FROM " + servertest.Numbers(1, 9, 1)) // 3.6 MB each as JSON
	tail.Check("t")
	m.Exec("INSERT INTO t VALUES (77, REPEAT('x', 4194304))")
	fails(t, tail, fault.SinkRejected, m.Database+".t", "largeMessage", "objects.exclude")
}

// Rule C2: a second tail inside the lease is told so; one that comes while the
// first can't reach the store takes over, and the first sends nothing more.
func TestC2TwoTails(t *testing.T) {
	t.Parallel()
	m := apptest.New(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)")
	epoch := ready(m)
	sound := m.Store
	slow := &hanging{Store: sound, thaw: make(chan struct{})}
	m.Store = slow
	var takenOver atomic.Bool
	around(m, func(_ context.Context, msg *rocketmq.Message, send func() error) error {
		err := send()
		if err == nil && takenOver.Load() {
			t.Errorf("%s was sent after the other tail took over", msg.ID)
		}
		return err
	})
	first := m.Tail(epoch)
	m.Exec("INSERT INTO t VALUES (2, 2)")
	first.Caught()
	m.Store, m.Tune.Sink = sound, nil
	fails(t, m.Tail(0), fault.Locked, "held by another process")

	slow.frozen.Store(true)
	m.Tune.TailHooks.Committed = func(state.Checkpoint) { takenOver.Store(true) }
	second := m.Tail(0)
	m.Exec("INSERT INTO t VALUES (3, 3)", "UPDATE t SET v = v + 1")
	second.Check("t")
	close(slow.thaw)
	m.Exec("UPDATE t SET v = v + 1")
	fails(t, first, fault.Locked)
	second.Check("t")
	second.Stop()
}

// hanging is a store whose writes hang while it is frozen.
type hanging struct {
	state.Store
	frozen atomic.Bool
	thaw   chan struct{}
}

func (h *hanging) Create(ctx context.Context, key string, body []byte) error {
	if h.frozen.Load() && strings.Contains(key, "/checkpoints/") {
		<-h.thaw
	}
	return h.Store.Create(ctx, key, body)
}
