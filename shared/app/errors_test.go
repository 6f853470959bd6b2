// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/shared/app"
	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/precheck"
	"slipway/shared/state"
)

// step is one of the five, with only its error.
type step struct {
	name string
	call func(p *apptest.Process, task string) error
}

func steps(t *testing.T) []step {
	ctx := t.Context()
	return []step{
		{"plan", func(p *apptest.Process, task string) error {
			_, err := p.Plan(ctx, app.PlanInput{Task: task})
			return err
		}},
		{"snapshot", func(p *apptest.Process, task string) error {
			_, err := p.Snapshot(ctx, app.SnapshotInput{Task: task, Worker: app.Worker{Worker: 0, Workers: 1}})
			return err
		}},
		{"settle", func(p *apptest.Process, task string) error {
			_, err := p.Settle(ctx, app.SettleInput{Task: task})
			return err
		}},
		{"tail", func(p *apptest.Process, task string) error {
			_, err := p.Tail(ctx, app.TailInput{Task: task, Epoch: 1})
			return err
		}},
	}
}

// deafStore answers nothing.
type deafStore struct{ state.Store }

func (deafStore) Get(context.Context, string) ([]byte, error) {
	return nil, errors.New("connection reset")
}

// accident is something wrong around a task that ran well so far.
type accident struct {
	name string
	// befall makes it happen.
	befall func(m *apptest.Migration)
	class  fault.Class
	// remedy is part of what the error advises.
	remedy string
	// item is the precheck's that blocks because of it; "" when the precheck can't run either.
	item string
	// spares names the step that doesn't mind; only, if set, the one that can meet it.
	spares, only string
}

func accidents() []accident {
	const nowhere = "127.0.0.1:1"
	swap := func(old func(m *apptest.Migration) string, replacement string) func(m *apptest.Migration) {
		return func(m *apptest.Migration) { m.YAML = strings.Replace(m.YAML, old(m), replacement, 1) }
	}
	source := func(m *apptest.Migration) string { return m.Server.Addr }
	broker := func(m *apptest.Migration) string { return m.Broker.Endpoint }
	user := func(*apptest.Migration) string { return "user: root" }
	return []accident{
		{name: "wrong source port", befall: swap(source, nowhere), class: fault.SourceUnreachable, remedy: "check that MySQL runs", item: "CHECK_CONN_SRC"},
		{name: "unknown source host", befall: swap(source, "nowhere.invalid:3306"), class: fault.SourceUnreachable, remedy: "check that MySQL runs", item: "CHECK_CONN_SRC"},
		{
			name: "wrong password", befall: swap(user, `user: root, password: "${APP_TEST_PASSWORD}"`),
			class: fault.Config, remedy: "source.password", item: "CHECK_CONN_SRC",
		},
		{
			name: "wrong broker port", befall: swap(broker, nowhere), class: fault.SinkUnreachable,
			remedy: "destination.endpoint", item: "CHECK_CONN_DEST", spares: "settle",
		},
		{
			name: "no such topic", befall: swap(func(m *apptest.Migration) string { return m.Topic }, "nowhere"), class: fault.SinkUnreachable,
			remedy: "mqadmin updateTopic", item: "CHECK_TOPIC", only: "plan", // afterwards the topic can't change, see C6
		},
		{
			name: "store away", befall: func(m *apptest.Migration) { m.Store = deafStore{m.Store} },
			class: fault.StoreUnreachable, remedy: "state store's URL and credentials",
		},
	}
}

// TestAccidentsHaveClassAndRemedy: whatever step meets it, and the precheck before all of them.
func TestAccidentsHaveClassAndRemedy(t *testing.T) {
	t.Setenv("APP_TEST_PASSWORD", "wrong")
	m := hasty(t)
	sound, store := m.YAML, m.Store
	for _, s := range steps(t) {
		for _, a := range accidents() {
			if a.spares == s.name || a.only != "" && a.only != s.name {
				continue
			}
			a.befall(m)
			p := m.Process()
			a.check(t, s.name, s.call(p, m.Name))
			if s.name == "plan" && a.item != "" {
				blocks(m, p, a.item)
			}
			m.YAML, m.Store = sound, store
		}
		if s.name != "tail" {
			m.Must(s.call(m.Process(), m.Name)) // nothing of it has left a trace
		}
	}
}

// TestADeletedTopicIsMissed after it was planned with, too. Which of the broker's caches notices first decides whether it
// says that there is no such topic or that the topic is of the wrong type; the remedy is one.
func TestADeletedTopicIsMissed(t *testing.T) {
	for _, s := range steps(t) {
		if s.name != "snapshot" && s.name != "tail" {
			continue
		}
		m := hasty(t)
		upTo(m, s.name)
		m.Exec("INSERT INTO items VALUES (2, 2)")
		m.Broker.DeleteTopic(t, m.Topic)
		err := s.call(m.Process(), m.Name)
		if c := fault.ClassOf(err); c != fault.SinkUnreachable && c != fault.SinkRejected || !strings.Contains(err.Error(), "remedy: ") || !strings.Contains(err.Error(), "mqadmin updateTopic") {
			t.Errorf("%s: got %v: %v", s.name, c, err)
		}
	}
}

