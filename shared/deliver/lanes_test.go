// SPDX-License-Identifier: Apache-2.0

package deliver_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
)

// broker holds every message until it is told to store it, and checks the
// rules: one in flight per group, ascending numbers within it, rows of one kind
// in a message.
type broker struct {
	t      rapid.TB
	mu     sync.Mutex
	flight map[string]*inFlight
	order  []string // groups in flight
	last   map[string]int64
	stored []*rocketmq.Message
}

type inFlight struct {
	m    *rocketmq.Message
	done chan error
}

func newBroker(t rapid.TB) *broker {
	return &broker{t: t, flight: map[string]*inFlight{}, last: map[string]int64{}}
}

func value(m *rocketmq.Message, name string) string {
	i := slices.IndexFunc(m.Properties, func(p rocketmq.Property) bool { return p.Name == name })
	if i < 0 {
		return ""
	}
	return m.Properties[i].Value
}

func number(m *rocketmq.Message, name string) int64 {
	n, _ := strconv.ParseInt(value(m, name), 10, 64)
	return n
}

func (b *broker) Send(ctx context.Context, m *rocketmq.Message) error {
	b.mu.Lock()
	if b.flight[m.Group] != nil {
		b.t.Errorf("%s is sent while %s is in flight", m.ID, b.flight[m.Group].m.ID)
	}
	if first := number(m, "seq"); first <= b.last[m.Group] {
		b.t.Errorf("%s of group %s begins at %d, behind %d", m.ID, m.Group, first, b.last[m.Group])
	}
	f := &inFlight{m, make(chan error, 1)}
	b.flight[m.Group] = f
	b.order = append(b.order, m.Group)
	b.mu.Unlock()
	select {
	case err := <-f.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer ends the send of a group.
func (b *broker) answer(group string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.flight[group]
	delete(b.flight, group)
	b.order = slices.DeleteFunc(b.order, func(g string) bool { return g == group })
	if err == nil {
		b.stored = append(b.stored, f.m)
		b.last[group] = number(f.m, "lastSeq")
	}
	f.done <- err
}

func (b *broker) groups() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.order)
}

// lanes starts lanes in front of a sink; stop ends them and gives their error.
func lanes(t testing.TB, sink deliver.Sink, tune func(*deliver.LanesConfig)) (l *deliver.Lanes, stop func() error) {
	cfg := deliver.LanesConfig{
		Pipeline: newPipeline(t), Lanes: 4, Epoch: 1, MaxRows: 5, MaxBytes: 1000, Budget: 1 << 20,
		Sender: deliver.NewSender(deliver.SenderConfig{Sink: sink, Logger: slog.New(slog.DiscardHandler)}),
	}
	if tune != nil {
		tune(&cfg)
	}
	l = deliver.NewLanes(cfg, 0)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return l, func() error { cancel(); return <-done }
}

func item(seq int64, lane int, c change.Change) deliver.Item {
	c.Seq, c.Phase, c.GTID = seq, change.PhaseIncremental, fmt.Sprintf("g:%d", seq)
	c.Origin = fmt.Sprintf("g:%d/%s", seq, c.Table)
	return deliver.Item{Change: &c, Lane: lane, Topic: "t"}
}

func insert(seq int64, lane int, text string) deliver.Item {
	return item(seq, lane, change.Change{Op: change.OpInsert, Table: tables[0], After: change.Row{change.NewInt(seq), change.NewText(text)}})
}

// Rules D3, C: lanes go on by themselves in any order of answers; the low-water
// mark never passes a row that isn't acknowledged, and reaches every one that
// is.
func TestC2AcknowledgedIsALowWaterMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // without t.Deadline, which knows no bubble
			b := newBroker(rt)
			l, stop := lanes(t, b, nil)
			unacknowledged := map[string][]int64{} // by group
			seq, dispatched := int64(0), int64(0)
			check := func() {
				synctest.Wait()
				want := dispatched
				for _, s := range unacknowledged {
					if len(s) > 0 {
						want = min(want, s[0]-1)
					}
				}
				if got := l.Acknowledged(); got != want {
					rt.Fatalf("acknowledged %d, want %d", got, want)
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"put": func(rt *rapid.T) {
					seq++
					lane := rapid.IntRange(0, 3).Draw(rt, "lane")
					c := change.Change{
						Op: rapid.SampledFrom([]change.Op{change.OpInsert, change.OpDelete}).Draw(rt, "op"), Table: rapid.SampledFrom(tables).Draw(rt, "table"),
						Replay: rapid.Bool().Draw(rt, "replay"),
					}
					row := change.Row{change.NewInt(seq), change.NewText(strings.Repeat("x", rapid.IntRange(0, 400).Draw(rt, "size")))}
					if c.Op == change.OpInsert {
						c.After = row
					} else {
						c.Before = row
					}
					if err := l.Put(t.Context(), item(seq, lane, c)); err != nil {
						rt.Fatal(err)
					}
					g := pipeline.Group("lanes", lane)
					unacknowledged[g] = append(unacknowledged[g], seq)
					l.Advance(seq)
					dispatched = seq
					check()
				},
				"skip": func(*rapid.T) { // a row that needs no delivery
					seq++
					l.Advance(seq)
					dispatched = seq
					check()
				},
				"answer": func(rt *rapid.T) {
					g := b.groups()
					if len(g) == 0 {
						rt.Skip()
					}
					group := rapid.SampledFrom(g).Draw(rt, "group")
					last := number(b.flight[group].m, "lastSeq")
					b.answer(group, nil)
					unacknowledged[group] = slices.DeleteFunc(unacknowledged[group], func(s int64) bool { return s <= last })
					check()
				},
			})
			for len(b.groups()) > 0 {
				b.answer(b.groups()[0], nil)
				synctest.Wait()
			}
			if l.Acknowledged() != dispatched || l.Drain(t.Context()) != nil || l.Oldest() != 0 {
				rt.Errorf("at the end %d of %d are acknowledged", l.Acknowledged(), dispatched)
			}
			rows := 0
			for _, m := range b.stored {
				rows += int(number(m, "rows"))
			}
			if changes, messages := l.Sent(); int(changes) != rows || int(messages) != len(b.stored) {
				rt.Errorf("%d changes in %d messages are counted, %d in %d were stored", changes, messages, rows, len(b.stored))
			}
			if err := stop(); err != nil {
				rt.Error(err)
			}
		})
	})
}

