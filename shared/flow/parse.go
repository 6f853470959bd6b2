// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"go.yaml.in/yaml/v4"
)

// functionARN is the only kind of resource a Task may name; region and account may be left empty.
var functionARN = regexp.MustCompile(`^acs:fc:[a-z0-9-]*:[0-9]*:functions/([A-Za-z_][A-Za-z0-9_-]*)(/[A-Za-z0-9_.-]+)?$`)

// Parse reads and checks a definition. The error joins everything that is wrong with it, each with its line.
func Parse(data []byte) (*Machine, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("flow definition: %w", err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("flow definition: the file is empty")
	}
	r := &reader{}
	f := r.object(doc.Content[0], "flow")
	f.oneOf("Type", "StateMachine")
	f.oneOf("SpecVersion", "v1")
	f.text("Description")
	m := &Machine{Name: f.name("Name"), root: r.scope(f, false)}
	f.done()
	if len(r.problems) == 0 {
		r.connect(m.root)
	}
	if err := errors.Join(r.problems...); err != nil {
		return nil, fmt.Errorf("flow definition: %w", err)
	}
	return m, nil
}

// scope reads StartAt and States out of f.
func (r *reader) scope(f *fields, inMap bool) *scope {
	s := &scope{start: f.name("StartAt"), line: f.node.Line, states: map[string]*state{}}
	for _, n := range f.list("States") {
		st := r.state(n, inMap)
		if first := s.states[st.name]; first != nil {
			r.fail(n, "state %q is defined twice, first on line %d", st.name, first.line)
			continue
		}
		s.states[st.name] = st
		s.order = append(s.order, st.name)
	}
	return s
}

func (r *reader) state(n *yaml.Node, inMap bool) *state {
	f := r.object(n, "state")
	st := &state{line: n.Line, name: f.name("Name")}
	f.what = fmt.Sprintf("state %q", st.name)
	st.typ = f.oneOf("Type", "Task", "Pass", "Choice", "Map", "Wait", "Succeed", "Fail")
	f.text("Description")
	st.input = f.constructor("InputConstructor", where{})
	switch st.typ {
	case "Task":
		r.task(f, st)
	case "Choice":
		r.choice(f, st)
	case "Map":
		r.mapState(f, st, inMap)
	case "Wait":
		r.wait(f, st)
	case "Fail":
		if inMap {
			r.fail(n, "state %q: a Fail inside a Processor ends the whole flow in the cloud: end the item and choose after the Map", st.name)
		}
		st.code, st.detail = f.text("Code"), f.name("Detail")
		st.end = true
	case "Succeed":
		st.end = true
	}
	if st.typ != "Choice" {
		st.output = f.constructor("OutputConstructor", where{output: true})
	}
	if st.typ == "Task" || st.typ == "Map" || st.typ == "Wait" || st.typ == "Pass" {
		st.next, st.end = f.text("Next"), f.flag("End")
		if (st.next == "") != st.end {
			r.fail(n, "state %q: exactly one of Next and End: true is needed", st.name)
		}
	}
	f.done()
	return st
}

func (r *reader) task(f *fields, st *state) {
	f.oneOf("Action", "FC:InvokeFunction")
	mode := f.oneOf("TaskMode", "RequestComplete", "WaitForSystemCallback")
	if n := f.need("Parameters"); n != nil {
		p := r.object(n, f.what+": Parameters")
		if arn := p.name("resourceArn"); arn != "" {
			found := functionARN.FindStringSubmatch(arn)
			if found == nil {
				r.fail(p.value["resourceArn"], "%s: %q is no function: expected acs:fc:<region>:<account>:functions/<name>/<version>", f.what, arn)
			} else {
				st.function = found[1]
			}
		}
		call := p.oneOf("invocationType", "Sync", "Async")
		if (mode == "RequestComplete") != (call == "Sync") {
			r.fail(n, "%s: RequestComplete goes with Sync, WaitForSystemCallback with Async: %s with %s would not wait for the result", f.what, mode, call)
		}
		st.body = p.constructor("body", where{})
		p.done()
	}
	r.rules(f, st)
}

