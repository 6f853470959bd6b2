// SPDX-License-Identifier: Apache-2.0

// Package functions_test holds the functions to their common form.
package functions_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slipway/shared/app"
	"slipway/shared/fc"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func steps() []string { return []string{"precheck", "plan", "snapshot", "settle", "tail"} }

// accept takes an event as the function's own decoder does, unknown fields refused.
func accept[In any]() fc.Handler {
	return fc.JSON(func(context.Context, In) (struct{}, error) { return struct{}{}, nil })
}

func TestSampleEventsAreWhatTheFunctionsTake(t *testing.T) {
	decoders := fc.Local{
		"precheck": accept[app.PrecheckInput](), "plan": accept[app.PlanInput](), "snapshot": accept[app.SnapshotInput](),
		"settle": accept[app.SettleInput](), "tail": accept[app.TailInput](),
	}
	for _, step := range steps() {
		event := strings.TrimSpace(read(t, step, "event.json"))
		if _, err := decoders.Invoke(t.Context(), step, []byte(event)); err != nil {
			t.Errorf("%s: %v", step, err)
		}
		if main := read(t, step, "main.go"); !strings.Contains(main, "Input: "+event) {
			t.Errorf("%s: the package comment's input is not the sample %s", step, event)
		}
	}
}

// TestMainsAreThinAndAlike: at most 40 lines, every heading in the comment, and the same code but for the step's name.
func TestMainsAreThinAndAlike(t *testing.T) {
	same := map[string]string{}
	for _, step := range steps() {
		main := read(t, step, "main.go")
		if n := strings.Count(main, "\n"); n > 40 {
			t.Errorf("%s: %d lines", step, n)
		}
		for _, heading := range []string{"Trigger:", "Input:", "Output:", "Idempotency key:", "Retryable errors:"} {
			if !strings.Contains(main, "//   - "+heading) {
				t.Errorf("%s: the package comment does not say %q", step, heading)
			}
		}
		_, code, _ := strings.Cut(main, "\npackage main\n")
		code = regexp.MustCompile(`fc\.(Event|Container)\(`).ReplaceAllString(code, "fc.Serve(")
		if step == "tail" { // its application is watched
			code = strings.ReplaceAll(code, "\t\"slipway/shared/telemetry\"\n", "")
			code = strings.NewReplacer("*telemetry.App", "*app.App", "telemetry.New(", "app.New(").Replace(code)
		}
		code = strings.ReplaceAll(code, `"`+step+`"`, `"STEP"`)
		code = strings.ReplaceAll(code, "(*app.App)."+strings.ToUpper(step[:1])+step[1:], "(*app.App).STEP")
		same[code] = step
	}
	if len(same) != 1 {
		t.Errorf("the mains differ in %d ways", len(same))
	}
}
