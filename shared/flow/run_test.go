// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/flow"
)

func TestExpressionsAndConstructors(t *testing.T) {
	const input = `{"a":{"b":[10,{"c":"x"}]},"n":3,"s":"tail","yes":true,"none":null}`
	for _, c := range []struct{ expression, want string }{
		{`$Input.a.b[1].c`, `"x"`},
		{`$Context.Current.Input.n`, `3`},
		{`$Context.Execution.Input.s`, `"tail"`},
		{`$Context.Execution.Name`, `"run-1"`},
		{`$Context.Current.Name`, `"p"`},
		{`format("{}-{}-{}", $Input.s, $Input.n, $Input.yes)`, `"tail-3-true"`},
		{`format("{}", 9007199254740991)`, `"9007199254740991"`},
		{`intAdd($Input.n, -1)`, `2`},
		{`length($Input.a.b)`, `2`},
		{`jsonMerge($Input.a.b[1], $Context.Current.Input.a.b[1])`, `{"c":"x"}`},
		{`$Input.n >= 3 && $Input.s == "tail"`, `true`},
		{`$Input.n < 3 || ($Input.n != 3 || $Input.yes)`, `true`},
		{`$Input.s < "tbil"`, `true`},
		{`$Input.none == null`, `true`},
		{`$Input.a == $Context.Execution.Input.a`, `true`},
		{`["q\"", 1.5e3, false, []]`, `["q\"",1500,false,[]]`},
		// The right side is not looked at once the left decides.
		{`$Input.yes || $Input.missing`, `true`},
		{`$Input.n == 4 && $Input.missing`, `false`},
	} {
		m := parse(t, define("p", "  - {Type: Pass, Name: p, End: true, OutputConstructor: {v.$: '"+c.expression+"'}}\n"))
		out, err := m.Run(t.Context(), jsonInput(input), nil, flow.Options{Name: "run-1"})
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		if got := asJSON(t, out); got != `{"v":`+c.want+`}` {
			t.Errorf("%s: got %s, want %s", c.expression, got, c.want)
		}
	}
}

// TestUndefinedDataIsAnError: what the cloud does with it is undocumented, so it must not pass here.
func TestUndefinedDataIsAnError(t *testing.T) {
	for _, c := range []struct{ expression, want string }{
		{`$Input.missing`, `there is no "missing"`},
		{`$Input.n.deeper`, `there is no "deeper"`},
		{`$Input.list[2]`, `there is no item 2`},
		{`$Input.n < "x"`, `can't order 3 and "x"`},
		{`$Input.n && true`, `a condition gave 3`},
		{`intAdd($Input.n, 0.5)`, `expected two integers`},
		{`length($Input.n)`, `expected an array`},
		{`format("{}")`, `1 places for 0 values`},
		{`jsonMerge($Input, $Input.n)`, `expected two objects`},
	} {
		m := parse(t, define("p", "  - {Type: Pass, Name: p, End: true, OutputConstructor: {v.$: '"+c.expression+"'}}\n"))
		_, err := m.Run(t.Context(), jsonInput(`{"n":3,"list":[1,2]}`), nil, flow.Options{})
		if fe := flowError(t, err); fe.Code != flow.TypeBadData || !strings.Contains(fe.Detail, c.want) {
			t.Errorf("%s: got %v, want %q", c.expression, err, c.want)
		}
	}
}

func jsonInput(text string) any { return rawJSON(text) }

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

const retryTwice = `    Retry:
      - {Description: own, Errors: [Mine], IntervalSeconds: 2, BackoffRate: 3, MaxBackoffSeconds: 5, MaxAttempts: 3}
      - {Description: rest, Errors: [FC.Unknown], IntervalSeconds: 1, MaxAttempts: 1}
`

