// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/change"
	"slipway/shared/checker"
	"slipway/shared/deliver"
	"slipway/shared/rocketmq"
	"slipway/shared/snapshot"
)

// at runs statements in a hook, which may be on any goroutine: a failure is
// reported, and the test goes on.
func at(m *apptest.Migration, statements ...string) {
	m.T.Helper()
	for _, s := range statements {
		if _, err := m.DB.ExecContext(m.T.Context(), s); err != nil {
			m.T.Errorf("%s: %v", s, err)
		}
	}
}

// once gives a hook that acts at the first call for a chunk.
func once(chunk string, act func()) func(string) {
	var done atomic.Bool
	return func(c string) {
		if c == chunk && done.CompareAndSwap(false, true) {
			act()
		}
	}
}

// moment is a place where a snapshot can be stopped.
type moment struct {
	name string
	// at arranges that act runs there, once, for the chunk.
	at func(m *apptest.Migration, chunk string, act func())
}

// moments are the steps of rule S1, and of rule S3 behind them.
func moments() []moment {
	h := func(m *apptest.Migration) *snapshot.Hooks { return &m.Tune.SnapshotHooks }
	return []moment{
		{"Kept", func(m *apptest.Migration, c string, act func()) { h(m).Kept = once(c, act) }},
		{"View", func(m *apptest.Migration, c string, act func()) { h(m).View = once(c, act) }},
		{"End", func(m *apptest.Migration, c string, act func()) { h(m).End = once(c, act) }},
		{"Watermark", func(m *apptest.Migration, c string, act func()) { h(m).Watermark = once(c, act) }},
		{"Row", func(m *apptest.Migration, c string, act func()) {
			f := once(c, act)
			h(m).Row = func(chunk string, n int64) {
				if n == 20 {
					f(chunk)
				}
			}
		}},
		{"Stored", func(m *apptest.Migration, c string, act func()) { h(m).Stored = once(c, act) }},
		{"Sending", func(m *apptest.Migration, c string, act func()) { onSend(m, "/0/"+c+"/", 1, act) }},
		{"Delivered", func(m *apptest.Migration, c string, act func()) { h(m).Delivered = once(c, act) }},
	}
}

// spySink calls seen with every message before it is sent, and sent behind it.
type spySink struct {
	deliver.Sink
	seen func(*rocketmq.Message) error
	sent func(*rocketmq.Message)
}

func (s spySink) Send(ctx context.Context, m *rocketmq.Message) error {
	if s.seen != nil {
		if err := s.seen(m); err != nil {
			return err
		}
	}
	err := s.Sink.Send(ctx, m)
	if err == nil && s.sent != nil {
		s.sent(m)
	}
	return err
}

// onSend runs act behind the n-th message sent whose id contains part.
func onSend(m *apptest.Migration, part string, n int64, act func()) {
	var count atomic.Int64
	m.Tune.Sink = func(s deliver.Sink) deliver.Sink {
		return spySink{Sink: s, sent: func(msg *rocketmq.Message) {
			if strings.Contains(msg.ID, part) && count.Add(1) == n {
				act()
			}
		}}
	}
}

// sent collects the messages that are sent from now on.
type sent struct {
	mu   sync.Mutex
	list []*rocketmq.Message
}

func record(m *apptest.Migration) *sent {
	r := &sent{}
	m.Tune.Sink = func(s deliver.Sink) deliver.Sink {
		return spySink{Sink: s, sent: func(msg *rocketmq.Message) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.list = append(r.list, msg)
		}}
	}
	return r
}

// take gives what was collected and begins anew.
func (r *sent) take() []*rocketmq.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

func property(m *rocketmq.Message, name string) string {
	for _, p := range m.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

var errEnded = errors.New("the tail has ended")

// follow runs plan, snapshot, settle and tail for as long as the tail wants
// tables again, as the workflow does, and gives the tail that has caught up.
func follow(m *apptest.Migration) *apptest.Tail {
	m.T.Helper()
	for range 10 {
		m.Plan()
		m.Snapshot()
		tail := m.Tail(m.Settle())
		if keepsUp(m, tail) {
			return tail
		}
		out, err := tail.Wait()
		m.Must(err)
		if len(out.Again) == 0 {
			m.T.Fatalf("the tail ended by itself: %+v", out)
		}
	}
	m.T.Fatal("the tail wants tables again and again")
	return nil
}

// keepsUp waits until the tail has committed all there is, and something that
// came after: it goes on reading. False when it has ended.
func keepsUp(m *apptest.Migration, tail *apptest.Tail) bool {
	m.T.Helper()
	committed := func(ctx context.Context) (string, error) {
		select {
		case <-tail.Done():
			return "", errEnded
		default:
			return tail.Committed(ctx)
		}
	}
	other := m.Server.Database(m.T)
	for i := range 2 {
		m.Exec(fmt.Sprintf("CREATE TABLE %s.later%d (id INT)", other, i))
		if err := checker.Fence(m.T.Context(), m.DB, committed); errors.Is(err, errEnded) {
			return false
		} else if err != nil {
			m.T.Fatal(err)
		}
	}
	return true
}

// generations counts how often table t was planned.
func generations(m *apptest.Migration) int64 {
	m.T.Helper()
	g, err := snapshot.LatestGeneration(m.T.Context(), m.State(), change.TableName{Database: m.Database, Name: "t"})
	m.Must(err)
	if g == nil {
		return 0
	}
	return g.Gen + 1
}

// mode is how the table's newest generation is read, and in how many chunks.
func mode(m *apptest.Migration, table string) (snapshot.Mode, int) {
	m.T.Helper()
	g, err := snapshot.LatestGeneration(m.T.Context(), m.State(), change.TableName{Database: m.Database, Name: table})
	m.Must(err)
	return g.Mode, g.Chunks()
}

// fails asserts that a rule switched off is noticed.
func fails(t *testing.T, report checker.Report) {
	t.Helper()
	if report.OK() {
		t.Fatal("the rule is switched off, and the checker finds nothing")
	}
	t.Logf("%d violations %v, %d differences", report.ViolationCount, report.ByRule, report.DifferenceCount)
}

// oneLane makes the task send everything along one way.
func oneLane(m *apptest.Migration) { m.YAML += "lanes: 1\n" }
