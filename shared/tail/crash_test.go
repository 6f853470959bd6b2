// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/shared/apptest"
	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/servertest"
	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

// Rules D8, D5, C1: a process may die at every step between a reservation and
// the commit of what it reserved; its successor repeats no more than it must,
// marked, and nothing is missing.
func TestD8AProcessDiesAtEveryStep(t *testing.T) {
	t.Parallel()
	// A server that other tests write to may not be idle for long.
	diesAtEveryStep(t, apptest.On(t, servertest.StartMySQL(t), servertest.RocketMQ(t)))
}

func diesAtEveryStep(t *testing.T, m *apptest.Migration) {
	m.Exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,2),(3,3)")
	ready(m)
	sound, tune := m.Store, m.Tune
	for _, death := range []struct {
		name string
		// arrange makes p die; p is set before the tail starts.
		arrange func(p **apptest.Process, armed *atomic.Bool)
	}{
		{"between reservation and send", func(p **apptest.Process, _ *atomic.Bool) {
			m.Tune.TailHooks.Reserved = func(int64) { (*p).Die() }
		}},
		{"after the send, before its acknowledgement", func(p **apptest.Process, _ *atomic.Bool) {
			around(m, func(_ context.Context, _ *rocketmq.Message, send func() error) error {
				if err := send(); err != nil {
					return err
				}
				(*p).Die()
				return apptest.ErrDead
			})
		}},
		{"after the acknowledgement, before its commit", func(p **apptest.Process, armed *atomic.Bool) {
			around(m, func(_ context.Context, _ *rocketmq.Message, send func() error) error {
				err := send()
				armed.Store(err == nil)
				return err
			})
			m.Tune.TailHooks.Committing = func() {
				if armed.Load() {
					(*p).Die()
				}
			}
		}},
		{"in a commit that is stored", func(p **apptest.Process, armed *atomic.Bool) {
			around(m, func(_ context.Context, _ *rocketmq.Message, send func() error) error {
				err := send()
				armed.Store(err == nil)
				return err
			})
			m.Store = &statetest.Faulty{Inner: sound, Decide: func(op statetest.Op, key string) statetest.Outcome {
				if armed.Load() && op == statetest.Create && strings.HasPrefix(key, m.State().Checkpoints()) {
					(*p).Die()
					return statetest.FailPersisted
				}
				return statetest.OK
			}}
		}},
	} {
		var p *apptest.Process
		var armed atomic.Bool
		m.Store, m.Tune = sound, tune
		death.arrange(&p, &armed)
		p = m.Process()
		m.Store = sound
		tail := m.TailBy(p, 0)
		m.Exec("BEGIN; UPDATE t SET v = v + 1; INSERT INTO t VALUES (10, 10), (11, 11); UPDATE t SET id = 12 WHERE id = 10; DELETE FROM t WHERE id > 10; COMMIT")
		if _, err := tail.Wait(); err == nil {
			t.Fatalf("%s: the tail lives on", death.name)
		}
	}
	m.Store, m.Tune = sound, tune
	var idle atomic.Int64
	m.Tune.TailHooks.Event = func(e mysql.Event) {
		if e.Kind == mysql.Idle {
			idle.Add(1)
		}
	}
	last := m.Tail(0)
	report := last.Check("t")
	if report.Replays == 0 || report.Copies == 0 {
		t.Errorf("four deaths left %d marked messages and %d copies", report.Replays, report.Copies)
	}
	// Once it has seen the source's end, nothing of the dead ones is left to mark.
	servertest.Eventually(t, "an idle source that is handled, so a second one", 10*time.Second, func() bool { return idle.Load() >= 2 })
	last.Stop()
	if tip := m.Tip(); !tip.Released || tip.Reserved.Seq != tip.Committed.Seq {
		t.Errorf("the last tail left %+v", tip)
	}
}

// Rule T2: the committed position lies inside a transaction of 20,000 rows; the
// next tail skips exactly what was acknowledged, also when it dies before it
// has read a row of it, and the numbers stay.
func TestT2AProcessDiesInsideABigTransaction(t *testing.T) {
	t.Parallel()
	diesInsideABigTransaction(t, apptest.New(t))
}

func diesInsideABigTransaction(t *testing.T, m *apptest.Migration) {
	const rows, enough = 20_000, 5_000
	m.Exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT i, i FROM "+servertest.Numbers(1, rows+1, 1))
	m.Tune.ChunkRows = rows
	ready(m)
	tune := m.Tune

	// The first tail's sends stop at some row, so that its position can't pass it.
	var p *apptest.Process
	dead := newSignal()
	var base atomic.Int64
	around(m, func(_ context.Context, msg *rocketmq.Message, send func() error) error {
		if first, _ := seqs(msg); first > base.Load()+enough {
			dead.wait()
		}
		return send()
	})
	m.Tune.TailHooks.Committed = func(cp state.Checkpoint) {
		if open := cp.Committed.Open; open != nil && open.Row > enough/2 {
			p.Die()
			dead.fire()
		}
	}
	base.Store(m.Tip().Committed.Seq)
	p = m.Process()
	tail := m.TailBy(p, 0)
	m.Exec("UPDATE t SET v = v + 1")
	if _, err := tail.Wait(); err == nil {
		t.Fatal("a dead tail ended well")
	}
	inside := m.Tip().Committed
	if inside.Open == nil || inside.Seq != base.Load()+inside.Open.Row {
		t.Fatalf("the position is not inside the transaction: %+v", inside)
	}

	// The second one commits before it has read anything, and dies.
	m.Tune = tune
	committed := newSignal()
	m.Tune.TailHooks.Committed = func(state.Checkpoint) {
		p.Die()
		committed.fire()
	}
	m.Tune.TailHooks.Event = func(mysql.Event) { committed.wait() }
	p = m.Process()
	if _, err := m.TailBy(p, 0).Wait(); err == nil {
		t.Fatal("a dead tail ended well")
	}
	if now := m.Tip().Committed; now.Open == nil || *now.Open != *inside.Open || now.Seq != inside.Seq {
		t.Fatalf("the position was %+v, and after a tail that read nothing it is %+v", inside, now)
	}

	// The third one goes on at the next row.
	m.Tune = tune
	var least atomic.Int64
	least.Store(1 << 60)
	around(m, func(_ context.Context, msg *rocketmq.Message, send func() error) error {
		first, _ := seqs(msg)
		for was := least.Load(); first < was && !least.CompareAndSwap(was, first); was = least.Load() {
		}
		return send()
	})
	last := m.Tail(0)
	report := last.Check("t")
	if least.Load() != inside.Seq+1 {
		t.Errorf("the next tail began at row %d, the committed one is %d", least.Load(), inside.Seq)
	}
	if report.Copies == 0 || report.Rows < 2*rows {
		t.Errorf("the topic holds %s", report.String())
	}
	last.Stop()
}
