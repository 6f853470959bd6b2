// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/fault"
	"slipway/shared/flow"
)

// Answers of the project's functions, complete as shared/app promises: every key always present.
const (
	clear    = `{"blocked":false}`
	twoWork  = `{"workers":[{"worker":0,"workers":2},{"worker":1,"workers":2}],"chunks":5}`
	noChunks = `{"workers":[],"chunks":0}`
	read     = `{"more":false}`
	readMore = `{"more":true}`
	sealed   = `{"more":false,"wait":0,"again":[],"done":false,"epoch":1}`
	missing  = `{"more":true,"wait":0,"again":[],"done":false,"epoch":0}`
	fullDone = `{"more":false,"wait":0,"again":[],"done":true,"epoch":0}`
	voided   = `{"more":false,"wait":0,"again":["shop.orders"],"done":false,"epoch":0}`
	stopped  = `{"again":[],"handover":0,"stopped":true}`
	hand2    = `{"again":[],"handover":2,"stopped":false}`
	again    = `{"again":["shop.orders"],"handover":0,"stopped":false}`
	silent   = `{"again":[],"handover":0,"stopped":false}`
)

// TestProjectFlow drives infra/flow.yaml, the file that is deployed, through every branch with scripted functions.
// took is the time of its own pauses and backoffs.
func TestProjectFlow(t *testing.T) {
	retryable, crash := &typed{"SourceUnreachable", "connection refused"}, errors.New("killed")
	permanent := &typed{"SinkRejected", "the topic is NORMAL"}
	for _, c := range []struct {
		name                                   string
		precheck, plan, snapshot, settle, tail []any
		calls                                  string // functions in order, runs of one counted
		code, inner                            string // of the failure, "" for success
		took                                   time.Duration
	}{
		{name: "full and incremental, stopped", tail: []any{stopped}, calls: "precheck plan snapshot*2 settle tail"},
		{name: "full only", settle: []any{fullDone}, calls: "precheck plan snapshot*2 settle"},
		{name: "incremental only", plan: []any{noChunks}, tail: []any{stopped}, calls: "precheck plan settle tail"},
		{name: "blocked", precheck: []any{`{"blocked":true,"report":"x"}`}, calls: "precheck", code: "PrecheckBlocked"},
		{
			name: "workers go on while there is more", snapshot: []any{readMore, readMore, readMore, read},
			settle: []any{fullDone}, calls: "precheck plan snapshot*5 settle",
		},
		{
			name: "chunks are missing", settle: []any{missing, missing, fullDone}, took: 20 * time.Second,
			calls: "precheck plan snapshot*2 settle snapshot*2 settle snapshot*2 settle",
		},
		{
			name:   "settle waits for an invocation that ended unseen",
			settle: []any{`{"more":false,"wait":300,"again":[],"done":false,"epoch":0}`, `{"more":false,"wait":7,"again":[],"done":false,"epoch":0}`, sealed},
			took:   307 * time.Second, calls: "precheck plan snapshot*2 settle*3 tail",
		},
		{
			name: "settle finds a void generation", settle: []any{voided, fullDone},
			calls: "precheck plan snapshot*2 settle plan snapshot*2 settle",
		},
		{name: "hand-over", tail: []any{hand2, stopped}, calls: "precheck plan snapshot*2 settle tail*2"},
		{
			name: "tables again", tail: []any{again, stopped}, settle: []any{sealed, `{"more":false,"wait":0,"again":[],"done":false,"epoch":2}`},
			calls: "precheck plan snapshot*2 settle tail plan snapshot*2 settle tail",
		},
		{name: "a tail that does not say why", tail: []any{silent}, calls: "precheck plan snapshot*2 settle tail", code: "TailEnded"},
		{
			name: "passing faults", precheck: []any{retryable, clear}, plan: []any{&typed{"FC.ResourceThrottled", "x"}, twoWork},
			settle: []any{retryable, retryable, sealed}, tail: []any{crash, crash, stopped}, took: (2 + 2 + 2 + 4 + 5 + 10) * time.Second,
			calls: "precheck*2 plan*2 snapshot*2 settle*3 tail*3",
		},
		{name: "a snapshot instance is killed", snapshot: []any{crash, read}, settle: []any{fullDone}, took: 2 * time.Second, calls: "precheck plan snapshot*3 settle"},
		{name: "permanent in precheck", precheck: []any{permanent}, calls: "precheck", code: "StepFailed", inner: "precheck SinkRejected"},
		{name: "permanent in plan", plan: []any{permanent}, calls: "precheck plan", code: "StepFailed", inner: "plan SinkRejected"},
		{name: "permanent in a worker", plan: []any{`{"workers":[{"worker":0,"workers":1}],"chunks":1}`}, snapshot: []any{permanent}, calls: "precheck plan snapshot", code: "StepFailed", inner: "snapshot SinkRejected"},
		{name: "permanent in settle", settle: []any{permanent}, calls: "precheck plan snapshot*2 settle", code: "StepFailed", inner: "settle SinkRejected"},
		{name: "permanent in the tail", tail: []any{permanent}, calls: "precheck plan snapshot*2 settle tail", code: "StepFailed", inner: "tail SinkRejected"},
		{
			name: "retries run out", precheck: []any{retryable}, took: (2 + 4 + 8 + 16 + 32 + 60*3) * time.Second,
			calls: "precheck*9", code: "StepFailed", inner: "precheck SourceUnreachable",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: map[string][]any{
					"slipway-precheck": or(c.precheck, clear), "slipway-plan": or(c.plan, twoWork), "slipway-snapshot": or(c.snapshot, read),
					"slipway-settle": or(c.settle, sealed), "slipway-tail": or(c.tail, stopped),
				}}
				start := time.Now()
				out, err := parse(t, project(t)).Run(t.Context(), map[string]any{"task": "shop"}, s, flow.Options{Name: "x"})
				if got := inOrder(s.calls); got != c.calls {
					t.Errorf("calls\n got %s\nwant %s", got, c.calls)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.code == "" {
					if err != nil || asJSON(t, out) != `{"finished":true}` {
						t.Errorf("got %v, %v", out, err)
					}
					return
				}
				fe := flowError(t, err)
				if fe.Code != c.code {
					t.Errorf("got %v, want %s", err, c.code)
				}
				if c.inner != "" {
					o := fe.Output.(map[string]any)
					if got := fmt.Sprint(o["step"], " ", o["code"]); got != c.inner {
						t.Errorf("the failure says %q, want %q", got, c.inner)
					}
				}
			})
		})
	}
}

