// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/shared/cli"
	"slipway/shared/fault"
	"slipway/shared/flow"
	"slipway/shared/state"
)

func TestOutputIsPinned(t *testing.T) {
	const file = "testdata/shop.yaml"
	tests := []struct {
		name  string
		build func(*shell)
		args  string
		code  int
	}{
		{"validate", nil, "validate " + file, 0},
		{"validate-unset", func(s *shell) { delete(s.env, "SHOP_PASSWORD") }, "validate " + file, 0},
		{"validate-bad", nil, "validate testdata/bad.yaml", 2},
		{"validate-json", nil, "validate " + file + " --output json", 0},
		{"validate-bad-json", nil, "validate testdata/bad.yaml -o json", 2},
		{"show", nil, "show " + file, 0},
		{"show-unset", func(s *shell) { delete(s.env, "SHOP_PASSWORD") }, "show " + file, 0},
		{"show-json", nil, "show -o json " + file, 0},
		{"run-bad", nil, "run testdata/bad.yaml", 2},
		{"run-bad-json", nil, "run testdata/bad.yaml --output json", 2},
		{"status-none", nil, "status " + file, 0},
		{"status-snapshot", (*shell).plan, "status " + file, 0},
		{"status-tail", (*shell).chain, "status " + file, 0},
		{"status-tail-json", (*shell).chain, "--output json status " + file, 0},
		{"checkpoint-list", (*shell).chain, "checkpoint list " + file, 0},
		{"checkpoint-list-limit", (*shell).chain, "checkpoint list --limit 1 " + file, 0},
		{"checkpoint-list-none", nil, "checkpoint list " + file, 0},
		{"checkpoint-list-json", (*shell).chain, "checkpoint list -o json " + file, 0},
		{"checkpoint-show", (*shell).chain, "checkpoint show " + file, 0},
		{"checkpoint-show-json", (*shell).chain, "checkpoint show -o json " + file + " 1", 0},
		{"checkpoint-show-absent", (*shell).chain, "checkpoint show " + file + " 9", 2},
		{"checkpoint-show-none", nil, "checkpoint show " + file + " --output json", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShell(t)
			if tt.build != nil {
				tt.build(s)
			}
			out, errs, code := s.run(strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if strings.Contains(tt.args, "json") {
				lines(t, out)
			}
			out = strings.ReplaceAll(out, s.env["STATE_DIR"], "/state")
			golden(t, tt.name, fmt.Sprintf("$ slipway %s\n--- standard output\n%s--- standard error\n%s--- exit code %d\n", tt.args, out, errs, code))
		})
	}
}

func TestNameAndStoreStandForTheFile(t *testing.T) {
	s := newShell(t)
	s.chain()
	byFile, _, _ := s.run("status", "testdata/shop.yaml", "-o", "json")
	byName, errs, code := s.run("status", "--state", "file://"+s.env["STATE_DIR"], "shop", "-o", "json")
	if code != 0 || byName != byFile {
		t.Errorf("exit code %d, %s\nby name %s\nby file %s", code, errs, byName, byFile)
	}
}

func TestShowTakesTheSubmittedFile(t *testing.T) {
	s := newShell(t)
	byName := []string{"show", "--state", "file://" + s.env["STATE_DIR"], "shop"}
	if _, errs, code := s.run(byName...); code != 2 || !strings.Contains(errs, "no task file at shop/task.yaml\nremedy: ") {
		t.Errorf("without a file: exit code %d: %s", code, errs)
	}
	file, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.st.Store.Put(t.Context(), s.st.TaskFile(), file); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"text", "json"} {
		want, _, _ := s.run("show", "testdata/shop.yaml", "-o", output)
		if got, errs, code := s.run(append(byName, "-o", output)...); code != 0 || got != want {
			t.Errorf("exit code %d, %s\n%s\nby file:\n%s", code, errs, got, want)
		}
	}
}

