// SPDX-License-Identifier: Apache-2.0

package task

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// LoadOption changes what Load insists on.
type LoadOption func(*decoder)

// AllowUnset lets ${NAME} stand for a variable that isn't set, for checking a
// file away from its secrets. The reference stays in the value, what it would
// hold isn't checked, and Task.Unset names the variable.
func AllowUnset() LoadOption { return func(d *decoder) { d.allowUnset = true } }

// Load reads the task file called name, for the messages and the default task
// name, from data; env looks up environment variables (os.LookupEnv). The error
// is a *Problems with everything that is wrong.
func Load(name string, data []byte, env func(string) (string, bool), opts ...LoadOption) (*Task, error) {
	d := newDecoder(name, env)
	for _, o := range opts {
		o(d)
	}
	t := defaults()
	if root := d.parse(data); root != nil {
		d.decodeRoot(root, t)
		v := &validator{decoder: d, task: t}
		v.validate()
	}
	if len(d.problems.List) > 0 {
		d.problems.sort()
		return nil, &d.problems
	}
	t.unset = slices.Sorted(maps.Keys(d.unset))
	return t, nil
}

// parse turns the text into the one mapping it should hold, nil after a problem.
func (d *decoder) parse(data []byte) *yaml.Node {
	var documents []yaml.Node
	if err := yaml.Load(data, &documents, yaml.WithAllDocuments()); err != nil {
		d.syntaxProblem(err)
		return nil
	}
	switch {
	case len(documents) == 0 || len(documents[0].Content) == 0:
		d.report(position{1, 1}, "", "expected a task file, got an empty one")
		return nil
	case len(documents) > 1:
		d.report(positionOf(&documents[1]), "", "expected one YAML document, got a second one")
		return nil
	}
	root := documents[0].Content[0]
	if root.Kind != yaml.MappingNode {
		d.report(positionOf(root), "", "expected the keys of a task file, got "+describe(root))
		return nil
	}
	return root
}

func (d *decoder) syntaxProblem(err error) {
	at, what := position{1, 1}, err.Error()
	if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		what = one.Message
		if one.ContextMsg != "" {
			what += " " + one.ContextMsg
		}
		if one.Mark.Line > 0 {
			at = position{one.Mark.Line, max(one.Mark.Column, 1)}
		}
		if one.Stage == yaml.ComposerStage {
			// The library's text names the alias: a literal password that
			// starts with * must not get into a log this way.
			what = "expected values written out; YAML aliases (*name) aren't used in a task file"
		}
	}
	d.report(at, "", "expected YAML: "+what)
}

// fileTaskName is the default of `name`: the file's name up to its first dot.
func fileTaskName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".")
	return name
}
