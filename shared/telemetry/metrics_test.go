// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"slipway/shared/state"
	"slipway/shared/tail"
	"slipway/shared/telemetry"
)

func always(s tail.Status) func() (tail.Status, bool) {
	return func() (tail.Status, bool) { return s, true }
}

// gather gives the values of Slipway's metrics and their types, and holds the labels to the two documented ones.
func gather(t *testing.T, r *prometheus.Registry) (values map[string]float64, kinds map[string]string) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values, kinds = map[string]float64{}, map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "slipway_") {
			continue
		}
		if len(f.GetMetric()) != 1 {
			t.Fatalf("%s has %d series", f.GetName(), len(f.GetMetric()))
		}
		m := f.GetMetric()[0]
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		if diff := cmp.Diff([]string{"environment=prod", "task=shop"}, labels); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", f.GetName(), diff)
		}
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
		values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue() // one of them is absent
	}
	return values, kinds
}

func TestEveryNumberOfTheStatusHasItsMetric(t *testing.T) {
	got, _ := gather(t, telemetry.Registry(always(tail.Status{
		Task: "shop", Environment: "prod", Leased: true, Streaming: true, Idle: true, Epoch: 3, Owner: "o",
		Checkpoint: 17, Committed: state.Position{Seq: 40}, ReservedSeq: 1040, CheckpointAgeMillis: 1500, LagMillis: 250,
		SilentMillis: 125, OldestMillis: 2500, Retrying: 2, Changes: 39, Messages: 9,
	})))
	want := map[string]float64{
		"slipway_lag_seconds": 0.25, "slipway_changes_total": 39, "slipway_messages_total": 9, "slipway_send_retrying": 2,
		"slipway_oldest_unacknowledged_seconds": 2.5, "slipway_checkpoint_age_seconds": 1.5, "slipway_source_silent_seconds": 0.125,
		"slipway_committed_seq": 40, "slipway_reserved_seq": 1040, "slipway_checkpoint": 17, "slipway_epoch": 3,
		"slipway_leased": 1, "slipway_idle": 1, "slipway_healthy": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoTailHasNoMetrics(t *testing.T) {
	got, _ := gather(t, telemetry.Registry(func() (tail.Status, bool) { return tail.Status{}, false }))
	if len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestHealthIsRedWhenProgressStops(t *testing.T) {
	limit := telemetry.StallAfter.Milliseconds()
	for name, c := range map[string]struct {
		status  tail.Status
		healthy float64
	}{
		"taking over":               {tail.Status{CheckpointAgeMillis: limit + 1}, 1},
		"at work":                   {tail.Status{Epoch: 1, CheckpointAgeMillis: limit, OldestMillis: limit}, 1},
		"checkpoints stopped":       {tail.Status{Epoch: 1, CheckpointAgeMillis: limit + 1}, 0},
		"idle, checkpoints stopped": {tail.Status{Epoch: 1, Idle: true, CheckpointAgeMillis: limit + 1}, 0},
		"a send hangs":              {tail.Status{Epoch: 1, OldestMillis: limit + 1}, 0},
		"the broker is away":        {tail.Status{Epoch: 1, OldestMillis: limit + 1, Retrying: 1}, 1},
		"the source is away":        {tail.Status{Epoch: 1, SilentMillis: limit + 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.status.Task, c.status.Environment = "shop", "prod"
			got, _ := gather(t, telemetry.Registry(always(c.status)))
			if got["slipway_healthy"] != c.healthy {
				t.Errorf("healthy is %v", got["slipway_healthy"])
			}
		})
	}
}

var (
	documented = regexp.MustCompile("(?m)^\\| `(slipway_[a-z_]+)` \\| (gauge|counter) \\| [A-Z1]")
	mentioned  = regexp.MustCompile(`slipway_[a-z_]+`)
)

// The document lists each metric with its type once, nothing else, and its alerts use no other names.
func TestDocumentListsTheMetrics(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, kinds := gather(t, telemetry.Registry(always(tail.Status{Task: "shop", Environment: "prod"})))
	var want, got []string
	for name, kind := range kinds {
		want = append(want, name+" "+kind)
	}
	for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-registry +document:\n%s", diff)
	}
	for _, name := range mentioned.FindAllString(string(text), -1) {
		if kinds[name] == "" {
			t.Errorf("the document mentions %s, which is no metric", name)
		}
	}
}

// What a function doesn't need must not make its cold start longer.
func TestOnlyTheTailLinksPrometheus(t *testing.T) {
	for _, function := range []string{"precheck", "plan", "snapshot", "settle", "tail"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "slipway/functions/"+function).CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		if links := strings.Contains(string(out), "github.com/prometheus/"); links != (function == "tail") {
			t.Errorf("%s: links Prometheus: %v", function, links)
		}
	}
}