// What show prints is a task file, as text and as JSON, and shows as itself.
func TestShownTaskIsATaskFile(t *testing.T) {
	s := newShell(t)
	shown, _, _ := s.run("show", "testdata/shop.yaml")
	asJSON, _, _ := s.run("show", "testdata/shop.yaml", "-o", "json")
	resolved, err := json.Marshal(lines(t, asJSON)[0]["resolved"])
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{shown, string(resolved)} {
		path := filepath.Join(t.TempDir(), "again.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if again, errs, code := s.run("show", path); code != 0 || again != shown {
			t.Errorf("exit code %d, %s\n%s\nshown as:\n%s", code, errs, text, again)
		}
	}
}

func TestStatusAndCheckpointsNeedNoSecrets(t *testing.T) {
	s := newShell(t)
	s.chain()
	delete(s.env, "SHOP_PASSWORD")
	for _, args := range []string{"status testdata/shop.yaml", "checkpoint list testdata/shop.yaml", "checkpoint show testdata/shop.yaml"} {
		if _, errs, code := s.run(strings.Fields(args)...); code != 0 {
			t.Errorf("slipway %s: exit code %d: %s", args, code, errs)
		}
	}
	if _, errs, code := s.run("run", "testdata/shop.yaml"); code != 2 || !strings.Contains(errs, "SHOP_PASSWORD") {
		t.Errorf("run without its secret: exit code %d: %s", code, errs)
	}
}

func TestUsageErrorsExitWith2AndNameTheHelp(t *testing.T) {
	tests := map[string]string{
		"frobnicate":                              `"frobnicate"`,
		"run":                                     "name a task file",
		"run a.yaml b.yaml":                       `"b.yaml"`,
		"run --frob a.yaml":                       "-frob",
		"run --workers 0 testdata/shop.yaml":      "1 to 40",
		"run --workers many testdata/shop.yaml":   "many",
		"checkpoint":                              "",
		"checkpoint prune":                        `"prune"`,
		"checkpoint show testdata/shop.yaml x":    `"x"`,
		"checkpoint list testdata/shop.yaml 3":    `"3"`,
		"checkpoint list --limit -1 testdata/x":   "-1",
		"status --output xml testdata/shop.yaml":  "xml",
		"status --interval 5s testdata/shop.yaml": "--watch",
		"status --watch --interval 1ms x":         "100ms",
		"status --log-level loud x":               "loud",
		"validate --state file:///tmp/x shop":     "--state",
		"version please":                          `"please"`,
		"precheck testdata/shop.yaml --only NONE": `"NONE"`,
	}
	for args, want := range tests {
		t.Run(args, func(t *testing.T) {
			out, errs, code := newShell(t).run(strings.Fields(args)...)
			if want == "" { // a command that only has others under it shows its help
				if code != 0 || !strings.Contains(out, "COMMANDS") {
					t.Errorf("exit code %d, output %s", code, out)
				}
				return
			}
			if code != 2 || out != "" || !strings.Contains(errs, want) || !strings.Contains(errs, "\nremedy: ") {
				t.Errorf("exit code %d, output %q; want 2, nothing, and an error with %s and a remedy; got:\n%s", code, out, want, errs)
			}
		})
	}
}

func TestNewerCheckpointExitsWith12(t *testing.T) {
	s := newShell(t)
	s.put(s.st.Checkpoint(1), state.Checkpoint{Version: state.CheckpointVersion + 1, N: 1})
	for _, command := range []string{"status", "checkpoint list", "checkpoint show"} {
		_, errs, code := s.run(append(strings.Fields(command), "testdata/shop.yaml")...)
		if code != 12 || !strings.Contains(errs, "remedy: upgrade slipway") {
			t.Errorf("%s: exit code %d: %s", command, code, errs)
		}
	}
}

func TestVersionAsksTheBinary(t *testing.T) {
	s := newShell(t)
	out, _, code := s.run("version", "--output", "json")
	m := lines(t, out)
	if code != 0 || len(m) != 1 || m[0]["message_type"] != "version" || !strings.HasPrefix(m[0]["go"].(string), "go1.") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if text, _, _ := s.run("version"); !strings.Contains(text, m[0]["go"].(string)) {
		t.Errorf("the text names no Go version: %s", text)
	}
}

