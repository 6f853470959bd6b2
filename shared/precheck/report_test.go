// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/precheck"
	"slipway/shared/rocketmq"
)

func TestEveryItemIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/precheck.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(CHECK_[A-Z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = true
	}
	for _, item := range precheck.Items() {
		if !documented[item.Name] {
			t.Errorf("docs/precheck.md has no row for %s", item.Name)
		}
		delete(documented, item.Name)
	}
	for name := range documented {
		t.Errorf("docs/precheck.md has a row for %s, which is no item", name)
	}
	for _, category := range precheck.Categories() {
		if !strings.Contains(string(text), "`"+category+"`") {
			t.Errorf("docs/precheck.md does not name the category %s", category)
		}
	}
}

func TestItemNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, item := range precheck.Items() {
		if seen[item.Name] || item.Good == "" || slices.Contains(precheck.Categories(), item.Name) {
			t.Errorf("%+v", item)
		}
		seen[item.Name] = true
	}
}

// A task whose ends are all away: everything is reported, nothing stops it.
func TestNothingStopsTheRun(t *testing.T) {
	var told []string
	tk := taskOf(t, file{})
	r, err := precheck.Run(t.Context(), precheck.Env{Task: tk, Progress: func(i, n int, item string) {
		if i != len(told)+1 || n != len(precheck.Items()) {
			t.Errorf("told %d of %d after %d", i, n, len(told))
		}
		told = append(told, item)
	}})
	if err != nil || !r.Blocked || r.Task != tk.Name || r.Time.IsZero() {
		t.Fatalf("%+v, %v", r, err)
	}
	reported := map[string]bool{}
	for _, f := range r.Findings {
		reported[f.Item] = true
		if f.Level != precheck.Success && f.Remedy == "" {
			t.Errorf("%s has no remedy", f.Item)
		}
	}
	for _, item := range precheck.Items() {
		if !reported[item.Name] || !slices.Contains(told, item.Name) {
			t.Errorf("%s is not in the report", item.Name)
		}
	}
}

func TestOnly(t *testing.T) {
	tk := taskOf(t, file{})
	if r := run(t, tk, "Task", "check_conn_state"); r.Blocked || len(r.Findings) != 3 {
		t.Errorf("by category and by item: %s", table(t, r))
	}
	_, err := precheck.Run(t.Context(), precheck.Env{Task: tk, Only: []string{"nonsense"}})
	if fault.ClassOf(err) != fault.Config || !strings.Contains(err.Error(), "connectivity") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestACancelledRunIsNoReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tk := taskOf(t, file{})
	_, err := precheck.Run(ctx, precheck.Env{Task: tk, Progress: func(int, int, string) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyWarningsCanBeAccepted(t *testing.T) {
	short := "retry: {connection: 15m, other: 10m}\n"
	tests := []struct {
		name, more string
		only       []string
		blocked    bool
	}{
		{"a warning blocks", short, []string{"task"}, true},
		{"accepted it does not", short + "accept: [CHECK_TASK]", []string{"task"}, false},
		{"accepting another does not help", short + "accept: [CHECK_ENGINE]", []string{"task"}, true},
		{"a failure can't be accepted", "accept: [CHECK_CONN_SRC]", []string{"CHECK_CONN_SRC"}, true},
		{"nor what hangs on it", "accept: [CHECK_CONN_SRC, CHECK_ENGINE]", []string{"CHECK_ENGINE"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r := run(t, taskOf(t, file{more: tt.more}), tt.only...); r.Blocked != tt.blocked {
				t.Errorf("blocked is %v: %s", r.Blocked, table(t, r))
			}
		})
	}
}

func TestUnknownColumns(t *testing.T) {
	column := change.Column{Name: "c", Type: change.TypeInt, Declared: "int"}
	for _, tt := range []struct {
		name string
		as   change.Column
		bad  bool
	}{
		{"int", column, false},
		{"type of a later server", change.Column{Name: "c", Declared: "quaternion"}, true},
		{"charset of a later server", change.Column{Name: "c", Type: change.TypeVarchar, Declared: "varchar(9)", Charset: "klingon", Collation: "klingon_bin"}, true},
	} {
		f, bad := precheck.ColumnFinding(&change.Table{Database: "d", Name: "t", Columns: []change.Column{tt.as}})
		if bad != tt.bad || bad && (f.Level != precheck.Failed || f.Object != "d.t") {
			t.Errorf("%s: %+v, %v", tt.name, f, bad)
		}
	}
}

func TestATopicWithoutWritableQueues(t *testing.T) {
	f := precheck.TopicFinding(rocketmq.TopicFacts{Exists: true, Types: []string{"FIFO"}}, "x")
	if f.Level != precheck.Failed || f.Remedy != "mqadmin updateTopicPerm -c DefaultCluster -t x -p 6" {
		t.Errorf("%+v", f)
	}
}

func TestABlockedReportIsAnError(t *testing.T) {
	passed := precheck.Report{Task: "shop"}
	if err := passed.Err(); err != nil {
		t.Errorf("not blocked: %v", err)
	}
	err := sample.Err()
	if fault.ExitCode(err) != 3 || !strings.Contains(err.Error(), "CHECK_LONG, CHECK_B, CHECK_D;") {
		t.Errorf("blocked: %v", err)
	}
}

var sample = precheck.Report{Task: "shop", Blocked: true, Findings: []precheck.Finding{
	{Item: "CHECK_A", Level: precheck.Success, What: "fine"},
	{Item: "CHECK_LONG", Level: precheck.Failed, Object: "o", What: "bad", Remedy: "ONE;\nTWO;"},
	{Item: "CHECK_B", Level: precheck.Warning, What: "odd", Remedy: "mend it"},
	{Item: "CHECK_C", Level: precheck.Warning, What: "known", Remedy: "mend it", Accepted: true},
	{Item: "CHECK_D", Level: precheck.Skipped, What: "not checked: x", Remedy: "mend CHECK_LONG first"},
}}

func TestWriteTable(t *testing.T) {
	const want = `✔ CHECK_A     fine
✘ CHECK_LONG  bad
              → ONE;
              → TWO;
! CHECK_B     odd
              → mend it
! CHECK_C     known (accepted)
- CHECK_D     not checked: x
              → mend CHECK_LONG first

task shop is blocked: 1 failed, 2 warnings, 1 skipped, 1 passed
to take the warnings knowingly, add to the task file: accept: [CHECK_B]
`
	if got := table(t, sample); got != "\n"+want {
		t.Errorf("got %s", got)
	}
	var colours bytes.Buffer
	if err := precheck.WriteTable(&colours, sample, true); err != nil {
		t.Fatal(err)
	}
	if plain := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(colours.String(), ""); plain != want || plain == colours.String() {
		t.Errorf("colours change the text or are missing: %q", colours.String())
	}
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	if err := precheck.WriteJSON(&b, sample); err != nil {
		t.Fatal(err)
	}
	var back precheck.Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Findings) != len(sample.Findings) || back.Findings[1] != sample.Findings[1] || !back.Blocked {
		t.Errorf("read back: %+v", back)
	}
}
