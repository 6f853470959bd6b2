// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strconv"
	"strings"
)

type literal struct{ value any }

func (e literal) eval(vars) (any, error) { return e.value, nil }

type array []expr

func (e array) eval(v vars) (any, error) {
	out := make([]any, len(e))
	for i, item := range e {
		value, err := item.eval(v)
		if err != nil {
			return nil, err
		}
		out[i] = value
	}
	return out, nil
}

// reference walks from one of the three roots; a path step is a string (key) or an int (index).
type reference struct {
	root string
	path []any
	text string
}

// check refuses at load what could never be resolved, or what the cloud offers and this package does not.
func (e reference) check(place where) error {
	switch e.root {
	case "Input":
		return nil
	case "Output":
		if !place.output {
			return fmt.Errorf("%s exists only inside an OutputConstructor", e.text)
		}
		return nil
	case "Context":
		return e.checkContext(place)
	}
	return fmt.Errorf("unknown variable %q: expected $Input, $Output or $Context", e.text)
}

func (e reference) checkContext(place where) error {
	if len(e.path) >= 2 {
		switch fmt.Sprint(e.path[0], ".", e.path[1]) {
		case "Execution.Name", "Execution.Input", "Current.Name", "Current.Input", "Current.RetryCount":
			return nil
		case "Current.Output":
			if place.output {
				return nil
			}
			return fmt.Errorf("%s exists only inside an OutputConstructor", e.text)
		case "Current.Error":
			if !place.failure {
				return fmt.Errorf("%s exists only inside the OutputConstructor of a Catch", e.text)
			}
			if len(e.path) == 3 && (e.path[2] == "Code" || e.path[2] == "Detail") {
				return nil
			}
		}
	}
	return fmt.Errorf("unknown context path %q", e.text)
}

func (e reference) eval(v vars) (any, error) {
	var at any
	switch e.root {
	case "Input":
		at = v.input
	case "Output":
		at = v.output
	default:
		at = any(v.context)
	}
	for _, step := range e.path {
		switch step := step.(type) {
		case string:
			m, ok := at.(map[string]any)
			if ok {
				at, ok = m[step]
			}
			if !ok {
				return nil, badData("%s: there is no %q", e.text, step)
			}
		case int:
			list, ok := at.([]any)
			if !ok || step >= len(list) {
				return nil, badData("%s: there is no item %d", e.text, step)
			}
			at = list[step]
		}
	}
	return at, nil
}

type logical struct {
	op          string
	left, right expr
}

func (e logical) eval(v vars) (any, error) {
	left, err := truth(e.left, v)
	if err != nil || left == (e.op == "||") {
		return left, err
	}
	return truth(e.right, v)
}

// truth evaluates a condition. Only a boolean is one: what the cloud makes of other values is undocumented.
func truth(e expr, v vars) (bool, error) {
	value, err := e.eval(v)
	if err != nil {
		return false, err
	}
	b, ok := value.(bool)
	if !ok {
		return false, badData("a condition gave %s, expected true or false", show(value))
	}
	return b, nil
}

type comparison struct {
	op          string
	left, right expr
}

func (e comparison) eval(v vars) (any, error) {
	left, err := e.left.eval(v)
	if err != nil {
		return nil, err
	}
	right, err := e.right.eval(v)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "==":
		return reflect.DeepEqual(left, right), nil
	case "!=":
		return !reflect.DeepEqual(left, right), nil
	}
	sign, err := order(left, right)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "<":
		return sign < 0, nil
	case "<=":
		return sign <= 0, nil
	case ">":
		return sign > 0, nil
	}
	return sign >= 0, nil
}

func order(left, right any) (int, error) {
	if a, ok := left.(float64); ok {
		if b, ok := right.(float64); ok {
			switch {
			case a < b:
				return -1, nil
			case a > b:
				return 1, nil
			}
			return 0, nil
		}
	}
	if a, ok := left.(string); ok {
		if b, ok := right.(string); ok {
			return strings.Compare(a, b), nil
		}
	}
	return 0, badData("can't order %s and %s", show(left), show(right))
}

type call struct {
	name string
	args []expr
}

// arity of the built-in functions: how many arguments at least, and at most (-1: any number).
func arity(name string) (low, high int) {
	switch name {
	case "format":
		return 1, -1
	case "length":
		return 1, 1
	}
	return 2, 2 // intAdd, jsonMerge
}

func functionNames() []string { return []string{"format", "intAdd", "jsonMerge", "length"} }

func newCall(name string, args []expr) (expr, error) {
	low, high := arity(name)
	if len(args) < low || high >= 0 && len(args) > high {
		return nil, fmt.Errorf("%s: wrong number of arguments: %d", name, len(args))
	}
	return call{name, args}, nil
}

func (e call) eval(v vars) (any, error) {
	values, err := array(e.args).eval(v)
	if err != nil {
		return nil, err
	}
	args := values.([]any)
	switch e.name {
	case "format":
		return format(args)
	case "length":
		return length(args[0])
	case "jsonMerge":
		a, aOK := args[0].(map[string]any)
		b, bOK := args[1].(map[string]any)
		if !aOK || !bOK {
			return nil, badData("jsonMerge: expected two objects, got %s and %s", show(args[0]), show(args[1]))
		}
		out := maps.Clone(a)
		maps.Copy(out, b)
		return out, nil
	}
	a, aOK := args[0].(float64)
	b, bOK := args[1].(float64)
	if !aOK || !bOK || a != math.Trunc(a) || b != math.Trunc(b) {
		return nil, badData("intAdd: expected two integers, got %s and %s", show(args[0]), show(args[1]))
	}
	return a + b, nil
}

func length(value any) (any, error) {
	switch v := value.(type) {
	case []any:
		return float64(len(v)), nil
	case map[string]any:
		return float64(len(v)), nil
	}
	return nil, badData("length: expected an array or an object, got %s", show(value))
}

// format fills the {} of its first argument in order.
func format(args []any) (any, error) {
	pattern, ok := args[0].(string)
	if !ok {
		return nil, badData("format: the first argument is %s, expected a string", show(args[0]))
	}
	parts := strings.Split(pattern, "{}")
	if len(parts) != len(args) {
		return nil, badData("format: %q has %d places for %d values", pattern, len(parts)-1, len(args)-1)
	}
	var b strings.Builder
	b.WriteString(parts[0])
	for i, value := range args[1:] {
		switch value := value.(type) {
		case string:
			b.WriteString(value)
		case float64:
			b.WriteString(strconv.FormatFloat(value, 'f', -1, 64))
		default:
			b.WriteString(show(value))
		}
		b.WriteString(parts[i+1])
	}
	return b.String(), nil
}

// show renders a value for messages, shortened.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	if len(text) > 80 {
		return string(text[:77]) + "..."
	}
	return string(text)
}
