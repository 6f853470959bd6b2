// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway/shared/flow"
)

// TestParseRefusesWhatItDoesNotKnow: each refusal names the line. The first state stands on line 6.
func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	pass := "  - {Type: Pass, Name: p, End: true}\n"
	for name, c := range map[string]struct{ states, want string }{
		"unknown field":              {"  - {Type: Pass, Name: p, End: true, Extra: 1}\n", `line 6: state "p": unknown field "Extra"`},
		"field of another type":      {"  - {Type: Pass, Name: p, End: true, Seconds: 1}\n", `line 6: state "p": unknown field "Seconds"`},
		"unknown type":               {"  - {Type: Parallel, Name: p, End: true}\n", `line 6: state "p": Type "Parallel" is not supported`},
		"duplicate key":              {"  - {Type: Pass, Name: p, End: true, Name: p}\n", `"Name" is given twice`},
		"duplicate state":            {pass + pass, `line 7: state "p" is defined twice, first on line 6`},
		"no end":                     {"  - {Type: Pass, Name: p}\n", `exactly one of Next and End`},
		"next and end":               {"  - {Type: Pass, Name: p, Next: p, End: true}\n", `exactly one of Next and End`},
		"unknown next":               {"  - {Type: Pass, Name: p, Next: q}\n", `line 6: state "p" leads to the unknown state "q"`},
		"unreachable":                {pass + "  - {Type: Succeed, Name: q}\n", `line 7: nothing leads to state "q"`},
		"endless":                    {"  - {Type: Pass, Name: p, Next: q}\n  - {Type: Choice, Name: q, Default: p, Branches: [{Condition: $Input.x == 1, Next: z}]}\n  - {Type: Succeed, Name: z}\n", `line 6: state "p" leads back to itself without a Task`},
		"no default":                 {"  - {Type: Choice, Name: p, Branches: [{Condition: true == true, Next: q}]}\n  - {Type: Succeed, Name: q}\n", `state "p": Default is missing`},
		"no branch":                  {"  - {Type: Choice, Name: p, Default: q, Branches: []}\n  - {Type: Succeed, Name: q}\n", `Branches: expected a list`},
		"unknown variable":           {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: $Global.x}}\n", `unknown variable "$Global.x"`},
		"unknown context":            {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: $Context.Current.TaskToken}}\n", `unknown context path`},
		"output too early":           {"  - {Type: Pass, Name: p, End: true, InputConstructor: {a.$: $Output}}\n", `exists only inside an OutputConstructor`},
		"error outside catch":        {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: $Context.Current.Error.Code}}\n", `only inside the OutputConstructor of a Catch`},
		"unknown function":           {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: uuid()}}\n", `unknown word "uuid"`},
		"wrong arguments":            {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: intAdd(1)}}\n", `intAdd: wrong number of arguments`},
		"rest of expression":         {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: 1 2}}\n", `unexpected "2" at column 3`},
		"rest of quoted expression":  {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a.$: '$Input $Input'}}\n", `unexpected "$Input" at column 8`},
		"both static and dynamic":    {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a: 1, a.$: $Input}}\n", `both "a" and "a.$" are given`},
		"alias":                      {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a: &x {b: 1}, c: *x}}\n", `anchors and aliases are not supported`},
		"wait too long":              {"  - {Type: Wait, Name: p, Seconds: 301, End: true}\n", `Seconds: expected a number from 1 to 300`},
		"wait for nothing":           {"  - {Type: Wait, Name: p, End: true}\n", `exactly one of Seconds and Seconds.$`},
		"too many at once":           {"  - {Type: Map, Name: p, ItemsPath: $Input.x, MaxConcuccency: 41, End: true, Processor: {StartAt: s, States: [{Type: Succeed, Name: s}]}}\n", `expected a number from 1 to 40`},
		"fail inside a map":          {"  - {Type: Map, Name: p, ItemsPath: $Input.x, End: true, Processor: {StartAt: s, States: [{Type: Fail, Name: s, Detail: d}]}}\n", `a Fail inside a Processor`},
		"unreachable inside a map":   {"  - {Type: Map, Name: p, ItemsPath: $Input.x, End: true, Processor: {StartAt: s, States: [{Type: Succeed, Name: s}, {Type: Succeed, Name: z}]}}\n", `nothing leads to state "z"`},
		"map inside a map":           {"  - {Type: Map, Name: p, ItemsPath: $Input.x, End: true, Processor: {StartAt: s, States: [{Type: Map, Name: s, End: true, ItemsPath: $Input.x, Processor: {}}]}}\n", `a Map inside a Map`},
		"another action":             {strings.Replace(task("p", "f", "    End: true\n"), "FC:InvokeFunction", "ECS:DescribeInstances", 1), `Action "ECS:DescribeInstances" is not supported`},
		"no function":                {strings.Replace(task("p", "f", "    End: true\n"), "functions/f", "services/f", 1), `is no function`},
		"async without a callback":   {strings.Replace(task("p", "f", "    End: true\n"), "Sync", "Async", 1), `would not wait for the result`},
		"retry without description":  {task("p", "f", "    End: true\n    Retry: [{Errors: [A], MaxAttempts: 1, IntervalSeconds: 1}]\n"), `Description is missing`},
		"retry without attempts":     {task("p", "f", "    End: true\n    Retry: [{Description: d, Errors: [A], IntervalSeconds: 1}]\n"), `MaxAttempts is missing`},
		"catch to nowhere":           {task("p", "f", "    End: true\n    Catch: [{Description: d, Errors: [A], Next: q}]\n"), `unknown state "q"`},
		"retry where nothing can go": {"  - {Type: Pass, Name: p, End: true, Retry: []}\n", `unknown field "Retry"`},
		"not a number":               {"  - {Type: Pass, Name: p, End: true, OutputConstructor: {a: .nan}}\n", `has no JSON form`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := flow.Parse(define("p", c.states))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for name, c := range map[string]struct{ file, want string }{
		"empty":         {"", "the file is empty"},
		"not yaml":      {"a: [", "flow definition"},
		"a list":        {"[]", "line 1: flow: expected a mapping"},
		"version":       {strings.Replace(string(define("p", pass)), "v1", "v2", 1), `line 3: flow: SpecVersion "v2" is not supported`},
		"unknown start": {string(define("z", pass)), `StartAt names the unknown state "z"`},
		"unknown root":  {string(define("p", pass)) + "TimeoutSeconds: 3\n", `line 7: flow: unknown field "TimeoutSeconds"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := flow.Parse([]byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestParseReportsEverythingAtOnce(t *testing.T) {
	_, err := flow.Parse(define("p", "  - {Type: Pass, Name: p, X: 1, Y: 2}\n  - {Type: Nope, Name: q, End: true}\n"))
	for _, want := range []string{`"X"`, `"Y"`, `Type "Nope"`, "exactly one"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(project(f))
	f.Add(define("p", "  - {Type: Pass, Name: p, End: true, OutputConstructor: {v.$: 'format(\"{}\", $Input.a[0]) == [1, true]'}}\n"))
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := flow.Parse(data)
		if (m == nil) == (err == nil) {
			t.Fatalf("machine %v, error %v", m, err)
		}
	})
}
