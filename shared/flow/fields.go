// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// reader collects every problem of a file, so that an author mends them in one go.
type reader struct{ problems []error }

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.at(n.Line, format, args...)
}

func (r *reader) at(line int, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

// fields reads one mapping strictly: what was never asked for is unknown.
type fields struct {
	*reader
	node  *yaml.Node
	what  string // e.g. `state "plan"`, for messages
	value map[string]*yaml.Node
	key   map[string]*yaml.Node
	asked []string
}

// object reads n as a mapping. Its result is usable (and empty) even when n is something else.
func (r *reader) object(n *yaml.Node, what string) *fields {
	f := &fields{reader: r, node: n, what: what, value: map[string]*yaml.Node{}, key: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s: expected a mapping", what)
		return f
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!merge":
			r.fail(k, "%s: a key must be plain text", what)
		case f.value[k.Value] != nil:
			r.fail(k, "%s: %q is given twice, first on line %d", what, k.Value, f.key[k.Value].Line)
		default:
			f.value[k.Value], f.key[k.Value] = v, k
		}
	}
	return f
}

// get returns the value of a key, nil when absent.
func (f *fields) get(key string) *yaml.Node {
	f.asked = append(f.asked, key)
	return f.value[key]
}

// need is get for a key that must be there.
func (f *fields) need(key string) *yaml.Node {
	n := f.get(key)
	if n == nil && f.node.Kind == yaml.MappingNode {
		f.fail(f.node, "%s: %s is missing", f.what, key)
	}
	return n
}

// done reports every key nobody asked for.
func (f *fields) done() {
	for key, at := range f.key {
		if !slices.Contains(f.asked, key) {
			known := slices.Clone(f.asked)
			slices.Sort(known)
			f.fail(at, "%s: unknown field %q: expected one of %s", f.what, key, strings.Join(known, ", "))
		}
	}
}

func (f *fields) scalar(n *yaml.Node, key, tag, expected string) (string, bool) {
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tag {
		f.fail(n, "%s: %s: expected %s", f.what, key, expected)
		return "", false
	}
	return n.Value, true
}

// text reads an optional string.
func (f *fields) text(key string) string {
	s, _ := f.scalar(f.get(key), key, "!!str", "a string")
	return s
}

// name reads a required, non-empty string.
func (f *fields) name(key string) string {
	n := f.need(key)
	s, ok := f.scalar(n, key, "!!str", "a string")
	if ok && s == "" {
		f.fail(n, "%s: %s is empty", f.what, key)
	}
	return s
}

// oneOf reads a required string out of a few.
func (f *fields) oneOf(key string, allowed ...string) string {
	n := f.need(key)
	s, ok := f.scalar(n, key, "!!str", "a string")
	if ok && !slices.Contains(allowed, s) {
		f.fail(n, "%s: %s %q is not supported: expected %s", f.what, key, s, strings.Join(allowed, " or "))
	}
	return s
}

// flag reads an optional boolean.
func (f *fields) flag(key string) bool {
	s, ok := f.scalar(f.get(key), key, "!!bool", "true or false")
	return ok && strings.EqualFold(s, "true")
}

// number reads a number inside bounds; absent is returned when the key is.
func (f *fields) number(key string, low, high, absent float64) float64 {
	n := f.get(key)
	if n == nil {
		return absent
	}
	var v float64
	if n.Kind != yaml.ScalarNode || n.Decode(&v) != nil || !(v >= low && v <= high) {
		f.fail(n, "%s: %s: expected a number from %g to %g", f.what, key, low, high)
		return absent
	}
	return v
}

// integer is number without a fraction.
func (f *fields) integer(key string, low, high, absent int) int {
	v := f.number(key, float64(low), float64(high), float64(absent))
	if v != float64(int(v)) {
		f.fail(f.value[key], "%s: %s: expected a whole number", f.what, key)
		return absent
	}
	return int(v)
}

// list reads a required, non-empty sequence.
func (f *fields) list(key string) []*yaml.Node {
	n := f.need(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		f.fail(n, "%s: %s: expected a list with at least one item", f.what, key)
		return nil
	}
	return n.Content
}

// expression compiles the string under key. A problem leaves nil.
func (f *fields) expression(key string, n *yaml.Node, place where) expr {
	s, ok := f.scalar(n, key, "!!str", "an expression")
	if !ok {
		return nil
	}
	e, err := compile(s, place)
	if err != nil {
		f.fail(n, "%s: %s: %v", f.what, key, err)
		return nil
	}
	return e
}

// constructor compiles an optional InputConstructor, OutputConstructor or body.
func (f *fields) constructor(key string, place where) *template {
	n := f.get(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		f.fail(n, "%s: %s: expected a mapping", f.what, key)
		return nil
	}
	return f.template(n, f.what+": "+key, place, 0)
}

func (r *reader) template(n *yaml.Node, what string, place where, depth int) *template {
	if depth > 4*maxNesting {
		r.fail(n, "%s: nested too deeply", what)
		return &template{value: literal{nil}}
	}
	switch n.Kind {
	case yaml.MappingNode:
		return r.templateObject(n, what, place, depth)
	case yaml.SequenceNode:
		t := &template{isList: true}
		for _, item := range n.Content {
			t.items = append(t.items, r.template(item, what, place, depth+1))
		}
		return t
	case yaml.ScalarNode:
		return &template{value: literal{r.constant(n, what)}}
	}
	r.fail(n, "%s: anchors and aliases are not supported: write the value out", what)
	return &template{value: literal{nil}}
}

func (r *reader) templateObject(n *yaml.Node, what string, place where, depth int) *template {
	f := r.object(n, what)
	t := &template{fields: map[string]*template{}}
	for key, value := range f.value {
		name, dynamic := strings.CutSuffix(key, ".$")
		if dynamic && f.value[name] != nil {
			r.fail(f.key[key], "%s: both %q and %q are given", what, name, key)
		}
		if !dynamic {
			t.fields[name] = r.template(value, what+"."+name, place, depth+1)
			continue
		}
		leaf := &template{value: literal{nil}}
		if e := f.expression(key, value, place); e != nil {
			leaf.value = e
		}
		t.fields[name] = leaf
	}
	return t
}

// constant is a scalar as JSON would have it.
func (r *reader) constant(n *yaml.Node, what string) any {
	switch n.ShortTag() {
	case "!!str":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		var v float64
		if err := n.Decode(&v); err == nil && v == v && v-v == 0 { // neither NaN nor infinite: JSON has none
			return v
		}
	}
	r.fail(n, "%s: %q has no JSON form: quote it if text is meant", what, n.Value)
	return nil
}