func TestRetryBacksOffByTheFirstMatchingRule(t *testing.T) {
	mine, crash, permanent := &typed{"Mine", "busy"}, errors.New("crashed"), &typed{"Refused", "no"}
	for _, c := range []struct {
		name    string
		answers []any
		took    time.Duration
		calls   int
		code    string // "" when it succeeds
	}{
		{"at once", []any{`{}`}, 0, 1, ""},
		{"backoff and ceiling: 2 s, 5 s, 5 s", []any{mine, mine, mine, `{}`}, 12 * time.Second, 4, ""},
		{"used up", []any{mine, mine, mine, mine, `{}`}, 12 * time.Second, 4, "Mine"},
		{"rules count on their own", []any{mine, crash, mine, `{}`}, 8 * time.Second, 4, ""},
		{"an untyped error is FC.Unknown", []any{crash, crash, `{}`}, time.Second, 2, flow.TypeUnknown},
		{"a wrapped type counts", []any{fmt.Errorf("call: %w", mine), `{}`}, 2 * time.Second, 2, ""},
		{"permanent is never retried", []any{permanent, `{}`}, 0, 1, "Refused"},
		{"an answer that is no object is no success", []any{`[1]`}, 0, 1, flow.TypeBadData},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := parse(t, define("a", task("a", "f", retryTwice+"    End: true\n")))
				s := &script{t: t, answers: map[string][]any{"f": c.answers}}
				start := time.Now()
				_, err := m.Run(t.Context(), map[string]any{}, s, flow.Options{})
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if len(s.calls) != c.calls {
					t.Errorf("calls %q, want %d", s.calls, c.calls)
				}
				if last := s.calls[len(s.calls)-1]; !strings.HasSuffix(last, fmt.Sprintf(`"n":%d}`, c.calls-1)) {
					t.Errorf("the last body %s does not carry retry count %d", last, c.calls-1)
				}
				switch {
				case c.code == "" && err != nil:
					t.Error(err)
				case c.code != "" && flowError(t, err).Code != c.code:
					t.Errorf("got %v, want code %s", err, c.code)
				}
			})
		})
	}
}

const caught = `    Catch:
      - {Description: one, Errors: [Other], Next: unused, OutputConstructor: {x: 1}}
      - {Description: all, Errors: [FnF.ALL], Next: stop, OutputConstructor: {code.$: $Context.Current.Error.Code, detail.$: $Context.Current.Error.Detail, was.$: $Input.k}}
    Next: unused
  - {Type: Fail, Name: stop, Code: Stopped, Detail: for good, OutputConstructor: {code.$: $Input.code, detail.$: $Input.detail, was.$: $Input.was}}
  - {Type: Succeed, Name: unused}
`

func TestCatchLeadsOnAndFailKeepsTheCause(t *testing.T) {
	m := parse(t, define("a", task("a", "f", caught)))
	cause := &typed{"Refused", "the topic is NORMAL"}
	s := &script{t: t, answers: map[string][]any{"f": {cause}}}
	_, err := m.Run(t.Context(), map[string]any{"k": "v"}, s, flow.Options{})
	fe := flowError(t, err)
	if fe.State != "stop" || fe.Code != "Stopped" || asJSON(t, fe.Output) != `{"code":"Refused","detail":"the topic is NORMAL","was":"v"}` {
		t.Errorf("got %+v", fe)
	}
	if found, ok := errors.AsType[*typed](err); !ok || found != cause {
		t.Errorf("the function's own error is not in the chain of %v", err)
	}
}

func TestMapRunsItemsAtOnceAndKeepsTheirOrder(t *testing.T) {
	for _, c := range []struct {
		limit string
		took  time.Duration
	}{{"", 3 * time.Second}, {"    MaxConcuccency: 1\n", 6 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			m := parse(t, define("m", "  - Type: Map\n    Name: m\n    End: true\n    ItemsPath: $Input.items\n"+c.limit+
				"    Processor:\n      StartAt: w\n      States:\n        - {Type: Wait, Name: w, Seconds.$: $Input.s, Next: e}\n        - {Type: Succeed, Name: e}\n"))
			start := time.Now()
			out, err := m.Run(t.Context(), jsonInput(`{"items":[{"s":3},{"s":1},{"s":2}]}`), nil, flow.Options{})
			if err != nil || asJSON(t, out) != `{"Items":[{"s":3},{"s":1},{"s":2}]}` || time.Since(start) != c.took {
				t.Errorf("limit %q: %v %v after %v, want %v", c.limit, asJSON(t, out), err, time.Since(start), c.took)
			}
		})
	}
}

func TestMapStopsItsItemsWhenOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := parse(t, define("m", "  - Type: Map\n    Name: m\n    End: true\n    ItemsPath: $Input.items\n    Processor:\n      StartAt: a\n      States:\n"+
			indent(task("a", "f", retryTwice+"    End: true\n"))))
		stopped := 0
		s := &script{t: t}
		s.answers = map[string][]any{"f": {func(ctx context.Context, body []byte) ([]byte, error) {
			if strings.Contains(string(body), `"i":1`) {
				return nil, &typed{"Refused", "no"}
			}
			<-ctx.Done()
			s.mu.Lock()
			defer s.mu.Unlock()
			stopped++
			return nil, ctx.Err()
		}}}
		_, err := m.Run(t.Context(), jsonInput(`{"items":[{"i":0},{"i":1},{"i":2}]}`), s, flow.Options{})
		if fe := flowError(t, err); fe.Code != "Refused" {
			t.Errorf("got %v, want the first error", err)
		}
		if started := s.count("f") - 1; stopped != started {
			t.Errorf("%d other items ran, %d were stopped and waited for", started, stopped)
		}
	})
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") + "\n" }

func TestMapRefusesScalarItems(t *testing.T) {
	m := parse(t, define("m", "  - Type: Map\n    Name: m\n    End: true\n    ItemsPath: $Input.items\n    Processor:\n      StartAt: e\n      States:\n        - {Type: Succeed, Name: e}\n"))
	_, err := m.Run(t.Context(), jsonInput(`{"items":[0,1]}`), nil, flow.Options{})
	if fe := flowError(t, err); fe.Code != flow.TypeBadData {
		t.Errorf("got %v", err)
	}
}

func TestStateDataOverTheLimitIsRefused(t *testing.T) {
	m := parse(t, define("a", task("a", "f", "    End: true\n")))
	s := &script{t: t, answers: map[string][]any{"f": {`{"x":"` + strings.Repeat("y", flow.MaxData) + `"}`}}}
	_, err := m.Run(t.Context(), map[string]any{}, s, flow.Options{})
	if fe := flowError(t, err); fe.Code != flow.TypeDataLimit {
		t.Errorf("got %v", err)
	}
}

func TestCancelEndsPausesAndBackoffAtOnce(t *testing.T) {
	for name, states := range map[string]string{
		"wait":    "  - {Type: Wait, Name: a, Seconds: 300, End: true}\n",
		"backoff": task("a", "f", "    Retry:\n      - {Description: d, Errors: [FnF.ALL], IntervalSeconds: 300, MaxAttempts: 9}\n    End: true\n"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := parse(t, define("a", states))
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
				defer cancel()
				start := time.Now()
				s := &script{t: t, answers: map[string][]any{"f": {errors.New("x")}}}
				_, err := m.Run(ctx, map[string]any{}, s, flow.Options{})
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 7*time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// TestCancelLetsAFunctionFinish: a tail that drains on SIGTERM ends the flow well; nothing new is started after it.
func TestCancelLetsAFunctionFinish(t *testing.T) {
	for _, c := range []struct {
		next string
		ok   bool
	}{{"    End: true\n", true}, {"    Next: b\n" + task("b", "g", "    End: true\n"), false}} {
		ctx, cancel := context.WithCancel(t.Context())
		m := parse(t, define("a", task("a", "f", c.next)))
		s := &script{t: t, answers: map[string][]any{"f": {func(ctx context.Context, _ []byte) ([]byte, error) {
			cancel()
			<-ctx.Done()
			return []byte(`{"stopped":true}`), nil
		}}}}
		out, err := m.Run(ctx, map[string]any{}, s, flow.Options{})
		if c.ok && (err != nil || asJSON(t, out) != `{"stopped":true}`) {
			t.Errorf("got %v, %v", out, err)
		}
		if !c.ok && (!errors.Is(err, context.Canceled) || s.count("g") != 0) {
			t.Errorf("got %v after calls %q", err, s.calls)
		}
	}
}

func TestObserverSeesEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := parse(t, define("a", task("a", "f", retryTwice+"    Next: w\n")+"  - {Type: Wait, Name: w, Seconds: 4, End: true}\n"))
		s := &script{t: t, answers: map[string][]any{"f": {&typed{"Mine", "busy"}, `{"k":1}`}}}
		var got []string
		if _, err := m.Run(t.Context(), map[string]any{}, s, flow.Options{Observe: func(e flow.Event) {
			got = append(got, fmt.Sprint(e.Kind, " ", e.State, " ", e.Attempt, " ", e.Delay, " ", e.Output))
		}}); err != nil {
			t.Fatal(err)
		}
		want := []string{"entered a 0 0s <nil>", "invoked a 0 0s <nil>", "retrying a 0 2s <nil>", "invoked a 1 0s <nil>", "exited a 0 0s map[k:1]", "entered w 0 4s <nil>", "exited w 0 0s map[k:1]"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q", got)
		}
	})
}