func or(answers []any, otherwise string) []any {
	if answers == nil {
		return []any{otherwise}
	}
	return slices.Clone(answers)
}

// inOrder condenses calls to "precheck plan snapshot*2".
func inOrder(calls []string) string {
	var out []string
	for i := 0; i < len(calls); {
		name, n := strings.Fields(calls[i])[0], 0
		for ; i < len(calls) && strings.Fields(calls[i])[0] == name; i++ {
			n++
		}
		name = strings.TrimPrefix(name, "slipway-")
		if n > 1 {
			name = fmt.Sprintf("%s*%d", name, n)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// TestC4ProjectFlowBodies: what the functions are told, the tail's attempt id tail-<task>-<epoch>-<try> included.
func TestC4ProjectFlowBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: map[string][]any{
			"slipway-precheck": {clear}, "slipway-plan": {`{"workers":[{"worker":0,"workers":1}],"chunks":1}`}, "slipway-snapshot": {readMore, read},
			"slipway-settle": {sealed, `{"more":false,"wait":0,"again":[],"done":false,"epoch":3}`},
			"slipway-tail":   {errors.New("killed"), hand2, again, stopped},
		}}
		if _, err := parse(t, project(t)).Run(t.Context(), map[string]any{"task": "shop"}, s, flow.Options{}); err != nil {
			t.Fatal(err)
		}
		want := []string{
			`slipway-precheck {"task":"shop"}`,
			`slipway-plan {"again":[],"task":"shop"}`,
			`slipway-snapshot {"task":"shop","worker":0,"workers":1}`,
			`slipway-snapshot {"task":"shop","worker":0,"workers":1}`,
			`slipway-settle {"task":"shop"}`,
			`slipway-tail {"epoch":1,"id":"tail-shop-1-0","task":"shop"}`,
			`slipway-tail {"epoch":1,"id":"tail-shop-1-1","task":"shop"}`,
			`slipway-tail {"epoch":2,"id":"tail-shop-2-0","task":"shop"}`,
			`slipway-plan {"again":["shop.orders"],"task":"shop"}`,
			`slipway-snapshot {"task":"shop","worker":0,"workers":1}`,
			`slipway-settle {"task":"shop"}`,
			`slipway-tail {"epoch":3,"id":"tail-shop-3-0","task":"shop"}`,
		}
		if !slices.Equal(s.calls, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(s.calls, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestProjectFlowFitsTheCloudsHistory: a snapshot of a day by 16 workers (2 h an invocation) and half a year of daily
// hand-overs stay below the vendor's 5,000 events, counting three events a state, as our observer does, times a margin
// of one half for the vendor's own bookkeeping.
func TestProjectFlowFitsTheCloudsHistory(t *testing.T) {
	var workers []string
	for i := range 16 {
		workers = append(workers, fmt.Sprintf(`{"worker":%d,"workers":16}`, i))
	}
	handed := 1
	s := &script{t: t, answers: map[string][]any{
		"slipway-precheck": {clear}, "slipway-plan": {`{"workers":[` + strings.Join(workers, ",") + `],"chunks":999}`}, "slipway-settle": {sealed},
		"slipway-tail": {func(context.Context, []byte) ([]byte, error) {
			if handed++; handed > 180 {
				return []byte(stopped), nil
			}
			return json.Marshal(map[string]any{"again": []string{}, "handover": handed, "stopped": false})
		}},
	}}
	for range 16 * 11 {
		s.answers["slipway-snapshot"] = append(s.answers["slipway-snapshot"], readMore)
	}
	s.answers["slipway-snapshot"] = append(s.answers["slipway-snapshot"], read)
	events := 0
	if _, err := parse(t, project(t)).Run(t.Context(), map[string]any{"task": "shop"}, s, flow.Options{Observe: func(flow.Event) { events++ }}); err != nil {
		t.Fatal(err)
	}
	if n := s.count("slipway-snapshot"); n != 16*12 {
		t.Fatalf("%d snapshot invocations, the test means 192", n)
	}
	if events*3/2 > flow.MaxEvents {
		t.Errorf("%d events, with margin more than %d", events, flow.MaxEvents)
	}
	t.Logf("%d events", events)
}

// TestProjectFlowRetriesTheRetryableClasses: a class that says it is retryable and is missing in the definition would be
// fatal in the cloud, one too many would be retried for nothing.
func TestProjectFlowRetriesTheRetryableClasses(t *testing.T) {
	for _, class := range []fault.Class{
		fault.Config, fault.Blocked, fault.SourceUnreachable, fault.SinkUnreachable, fault.StoreUnreachable, fault.Locked, fault.PositionLost,
		fault.CheckpointUnusable, fault.SchemaMismatch, fault.UnreadableEvent, fault.SinkRejected, fault.Interrupted, fault.Internal,
	} {
		for _, step := range []string{"precheck", "plan", "snapshot", "settle", "tail"} {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: map[string][]any{
					"slipway-precheck": {clear}, "slipway-plan": {`{"workers":[{"worker":0,"workers":1}],"chunks":1}`}, "slipway-snapshot": {read},
					"slipway-settle": {sealed}, "slipway-tail": {stopped},
				}}
				err := fault.New(class, "", "x")
				s.answers["slipway-"+step] = append([]any{err}, s.answers["slipway-"+step]...)
				_, got := parse(t, project(t)).Run(t.Context(), map[string]any{"task": "shop"}, s, flow.Options{})
				if retried := got == nil; retried != err.Retryable() {
					t.Errorf("%s in %s: retried %v, the class says %v", class, step, retried, err.Retryable())
				}
			})
		}
	}
}
