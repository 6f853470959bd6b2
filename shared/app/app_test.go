// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/app"
	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/rocketmq"
	"slipway/shared/servertest"
	"slipway/shared/task"
)

const items = "CREATE TABLE items (id INT PRIMARY KEY, n INT NOT NULL)"

var thousand = "INSERT INTO items SELECT i, 0 FROM " + servertest.Numbers(1, 1001, 1)

// counter counts what goes to the broker.
type counter struct {
	deliver.Sink
	n *atomic.Int64
}

func (c counter) Send(ctx context.Context, m *rocketmq.Message) error {
	c.n.Add(1)
	return c.Sink.Send(ctx, m)
}

// count has the messages of all processes started from now on counted.
func count(m *apptest.Migration) *atomic.Int64 {
	n := new(atomic.Int64)
	m.Tune.Sink = func(s deliver.Sink) deliver.Sink { return counter{s, n} }
	return n
}

func TestEachStepMayBeCalledAgain(t *testing.T) {
	m := apptest.New(t, items, thousand)
	sent := count(m)
	first := m.Plan()
	m.Exec("INSERT INTO items VALUES (2000, 1)")
	if diff := cmp.Diff(first, m.Plan()); diff != "" {
		t.Errorf("planned again, differently: %s", diff)
	}
	if first.Chunks < 2 || len(first.Workers) != min(first.Chunks, 2) {
		t.Errorf("the plan is %+v, want several chunks shared by two workers", first)
	}
	if out, err := m.Process().Settle(t.Context(), app.SettleInput{Task: m.Name}); err != nil || !out.More || out.Epoch != 0 {
		t.Errorf("settle before the snapshot: %+v, %v, want more", out, err)
	}
	m.Snapshot()
	before := sent.Load()
	m.Snapshot()
	if sent.Load() != before || before == 0 {
		t.Errorf("a snapshot that was done sent %d messages, after %d", sent.Load()-before, before)
	}
	for range 2 {
		if epoch := m.Settle(); epoch != 1 {
			t.Errorf("settled for epoch %d, want 1", epoch)
		}
	}
	m.Snapshot() // the stored messages are swept, the results are not
	if sent.Load() != before {
		t.Errorf("a snapshot that was settled sent %d messages", sent.Load()-before)
	}
	tail := m.Tail(1)
	tail.Check("items")
	tail.Stop()

	// A new execution of the flow begins with the plan.
	if again := m.Plan(); again.Chunks != 0 {
		t.Errorf("after the tail the plan is %+v, want no chunks", again)
	}
	epoch := m.Settle()
	if epoch != 2 {
		t.Errorf("settled for epoch %d, want 2", epoch)
	}
	m.Exec("DELETE FROM items WHERE id < 500")
	tail = m.Tail(epoch)
	if report := tail.Check("items"); report.Copies != 0 {
		t.Errorf("copies were sent:\n%s", report.String())
	}
	tail.Stop()
}

// A task without the full stage delivers what is committed after it was planned, and reads no table.
// A file that doesn't fit the plan is refused before it gets in the way of a
// running tail, which reads it again when it is retried (rule C6).
func TestC6SubmitKeepsTheFileThatFits(t *testing.T) {
	m := apptest.New(t, items, thousand)
	p := m.Process()
	submit := func(file string) error {
		parsed, err := task.Load(m.Name+".yaml", []byte(file), os.LookupEnv)
		m.Must(err)
		return p.Submit(t.Context(), parsed, []byte(file))
	}
	stored := func() string {
		body, err := m.Store.Get(t.Context(), m.State().TaskFile())
		m.Must(err)
		return string(body)
	}
	other := m.YAML + "lanes: 7\n"
	m.Must(submit(other)) // before the plan anything goes
	m.Must(submit(m.YAML))
	m.Plan()
	if err := submit(other); fault.ClassOf(err) != fault.CheckpointUnusable || stored() != m.YAML {
		t.Errorf("submitted other lanes: %v; stored now: %s", err, stored())
	}
	free := m.YAML + "limits: {messagesPerSecond: 100}\n"
	if err := submit(free); err != nil || stored() != free {
		t.Errorf("submitted another limit: %v; stored now: %s", err, stored())
	}
}

func TestIncrementalOnly(t *testing.T) {
	m := apptest.New(t, items, "INSERT INTO items VALUES (1, 1), (2, 2)", "CREATE TABLE later (id INT PRIMARY KEY, n INT)")
	m.YAML += "stages: [incremental]\nstart: now\n"
	if plan := m.Plan(); plan.Chunks != 0 {
		t.Errorf("the plan is %+v, want no chunks", plan)
	}
	m.Exec("INSERT INTO later VALUES (1, 1), (2, 2)", "UPDATE items SET n = n + 10")
	tail := m.Tail(m.Settle())
	m.Exec("DELETE FROM later WHERE id = 1")
	// Updates of rows that consumers have never seen are no fault here.
	report := tail.Examine(checker.Options{Unchained: true}, "items", "later")
	if !report.OK() || report.Full != 0 || report.Incremental != 5 {
		t.Errorf("want 5 rows, none of the full phase:\n%s", report.String())
	}
	tail.Stop()
}

