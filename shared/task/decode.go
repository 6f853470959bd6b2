// SPDX-License-Identifier: Apache-2.0

package task

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// decoder fills a Task from YAML nodes and remembers where each value stands,
// so that the validator's problems have a place too.
type decoder struct {
	file       string
	env        func(string) (string, bool)
	allowUnset bool

	problems Problems
	at       map[string]position // where the value of each path given in the file stands
	raw      map[string]string   // its text before ${ENV} was resolved, all that messages may show
	settled  map[string]bool     // paths about which nothing more can be said: bad, or with an unset variable
	unset    map[string]bool     // variables that AllowUnset let pass
}

type position struct{ line, column int }

func positionOf(n *yaml.Node) position { return position{max(n.Line, 1), max(n.Column, 1)} }

func newDecoder(file string, env func(string) (string, bool)) *decoder {
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	return &decoder{
		file: file, env: env,
		at: map[string]position{}, raw: map[string]string{},
		settled: map[string]bool{}, unset: map[string]bool{},
	}
}

func (d *decoder) report(at position, path, what string) {
	d.problems.List = append(d.problems.List, Problem{d.file, at.line, at.column, path, what})
}

// bad reports a problem with the value at path; the validator leaves it alone then.
func (d *decoder) bad(n *yaml.Node, path, format string, args ...any) {
	d.settled[path] = true
	d.report(positionOf(n), path, fmt.Sprintf(format, args...))
}

func (d *decoder) decodeRoot(n *yaml.Node, t *Task) {
	d.at[""] = positionOf(n)
	d.decodeStruct(n, "", reflect.ValueOf(t).Elem())
}

// decode fills v, which is addressable, from the node at path.
func (d *decoder) decode(n *yaml.Node, path string, v reflect.Value) {
	d.at[path] = positionOf(n)
	switch target := v.Addr().Interface().(type) {
	case *Secret:
		d.decodeSecret(n, path, target)
		return
	case encoding.TextUnmarshaler:
		d.decodeText(n, path, target)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.expect(n, path, yaml.MappingNode, "keys and values") {
			d.decodeStruct(n, path, v)
		}
	case reflect.Slice:
		if d.expect(n, path, yaml.SequenceNode, "a list") {
			d.decodeList(n, path, v)
		}
	case reflect.Int:
		d.decodeInt(n, path, v)
	default:
		if s, ok := d.stringValue(n, path); ok {
			v.SetString(s)
		}
	}
}

func (d *decoder) expect(n *yaml.Node, path string, kind yaml.Kind, want string) bool {
	if n.Kind != kind {
		d.bad(n, path, "expected %s, got %s", want, describe(n))
	}
	return n.Kind == kind
}

func (d *decoder) decodeStruct(n *yaml.Node, path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	first := map[string]position{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.report(positionOf(key), path, "expected the name of a key, got "+describe(key))
			continue
		}
		keyPath := join(path, key.Value)
		if !printable(key.Value) {
			keyPath = join(path, strconv.Quote(key.Value))
		}
		if at, seen := first[key.Value]; seen {
			d.report(positionOf(key), keyPath, fmt.Sprintf("duplicate key, already given in line %d", at.line))
			continue
		}
		first[key.Value] = positionOf(key)
		if field, ok := fields.index[key.Value]; ok {
			d.decode(value, keyPath, v.Field(field))
			continue
		}
		d.report(positionOf(key), keyPath, unknownKey(path, key.Value, fields.names))
	}
}

func (d *decoder) decodeList(n *yaml.Node, path string, v reflect.Value) {
	list := reflect.Zero(v.Type())
	for i, item := range n.Content {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(item, fmt.Sprintf("%s[%d]", path, i), value)
		list = reflect.Append(list, value)
	}
	v.Set(list)
}

func (d *decoder) decodeInt(n *yaml.Node, path string, v reflect.Value) {
	var i int
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(&i) != nil {
		d.bad(n, path, "expected a whole number, got %s", describe(n))
		return
	}
	d.raw[path] = n.Value
	v.SetInt(int64(i))
}

// decodeText fills a type with a text form. A plain number is handed to it as
// text, in decimal whatever YAML had it in, so that the type can say which unit
// it misses.
func (d *decoder) decodeText(n *yaml.Node, path string, target encoding.TextUnmarshaler) {
	var text string
	if number := int64(0); n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" && n.Decode(&number) == nil {
		text = strconv.FormatInt(number, 10)
	} else {
		var ok bool
		if text, ok = d.stringValue(n, path); !ok || d.settled[path] {
			return
		}
	}
	if err := target.UnmarshalText([]byte(text)); err != nil {
		d.bad(n, path, "%v, got %q", err, n.Value)
	}
}

// decodeSecret takes ${NAME} alone. Its messages never show the node's text: it
// may be the secret.
func (d *decoder) decodeSecret(n *yaml.Node, path string, target *Secret) {
	reference := secretReference.FindStringSubmatch(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || reference == nil {
		d.bad(n, path, "expected a reference to an environment variable, such as ${%s}, and nothing else; secrets don't stand in the file", exampleVariable(path))
		return
	}
	name := reference[1]
	target.name = name
	value, ok := d.env(name)
	if !ok {
		d.unsetVariable(n, path, name)
		return
	}
	target.value = &value
}

func (d *decoder) unsetVariable(n *yaml.Node, path, name string) {
	d.settled[path] = true
	if d.allowUnset {
		d.unset[name] = true
		return
	}
	d.report(positionOf(n), path, fmt.Sprintf("environment variable %s isn't set; export it", name))
}

// stringValue is the text of a string node with its ${ENV} references resolved.
// It is false after a problem; with an unset variable let pass it is the text
// as written, and the path is settled.
func (d *decoder) stringValue(n *yaml.Node, path string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode, !slices.Contains(unquotedTags, n.ShortTag()) && n.ShortTag() != "!!str":
		d.bad(n, path, "expected text, got %s", describe(n))
		return "", false
	case n.ShortTag() != "!!str":
		d.bad(n, path, "expected text, got %s; put it in quotes", describe(n))
		return "", false
	}
	d.raw[path] = n.Value
	value, missing, err := expand(n.Value, d.env)
	if err != nil {
		d.bad(n, path, "%v", err)
		return "", false
	}
	for _, name := range missing {
		d.unsetVariable(n, path, name)
	}
	if !printable(value) {
		d.bad(n, path, "expected text without control characters")
		return "", false
	}
	return value, len(missing) == 0 || d.allowUnset
}

// unquotedTags are what YAML makes of text that lacks its quotes.
var unquotedTags = []string{"!!int", "!!float", "!!bool", "!!timestamp"}

// printable refuses what can't be part of a name, an address or a label, and
// what YAML couldn't show again.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\uFEFF' || r == '\u2028' || r == '\u2029'
	})
}

// describe names what a node holds, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "a YAML alias (write the value out)"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	case "!!timestamp":
		return "the date " + n.Value
	case "!!str":
		return fmt.Sprintf("%q", n.Value)
	}
	return "a value tagged " + n.ShortTag()
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// exampleVariable makes SOURCE_PASSWORD of source.password.
func exampleVariable(path string) string {
	var b strings.Builder
	for _, r := range path {
		switch {
		case r == '.':
			b.WriteByte('_')
		case unicode.IsUpper(r):
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}