// hasty is a migration that gives up soon.
func hasty(t *testing.T) *apptest.Migration {
	m := apptest.New(t, items, "INSERT INTO items VALUES (1, 1)")
	m.YAML = strings.Replace(m.YAML, "{connection: 1m, other: 30s}", "{connection: 2s, other: 1s}", 1)
	return m
}

func (a accident) check(t *testing.T, step string, err error) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != a.class || !strings.Contains(err.Error(), a.remedy) || !strings.Contains(err.Error(), "remedy: ") {
		t.Errorf("%s, %s: got %v: %v, want class %s and a remedy with %q", a.name, step, fault.ClassOf(err), err, a.class, a.remedy)
	}
}

// upTo runs the steps before the named one.
func upTo(m *apptest.Migration, name string) {
	m.T.Helper()
	for _, s := range steps(m.T.(*testing.T)) {
		if s.name == name {
			return
		}
		m.Must(s.call(m.Process(), m.Name))
	}
}

// blocks expects the precheck to fail at an item, with a remedy.
func blocks(m *apptest.Migration, p *apptest.Process, item string) {
	m.T.Helper()
	report, err := p.Report(m.T.Context(), m.Name, nil)
	m.Must(err)
	if !report.Blocked {
		m.T.Error("the precheck does not block")
	}
	for _, f := range report.Findings {
		if f.Item == item && f.Level == precheck.Failed && f.Remedy != "" {
			return
		}
	}
	m.T.Errorf("no finding of %s that failed and has a remedy: %+v", item, report.Findings)
}

func TestNoSuchTableIsFoundByThePrecheck(t *testing.T) {
	for _, pattern := range []string{"nothere", "none_*"} {
		m := apptest.New(t, items)
		m.YAML = strings.Replace(m.YAML, m.Database+".*", m.Database+"."+pattern, 1)
		blocks(m, m.Process(), "CHECK_OBJECTS")
	}
}

func TestTaskFilesThatCannotBeUsed(t *testing.T) {
	m := apptest.New(t, items)
	p := m.Process()
	st := m.State()
	for _, c := range []struct{ name, file, want string }{
		{"none", "", "no task file at"},
		{"broken", "name: [", ".yaml:2:1: expected YAML"},
		{"unset variable", strings.Replace(m.YAML, "user: root", `user: "${APP_TEST_NOWHERE}"`, 1), "APP_TEST_NOWHERE"},
		{"no such certificate", strings.Replace(m.YAML, m.Login, "user: root, tls: {mode: verify-ca, ca: /no/such.pem}", 1), "source.tls.ca"},
	} {
		if c.file == "" {
			m.Must(m.Store.Delete(t.Context(), st.TaskFile()))
		} else {
			m.Must(m.Store.Put(t.Context(), st.TaskFile(), []byte(c.file)))
		}
		for _, s := range steps(t) {
			if err := s.call(p, m.Name); fault.ClassOf(err) != fault.Config || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: got %v: %v, want class Config and %q", c.name, s.name, fault.ClassOf(err), err, c.want)
			}
		}
	}
}

// TestC4TooShortATimeoutIsRefused: such an invocation could only end and be called again, for ever.
func TestC4TooShortATimeoutIsRefused(t *testing.T) {
	m := apptest.New(t, items)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p := m.Process()
	_, snapshot := p.Snapshot(ctx, app.SnapshotInput{Task: m.Name, Worker: app.Worker{Worker: 0, Workers: 1}})
	_, tail := p.Tail(ctx, app.TailInput{Task: m.Name, Epoch: 1})
	for _, err := range []error{snapshot, tail} {
		if fault.ClassOf(err) != fault.Config || !strings.Contains(err.Error(), "raise the function's timeout") {
			t.Errorf("got %v: %v", fault.ClassOf(err), err)
		}
	}
}

// TestC6AnotherShapeNeedsAnotherTask: what shapes messages can't change under a task.
func TestC6AnotherShapeNeedsAnotherTask(t *testing.T) {
	m := apptest.New(t, items)
	upTo(m, "tail")
	m.YAML += "lanes: 7\n"
	p := m.Process()
	for _, s := range steps(t) {
		if s.name == "settle" {
			continue // it shapes none
		}
		if err := s.call(p, m.Name); fault.ClassOf(err) != fault.CheckpointUnusable || !strings.Contains(err.Error(), "under a new name") {
			t.Errorf("%s: got %v: %v", s.name, fault.ClassOf(err), err)
		}
	}
}
