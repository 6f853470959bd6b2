// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"slipway/shared/flow"
)

// typed is an error of a function, as an invoker hands it over.
type typed struct{ code, text string }

func (e *typed) Error() string     { return e.text }
func (e *typed) ErrorType() string { return e.code }

// script answers calls; each function has its own list of answers, the last of which repeats.
type script struct {
	t  *testing.T
	mu sync.Mutex
	// answers by function: a string is a JSON result, an error is an error, a func is called.
	answers map[string][]any
	calls   []string // "function body"
}

func (s *script) Invoke(ctx context.Context, function string, body []byte) ([]byte, error) {
	s.mu.Lock()
	s.calls = append(s.calls, function+" "+string(body))
	list := s.answers[function]
	if len(list) == 0 {
		s.mu.Unlock()
		return nil, fmt.Errorf("the test has no answer for %s %s", function, body)
	}
	answer := list[0]
	if len(list) > 1 {
		s.answers[function] = list[1:]
	}
	s.mu.Unlock()
	switch a := answer.(type) {
	case string:
		return []byte(a), nil
	case error:
		return nil, a
	case func(context.Context, []byte) ([]byte, error):
		return a(ctx, body)
	}
	return nil, fmt.Errorf("bad answer %T", answer)
}

// count says how often a function was called.
func (s *script) count(function string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if strings.HasPrefix(c, function+" ") {
			n++
		}
	}
	return n
}

// define wraps states into a flow that starts at the first of them.
func define(start, states string) []byte {
	return []byte("Type: StateMachine\nName: test\nSpecVersion: v1\nStartAt: " + start + "\nStates:\n" + states)
}

func parse(t *testing.T, definition []byte) *flow.Machine {
	t.Helper()
	m, err := flow.Parse(definition)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, definition)
	}
	return m
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func flowError(t *testing.T, err error) *flow.Error {
	t.Helper()
	fe, ok := errors.AsType[*flow.Error](err)
	if !ok {
		t.Fatalf("got %v, want a *flow.Error", err)
	}
	return fe
}

// project is the definition that is deployed.
func project(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../../infra/flow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// task renders a Task state called name for the function f, with extra fields.
func task(name, f, extra string) string {
	return fmt.Sprintf(`  - Type: Task
    Name: %s
    Action: FC:InvokeFunction
    TaskMode: RequestComplete
    Parameters:
      resourceArn: acs:fc:::functions/%s/LATEST
      invocationType: Sync
      body: {a.$: $Input, n.$: $Context.Current.RetryCount}
%s`, name, f, extra)
}