// Rule D3: rows share a message only with neighbours of their table, operation
// and replay mark, within the limits; a lane without a backlog doesn't wait.
func TestD3Packing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l, stop := lanes(t, b, nil)
		put := func(its ...deliver.Item) {
			for _, it := range its {
				if err := l.Put(t.Context(), it); err != nil {
					t.Fatal(err)
				}
				l.Advance(it.Change.Seq)
			}
			synctest.Wait()
		}
		put(insert(1, 0, "alone"))
		if g := b.groups(); len(g) != 1 {
			t.Fatal("an idle lane's row waits")
		}
		replayed, other := insert(10, 0, ""), insert(11, 0, "")
		replayed.Change.Replay, other.Change.Table = true, tables[1]
		deleted := item(12, 0, change.Change{Op: change.OpDelete, Table: tables[0], Before: change.Row{change.NewInt(1), change.NewText("")}})
		put(insert(2, 0, ""), insert(3, 0, ""), insert(4, 0, ""), insert(5, 0, ""), insert(6, 0, ""), insert(7, 0, ""), // more than MaxRows
			insert(8, 0, strings.Repeat("x", 900)), insert(9, 0, strings.Repeat("x", 900)), // more than MaxBytes
			replayed, other, deleted)
		for len(b.groups()) > 0 {
			b.answer(b.groups()[0], nil)
			synctest.Wait()
		}
		var got []string
		for _, m := range b.stored {
			got = append(got, value(m, "seq")+"-"+value(m, "lastSeq"))
		}
		if want := "1-1 2-6 7-8 9-9 10-10 11-11 12-12"; strings.Join(got, " ") != want {
			t.Errorf("messages %s, want %s", strings.Join(got, " "), want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A message that is larger than was thought is halved until it fits; a row that
// never fits is named.
func TestD5LargeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l, stop := lanes(t, b, func(cfg *deliver.LanesConfig) { cfg.MaxRows, cfg.MaxBytes, cfg.Budget = 100, 1<<30, 1<<30 })
		put := func(it deliver.Item) {
			if err := l.Put(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			l.Advance(it.Change.Seq)
		}
		put(insert(1, 0, "alone"))
		synctest.Wait()
		for seq := int64(2); seq <= 9; seq++ {
			put(insert(seq, 0, strings.Repeat("\x01", 200_000))) // six bytes each in JSON
		}
		for synctest.Wait(); len(b.groups()) > 0; synctest.Wait() {
			b.answer(b.groups()[0], nil)
		}
		var rows int64
		for _, m := range b.stored {
			rows += number(m, "rows")
			if len(m.Body) > rocketmq.MaxBodyBytes {
				t.Errorf("%s has %d bytes", m.ID, len(m.Body))
			}
		}
		if rows != 9 || len(b.stored) >= 9 || l.Acknowledged() != 9 {
			t.Errorf("%d rows in %d messages, %d acknowledged", rows, len(b.stored), l.Acknowledged())
		}
		put(insert(10, 1, strings.Repeat("x", rocketmq.MaxBodyBytes)))
		synctest.Wait()
		err := stop()
		if fault.ClassOf(err) != fault.SinkRejected || !strings.Contains(err.Error(), "g:10/d.a/0") {
			t.Errorf("a row that doesn't fit: %v", err)
		}
	})
}

// Rule T3: Put waits while the budget is spent; one item above it goes alone.
func TestT3TheBudgetHoldsTheReaderBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l, stop := lanes(t, b, func(cfg *deliver.LanesConfig) { cfg.Budget = 10_000 })
		done := make(chan int64, 3)
		go func() {
			for seq, size := range []int{5_000, 50_000, 10} {
				if l.Put(t.Context(), insert(int64(seq+1), seq, strings.Repeat("x", size))) == nil {
					done <- int64(seq + 1)
				}
			}
		}()
		for want := 1; want <= 3; want++ {
			synctest.Wait()
			if len(done) != want {
				t.Fatalf("%d items are admitted, want %d", len(done), want)
			}
			b.answer(b.groups()[0], nil)
		}
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errTooLarge)
		if err := l.Drain(ctx); err != nil {
			t.Errorf("nothing is left to drain: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Nothing overtakes a refused message: its lane ends the run, and its rows stay
// unacknowledged.
func TestD5ARefusalEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l, stop := lanes(t, b, nil)
		for seq := int64(1); seq <= 3; seq++ {
			if err := l.Put(t.Context(), insert(seq, int(seq), "")); err != nil {
				t.Fatal(err)
			}
			l.Advance(seq)
		}
		synctest.Wait()
		b.answer(pipeline.Group("lanes", 1), nil)
		b.answer(pipeline.Group("lanes", 2), errTooLarge)
		synctest.Wait()
		if err := stop(); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("the run ended with %v", err)
		}
		if l.Acknowledged() != 1 {
			t.Errorf("%d are acknowledged", l.Acknowledged())
		}
	})
}
