// SPDX-License-Identifier: Apache-2.0

package task

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

//go:generate go run ../../scripts/schema ../../docs/configuration.md ../../docs/task.schema.json

// schema is a JSON Schema, draft 7, as far as a task file needs it.
type schema struct {
	Schema       string              `json:"$schema,omitempty"`
	Title        string              `json:"title,omitempty"`
	Description  string              `json:"description,omitempty"`
	Type         string              `json:"type,omitempty"`
	Default      any                 `json:"default,omitempty"`
	AnyOf        []schema            `json:"anyOf,omitempty"`
	Enum         any                 `json:"enum,omitempty"`
	Pattern      string              `json:"pattern,omitempty"`
	MinLength    int64               `json:"minLength,omitempty"`
	MaxLength    int64               `json:"maxLength,omitempty"`
	Minimum      *int64              `json:"minimum,omitempty"`
	Maximum      *int64              `json:"maximum,omitempty"`
	Items        *schema             `json:"items,omitempty"`
	Contains     *schema             `json:"contains,omitempty"`
	MinItems     int64               `json:"minItems,omitempty"`
	MaxItems     int64               `json:"maxItems,omitempty"`
	UniqueItems  bool                `json:"uniqueItems,omitempty"`
	Properties   map[string]schema   `json:"properties,omitempty"`
	Required     []string            `json:"required,omitempty"`
	Dependencies map[string][]string `json:"dependencies,omitempty"`
	Additional   *bool               `json:"additionalProperties,omitempty"`
}

// interpolated is text that only the environment knows: whatever holds a ${, even an escaped one.
var interpolated = schema{Pattern: `\$\{`}

// Schema is the JSON Schema, draft 7, of the task file, for editors. It is made of what Load reads and checks: the fields of
// Task, their defaults and their rules; describe explains the key at a path of the form objects[].match, "" being the file.
// What Load accepts, the schema accepts. Load refuses more: what hangs on several values, and what ${NAME} turns out to be.
func Schema(describe func(path string) string) ([]byte, error) {
	root := schemaOf("", reflect.ValueOf(*defaults()), describe)
	root.Schema, root.Title = "http://json-schema.org/draft-07/schema#", "Slipway task file"
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return out.Bytes(), err
}

// schemaOf is that of the value at path, which holds its default.
func schemaOf(path string, value reflect.Value, describe func(string) string) schema {
	var s schema
	r := rules[path]
	switch value.Interface().(type) {
	case Secret:
		s = schema{Type: "string", Pattern: secretReference.String()}
	case Pattern:
		s = textSchema(rule{pattern: patternForm})
	case Duration:
		s = textSchema(rule{pattern: durationForm})
	case Size:
		s = schema{AnyOf: []schema{integer(r), textSchema(rule{pattern: sizeForm})}}
	default:
		switch value.Kind() {
		case reflect.Struct:
			s = mapping(path, value, describe)
		case reflect.Slice:
			s = list(r, schemaOf(path+"[]", reflect.Zero(value.Type().Elem()), describe))
		case reflect.Int:
			s = integer(r)
		default:
			s = textSchema(r)
		}
	}
	s.Description = describe(path)
	if value.Kind() == reflect.Int || value.Kind() != reflect.Struct && !value.IsZero() {
		s.Default = value.Interface()
	}
	return s
}

func mapping(path string, value reflect.Value, describe func(string) string) schema {
	closed := false
	s := schema{Type: "object", Properties: map[string]schema{}, Dependencies: map[string][]string{}, Additional: &closed}
	fields := fieldsOf(value.Type())
	for _, name := range fields.names {
		at := join(path, name)
		s.Properties[name] = schemaOf(at, value.Field(fields.index[name]), describe)
		r := rules[at]
		if r.required {
			s.Required = append(s.Required, name)
		}
		if r.with != "" {
			s.Dependencies[r.with] = []string{name}
		}
	}
	return s
}

func list(r rule, items schema) schema {
	s := schema{Type: "array", Items: &items, MaxItems: r.most, UniqueItems: r.unique}
	if r.required || r.filled {
		s.MinItems = 1
	}
	if r.lists != nil {
		*s.Items = textSchema(rule{values: slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.lists...))))})
		s.AnyOf = []schema{{Enum: r.lists}, {Contains: &interpolated}}
	}
	return s
}

func integer(r rule) schema {
	s := schema{Type: "integer"}
	if r.most > 0 {
		s.Minimum, s.Maximum = &r.least, &r.most
	}
	return s
}

func textSchema(r rule) schema {
	s := schema{Type: "string"}
	switch {
	case r.values != nil:
		s.AnyOf = []schema{{Enum: r.values}, interpolated}
	case r.pattern != nil && r.blank:
		s.AnyOf = []schema{{Pattern: "^$|" + r.pattern.String()}, interpolated}
	case r.pattern != nil:
		s.AnyOf = []schema{{Pattern: r.pattern.String()}, interpolated}
	case r.most > 0:
		s.AnyOf = []schema{{MaxLength: r.most}, interpolated}
	case r.required || r.filled:
		s.MinLength = 1
	}
	return s
}
