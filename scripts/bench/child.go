// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/shared/app"
	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// runChild runs one step and prints its report.
func runChild(ctx context.Context, step string) error {
	c, err := readSetting(os.Stdin)
	if err != nil {
		return err
	}
	steps := map[string]func(context.Context, setting) (report, error){
		"snapshot": childSnapshot, "select": childSelect, "tail": childTail, "decode": childDecode, "send": childSend,
	}
	f := steps[step]
	if f == nil {
		return fmt.Errorf("no step %q", step)
	}
	r, err := f(ctx, c)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// meter counts what goes to the broker.
type meter struct {
	deliver.Sink
	rows, messages, bytes atomic.Int64
}

func (m *meter) Send(ctx context.Context, msg *rocketmq.Message) error {
	err := m.Sink.Send(ctx, msg)
	if err == nil {
		m.messages.Add(1)
		m.bytes.Add(int64(len(msg.Body)))
		for _, p := range msg.Properties {
			if p.Name == "rows" {
				n, _ := strconv.Atoi(p.Value)
				m.rows.Add(int64(n))
			}
		}
	}
	return err
}

func (m *meter) wrap(s deliver.Sink) deliver.Sink {
	m.Sink = s
	return m
}

func (m *meter) report(seconds float64) report {
	return report{Seconds: seconds, Rows: int(m.rows.Load()), Messages: m.messages.Load(), Bytes: m.bytes.Load()}
}

// childSnapshot: from the first chunk's beginning to the last one's end.
func childSnapshot(ctx context.Context, c setting) (report, error) {
	var m meter
	var once sync.Once
	var begun time.Time
	tune := &app.Tune{Sink: m.wrap, SnapshotHooks: snapshot.Hooks{Kept: func(string) { once.Do(func() { begun = time.Now() }) }}}
	a, err := openApp(ctx, c, tune)
	if err != nil {
		return report{}, err
	}
	_, err = a.Snapshot(ctx, app.SnapshotInput{Task: c.Task, Worker: app.Worker{Worker: 0, Workers: 1}})
	return m.report(time.Since(begun).Seconds()), err
}

// childSelect streams the table and throws the rows away.
func childSelect(ctx context.Context, c setting) (report, error) {
	conn, err := mysql.Connect(ctx, mysql.Config{Addr: c.Addr, User: "root"})
	if err != nil {
		return report{}, err
	}
	defer conn.Close()
	t, err := mysql.LoadTable(ctx, conn, database, "orders")
	if err != nil {
		return report{}, err
	}
	begun := time.Now()
	n, err := conn.Drain(ctx, t)
	return report{Seconds: time.Since(begun).Seconds(), Rows: n}, err
}

// childTail: from the first event to the checkpoint that covers Until.
func childTail(ctx context.Context, c setting) (report, error) {
	until, err := change.ParseGTIDSet(c.Until)
	if err != nil {
		return report{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var m meter
	var begun, ended time.Time
	tune := &app.Tune{Sink: m.wrap, CommitEvery: 20 * time.Millisecond}
	tune.TailHooks.Event = func(mysql.Event) {
		if begun.IsZero() {
			begun = time.Now()
		}
	}
	tune.TailHooks.Committed = func(cp state.Checkpoint) {
		set, err := change.ParseGTIDSet(cp.Committed.GTIDSet)
		if err == nil && set.Covers(until) && ended.IsZero() {
			ended = time.Now()
			cancel()
		}
	}
	a, err := openApp(ctx, c, tune)
	if err != nil {
		return report{}, err
	}
	_, err = a.Tail(ctx, app.TailInput{Task: c.Task})
	if fault.ClassOf(err) == fault.Interrupted {
		err = nil
	}
	return m.report(ended.Sub(begun).Seconds()), err
}

// childDecode reads what comes behind Until and throws it away.
func childDecode(ctx context.Context, c setting) (report, error) {
	from, err := change.ParseGTIDSet(c.Until)
	if err != nil {
		return report{}, err
	}
	conn, err := mysql.Connect(ctx, mysql.Config{Addr: c.Addr, User: "root"})
	if err != nil {
		return report{}, err
	}
	defer conn.Close()
	t, err := mysql.LoadTable(ctx, conn, database, "orders")
	if err != nil {
		return report{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var begun, ended time.Time
	rows := 0
	r := mysql.NewReader(mysql.ReaderConfig{
		Source: mysql.Config{Addr: c.Addr, User: "root"}, ServerID: rand.Uint32() | 1<<31, From: from, Heartbeat: 100 * time.Millisecond, Tables: one{t}, Logger: slog.New(slog.DiscardHandler),
	})
	err = r.Run(ctx, func(e mysql.Event) error {
		switch {
		case e.Kind == mysql.Idle && rows >= c.Rows:
			cancel()
		case e.Kind == mysql.Rows:
			if begun.IsZero() {
				begun = time.Now()
			}
			rows += len(e.Rows)
			ended = time.Now()
		}
		return nil
	})
	return report{Seconds: ended.Sub(begun).Seconds(), Rows: rows}, err
}

// one selects one table.
type one struct{ t *change.Table }

func (o one) Selected(db, name string) bool { return db == o.t.Database && name == o.t.Name }

func (o one) Candidates(string, string) (*change.Table, []*change.Table) { return o.t, nil }

func (one) Contradicted(_, _ string, err error) error { return err }

// childSend sends as many bodies of one size, in as many lanes.
func childSend(ctx context.Context, c setting) (report, error) {
	client, err := rocketmq.Dial(ctx, rocketmq.Config{Endpoint: c.Endpoint, Topics: []string{c.Topic}})
	if err != nil {
		return report{}, err
	}
	defer client.Close()
	begun := time.Now()
	err = sendBare(ctx, client, c, 64)
	return report{Seconds: time.Since(begun).Seconds(), Messages: c.Messages}, err
}

func sendBare(ctx context.Context, client *rocketmq.Client, c setting, lanes int) error {
	body := bytes.Repeat([]byte("x"), c.BodyBytes)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for lane := range lanes {
		g.Go(func() error {
			for next.Add(1) <= c.Messages {
				if err := client.Send(ctx, &rocketmq.Message{ID: "bare", Topic: c.Topic, Group: pipeline.Group("bare", lane), Body: body}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