// rules reads Retry and Catch.
func (r *reader) rules(f *fields, st *state) {
	if f.get("Retry") != nil {
		for _, n := range f.list("Retry") {
			rf := r.object(n, f.what+": Retry")
			rf.name("Description") // the vendor requires it
			rule := retryRule{errors: rf.errorTypes()}
			rf.need("MaxAttempts")
			rule.attempts = rf.integer("MaxAttempts", 0, 1_000_000, 0)
			rf.need("IntervalSeconds")
			rule.interval = time.Duration(rf.integer("IntervalSeconds", 1, maxRetrySeconds, 1)) * time.Second
			rule.rate = rf.number("BackoffRate", 1, 100, 1)
			rule.ceiling = time.Duration(rf.integer("MaxBackoffSeconds", 1, maxRetrySeconds, maxRetrySeconds)) * time.Second
			rf.done()
			st.retry = append(st.retry, rule)
		}
	}
	if f.get("Catch") != nil {
		for _, n := range f.list("Catch") {
			cf := r.object(n, f.what+": Catch")
			cf.name("Description")
			rule := catchRule{errors: cf.errorTypes(), line: n.Line, next: cf.name("Next")}
			rule.output = cf.constructor("OutputConstructor", where{failure: true})
			cf.done()
			st.catch = append(st.catch, rule)
		}
	}
}

func (f *fields) errorTypes() []string {
	var types []string
	for _, n := range f.list("Errors") {
		if s, ok := f.scalar(n, "Errors", "!!str", "an error type"); ok {
			types = append(types, s)
		}
	}
	return types
}

func (r *reader) choice(f *fields, st *state) {
	st.fallback = f.name("Default")
	for _, n := range f.list("Branches") {
		bf := r.object(n, f.what+": branch")
		b := branch{line: n.Line, next: bf.name("Next")}
		b.condition = bf.expression("Condition", bf.need("Condition"), where{})
		bf.done()
		st.branches = append(st.branches, b)
	}
}

func (r *reader) mapState(f *fields, st *state, inMap bool) {
	if inMap {
		r.fail(f.node, "%s: a Map inside a Map is not supported", f.what)
	}
	st.items = f.expression("ItemsPath", f.need("ItemsPath"), where{})
	// The vendor's own spelling.
	st.concurrent = f.integer("MaxConcuccency", 1, MaxConcurrency, MaxConcurrency)
	if n := f.need("Processor"); n != nil && !inMap {
		p := r.object(n, f.what+": Processor")
		st.processor = r.scope(p, true)
		p.done()
	}
	r.rules(f, st)
}

func (r *reader) wait(f *fields, st *state) {
	fixed, dynamic := f.get("Seconds"), f.get("Seconds.$")
	if (fixed == nil) == (dynamic == nil) {
		r.fail(f.node, "%s: exactly one of Seconds and Seconds.$ is needed", f.what)
		return
	}
	if dynamic != nil {
		st.seconds = f.expression("Seconds.$", dynamic, where{})
		return
	}
	st.seconds = literal{float64(f.integer("Seconds", 1, maxWaitSeconds, 1))}
}

// connect checks that every transition leads to a state and that every state is led to.
func (r *reader) connect(s *scope) {
	if s.states[s.start] == nil {
		r.at(s.line, "StartAt names the unknown state %q", s.start)
		return
	}
	reached := map[string]bool{s.start: true}
	for todo := []string{s.start}; len(todo) > 0; todo = todo[1:] {
		from := s.states[todo[0]]
		for _, edge := range from.edges() {
			if s.states[edge.next] == nil {
				r.at(edge.line, "state %q leads to the unknown state %q", from.name, edge.next)
			} else if !reached[edge.next] {
				reached[edge.next] = true
				todo = append(todo, edge.next)
			}
		}
	}
	for _, name := range s.order {
		st := s.states[name]
		if !reached[name] {
			r.at(st.line, "nothing leads to state %q", name)
		}
		if s.spins(name) {
			r.at(st.line, "state %q leads back to itself without a Task, Map or Wait on the way: that would never end", name)
		}
		if st.processor != nil {
			r.connect(st.processor)
		}
	}
}

// spins says whether a state that takes no time can lead back to itself over such states only.
func (s *scope) spins(name string) bool {
	seen := map[string]bool{}
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		st := s.states[todo[0]]
		if st == nil || st.typ == "Task" || st.typ == "Map" || st.typ == "Wait" {
			continue
		}
		for _, edge := range st.edges() {
			if edge.next == name {
				return true
			}
			if !seen[edge.next] {
				seen[edge.next] = true
				todo = append(todo, edge.next)
			}
		}
	}
	return false
}

type edge struct {
	next string
	line int
}

func (st *state) edges() []edge {
	var out []edge
	if st.next != "" {
		out = append(out, edge{st.next, st.line})
	}
	for _, b := range st.branches {
		out = append(out, edge{b.next, b.line})
	}
	if st.fallback != "" {
		out = append(out, edge{st.fallback, st.line})
	}
	for _, c := range st.catch {
		out = append(out, edge{c.next, c.line})
	}
	return out
}