func TestErrorsAreExplainedWhateverWrapsThem(t *testing.T) {
	cause := fault.New(fault.SourceUnreachable, "start it", "connect to db:3306: %w", errors.New("refused"))
	wrapped := fmt.Errorf("read chunk 3: %w", cause)
	inFlow := &flow.Error{State: "failed", Code: "StepFailed", Detail: "a step failed", Output: map[string]any{"step": "snapshot"}, Cause: wrapped}
	tests := []struct {
		name         string
		err          error
		code         string
		text, remedy string
		exit         int
	}{
		{"plain", errors.New("odd"), "Internal", "odd", "", 1},
		{"classified", cause, "SourceUnreachable", "connect to db:3306: refused", "start it", 10},
		{"wrapped", wrapped, "SourceUnreachable", "read chunk 3: connect to db:3306: refused", "start it", 10},
		{"out of the workflow", inFlow, "SourceUnreachable", "snapshot: read chunk 3: connect to db:3306: refused", "start it", 10},
		{"the workflow's own", &flow.Error{State: "unexplained", Code: "TailEnded", Detail: "why?"}, "Internal", "unexplained: why?", "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := cli.Explain(tt.err)
			if m.Code != tt.code || m.Text != tt.text || m.Remedy != tt.remedy {
				t.Errorf("got %s, %q, %q", m.Code, m.Text, m.Remedy)
			}
			if code := fault.ExitCode(tt.err); code != tt.exit {
				t.Errorf("exit code %d, want %d", code, tt.exit)
			}
		})
	}
}

func TestProgressLineShowsWhatCounts(t *testing.T) {
	tests := []struct {
		shown cli.Progress
		want  string
	}{
		{cli.Progress{Phase: "plan"}, "  plan      7s"},
		{cli.Progress{Phase: "snapshot", Rows: 45120, RowsEstimate: 1000000, RowsPerSecond: 12000, EtaSeconds: 79.6}, "  snapshot  45,120 of about 1,000,000 rows  12,000 rows/s  ETA 1m20s"},
		{cli.Progress{Phase: "snapshot", Rows: 1200, RowsEstimate: 1000, RowsPerSecond: 10}, "  snapshot  1,200 rows  10 rows/s"},
		{cli.Progress{Phase: "tail", Seq: 1234567, RowsPerSecond: 99.5, LagSeconds: 0.26, Epoch: 2}, "  tail      seq 1,234,567  99 rows/s  lag 0.3s  epoch 2"},
		{cli.Progress{Phase: "tail", WaitingFor: "host-1-X", Epoch: 3, LeftSeconds: 12.3}, "  tail      waiting for the lease of host-1-X (epoch 3) to lapse, 12s"},
	}
	for _, tt := range tests {
		if got := cli.Line(tt.shown, 7*time.Second); got != tt.want {
			t.Errorf("\n got %q\nwant %q", got, tt.want)
		}
	}
}

func TestRateLooksBackTenSeconds(t *testing.T) {
	var r cli.Rate
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	if got := r.PerSecond(at(0)); got != 0 {
		t.Errorf("without samples: %v", got)
	}
	for s := range 61 {
		r.Add(at(s), int64(100*min(s, 50))) // stands still from second 50 on
	}
	if got := r.PerSecond(at(60)); got != 0 {
		t.Errorf("after ten idle seconds: %v rows/s", got)
	}
	r.Add(at(61), 5000+1000)
	if got := r.PerSecond(at(61)); got != 100 {
		t.Errorf("1000 rows in the last ten seconds: %v rows/s", got)
	}
	r.Add(at(62), 5) // another count began
	if got := r.PerSecond(at(62)); got != 0 {
		t.Errorf("right after a new beginning: %v rows/s", got)
	}
}

func TestScreenKeepsTheLineBelowTheRest(t *testing.T) {
	var b strings.Builder
	s := cli.NewScreen(&b, true)
	s.Show("one")
	fmt.Fprintln(s, "log")
	s.Clear()
	fmt.Fprintln(s, "end")
	const erase = "\r\x1b[K"
	if want := erase + "one" + erase + "log\none" + erase + "end\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	s = cli.NewScreen(&b, false)
	s.Show("one")
	s.Clear()
	if b.String() != "" {
		t.Errorf("away from a terminal it draws %q", b.String())
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000"} {
		if got := cli.Grouped(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