// A task without the incremental stage ends by itself, while others go on writing, and what it delivered is the source as
// it was at one moment. The moment is known from the table of changes itself: the writer numbers each, and takes those
// back that came too late, until both are the same.
func TestFullOnlyEndsConsistentWhileWritesGoOn(t *testing.T) {
	m := apptest.New(t, items, thousand, "CREATE TABLE changes (number INT PRIMARY KEY)")
	m.YAML += "stages: [full]\n"
	var made atomic.Int64
	writing, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1; writing.Err() == nil; n++ {
			if _, err := m.DB.ExecContext(t.Context(), fmt.Sprintf("START TRANSACTION; %s; INSERT INTO changes VALUES (%d); COMMIT", work(n), n)); err != nil {
				t.Error(err)
				return
			}
			made.Store(int64(n))
			select {
			case <-writing.Done():
			case <-time.After(time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { stop(); <-stopped })
	m.Plan()
	m.Snapshot()
	during := made.Load()
	tail := m.Tail(m.Settle())
	out, err := tail.Wait()
	if err != nil || !out.Stopped {
		t.Fatalf("the tail ended with %+v, %v, want that it is stopped", out, err)
	}
	late := made.Load()
	stop()
	<-stopped

	c := checker.New(checker.Options{})
	for message, err := range checker.Stream(t.Context(), m.Broker.NameServer, []string{m.Topic}) {
		m.Must(err)
		c.Add(message)
	}
	taken := int64(0)
	for range c.Rows(m.Database + ".changes") {
		taken++
	}
	t.Logf("%d changes were made when the snapshot ended, %d when the tail did, %d were taken", during, late, taken)
	if taken == 0 || taken > late {
		t.Errorf("%d changes were taken of %d", taken, late)
	}
	for n := made.Load(); n > taken; n-- {
		m.Exec(fmt.Sprintf("START TRANSACTION; %s; DELETE FROM changes WHERE number = %d; COMMIT", undo(int(n)), n))
	}
	m.Must(c.Compare(t.Context(), m.DB, []checker.Table{{Database: m.Database, Name: "items"}, {Database: m.Database, Name: "changes"}}))
	if report := c.Report(); !report.OK() || !report.Compared {
		t.Errorf("the topic is the source at no one moment:\n%s", report.String())
	}
	tip := m.Tip()
	if !tip.Released || !tip.Stopped {
		t.Errorf("the last checkpoint is %+v, want that the task is finished", tip)
	}
	// Finished stays finished.
	if out, err := m.Tail(m.Settle()).Wait(); err != nil || !out.Stopped {
		t.Errorf("started again: %+v, %v", out, err)
	}
}

// work is change n, over the whole range of keys; undo takes it back.
func work(n int) string {
	return fmt.Sprintf("UPDATE items SET n = n + %d WHERE id %% 97 = %d; INSERT INTO items VALUES (%d, %d)", n, n%97, 5000+n, n)
}

func undo(n int) string {
	return fmt.Sprintf("DELETE FROM items WHERE id = %d; UPDATE items SET n = n - %d WHERE id %% 97 = %d", 5000+n, n, n%97)
}

// TestTLSToTheSource: an account that MySQL lets in over TLS only, snapshot and binlog alike.
func TestTLSToTheSource(t *testing.T) {
	servertest.MySQL(t).Needs(t, 80001, "TLS without certificates of one's own")
	m := apptest.New(t, items, thousand)
	account := "tls_" + m.Database
	t.Cleanup(func() {
		if _, err := m.DB.ExecContext(context.Background(), "DROP USER IF EXISTS "+account); err != nil {
			t.Error(err)
		}
	})
	m.Exec("CREATE USER "+account+" IDENTIFIED BY 'pass' REQUIRE SSL", "GRANT ALL ON *.* TO "+account)
	t.Setenv("APP_TEST_PASSWORD", "pass")
	plain := strings.Replace(m.YAML, m.Login, "user: "+account+`, password: "${APP_TEST_PASSWORD}"`, 1)
	m.YAML = plain
	if _, err := m.Process().Plan(t.Context(), app.PlanInput{Task: m.Name}); err == nil {
		t.Fatal("the account was let in without TLS: the test shows nothing")
	}
	m.YAML = strings.Replace(plain, `${APP_TEST_PASSWORD}"`, `${APP_TEST_PASSWORD}", tls: {mode: required}`, 1)
	m.Plan()
	m.Snapshot()
	tail := m.Tail(m.Settle())
	m.Exec("UPDATE items SET n = 5 WHERE id < 10")
	tail.Check("items")
	tail.Stop()
}
