// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/shared/precheck"
	"slipway/shared/servertest"
	"slipway/shared/task"
)

// file is a task file's text; its fields are what tests vary.
type file struct {
	name, state           string
	addr, user, sourceTLS string
	endpoint, keys, topic string
	objects, more         string
}

// taskOf loads a task file. ${PW}, ${AK} and ${SK} come from secrets, in order.
func taskOf(t testing.TB, f file, secrets ...string) *task.Task {
	t.Helper()
	or := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	or(&f.name, "precheck")
	or(&f.state, "file://"+t.TempDir())
	or(&f.addr, "127.0.0.1:1")
	or(&f.user, "root")
	or(&f.sourceTLS, "{mode: disabled}")
	or(&f.endpoint, "127.0.0.1:1")
	or(&f.topic, "rows")
	or(&f.objects, `[{match: "shop.*"}]`)
	password := ""
	if len(secrets) > 0 && secrets[0] != "" {
		password = `password: "${PW}", `
	}
	text := fmt.Sprintf(`
name: %s
state: %q
source: {hosts: [%q], user: %q, %stls: %s}
destination: {version: "5", endpoint: %q, topic: %q%s}
objects: %s
%s
`, f.name, f.state, f.addr, f.user, password, f.sourceTLS, f.endpoint, f.topic, f.keys, f.objects, f.more)
	env := func(name string) (string, bool) {
		i := slices.Index([]string{"PW", "AK", "SK"}, name)
		if i < 0 || i >= len(secrets) {
			return "", false
		}
		return secrets[i], true
	}
	loaded, err := task.Load("precheck.yaml", []byte(text), env)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return loaded
}

// run makes the checks named.
func run(t testing.TB, tk *task.Task, only ...string) precheck.Report {
	t.Helper()
	r, err := precheck.Run(t.Context(), precheck.Env{Task: tk, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// expected is a finding to look for.
type expected struct {
	item   string
	level  precheck.Level
	object string // "" for any
	says   string // part of what it says
}

func (e expected) is(f precheck.Finding) bool {
	return f.Item == e.item && f.Level == e.level && (e.object == "" || f.Object == e.object) && strings.Contains(f.What, e.says)
}

// wants looks for the one finding and gives it.
func wants(t testing.TB, r precheck.Report, want expected) precheck.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if want.is(f) {
			if f.Level != precheck.Success && f.Remedy == "" {
				t.Errorf("%s: no remedy for %q", f.Item, f.What)
			}
			return f
		}
	}
	t.Fatalf("no finding %+v in %s", want, table(t, r))
	return precheck.Finding{}
}

// mended wants the item to have nothing against the object, or against anything.
func mended(t testing.TB, r precheck.Report, item, object string) {
	t.Helper()
	seen := false
	for _, f := range r.Findings {
		if f.Item != item {
			continue
		}
		seen = true
		if f.Level != precheck.Success && (object == "" || f.Object == object) {
			t.Errorf("after the remedy %s still says %s: %s", item, f.Level, f.What)
		}
	}
	if !seen {
		t.Errorf("%s is not in the report", item)
	}
}

func table(t testing.TB, r precheck.Report) string {
	t.Helper()
	var b strings.Builder
	if err := precheck.WriteTable(&b, r, false); err != nil {
		t.Fatal(err)
	}
	return "\n" + b.String()
}

// execute runs a remedy's statements as root. Lines that are no statements are
// the test's to carry out.
func execute(t testing.TB, m *servertest.MySQLServer, remedy string) {
	t.Helper()
	for line := range strings.SplitSeq(remedy, "\n") {
		if strings.HasSuffix(line, ";") {
			m.Exec(t, line)
		}
	}
}

// mends breaks the server, sees the finding, executes its remedy and sees it
// clear.
func mends(t *testing.T, m *servertest.MySQLServer, tk *task.Task, want expected, wrong ...string) {
	t.Helper()
	m.Exec(t, wrong...)
	f := wants(t, run(t, tk, want.item), want)
	if !strings.Contains(f.Remedy, ";") {
		t.Fatalf("the remedy %q is no statement", f.Remedy)
	}
	execute(t, m, f.Remedy)
	mended(t, run(t, tk, want.item), want.item, f.Object)
}
