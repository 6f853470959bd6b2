// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"slipway/shared/task"
)

// schemaFile compiles the schema that editors get.
func schemaFile(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/task.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// checkAgainst says what the schema finds wrong with a YAML document.
func checkAgainst(schema *jsonschema.Schema, text string) error {
	var document any
	if err := yaml.Load([]byte(text), &document); err != nil {
		return err
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// checkSchema holds the schema to accept what Load has accepted.
func checkSchema(t interface{ Fatalf(string, ...any) }, schema *jsonschema.Schema, text string) {
	if err := checkAgainst(schema, text); err != nil {
		t.Fatalf("the schema refuses what loads: %v\n%s", err, text)
	}
}

func TestSchemaAcceptsEveryTaskFileThatIsThere(t *testing.T) {
	schema := schemaFile(t)
	files := []string{"testdata/full.yaml", "testdata/full.resolved.yaml", "../cli/testdata/shop.yaml"}
	examples, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("examples: %v %v", examples, err)
	}
	texts := map[string]string{"the smallest one": base}
	for _, file := range append(files, examples...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	for _, document := range []string{documentation, "../../README.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range block.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(b[1], "objects:") {
				texts[fmt.Sprintf("%s, example %d", document, i)] = b[1]
			}
		}
	}
	for name, text := range texts {
		if err := checkAgainst(schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong with one value is seen by the schema and by Load alike.
func TestSchemaRefusesWhatLoadRefuses(t *testing.T) {
	schema := schemaFile(t)
	for _, c := range []struct{ old, text string }{
		{"", "lane: 3\n"},
		{"", "etl: ''\n"},
		{"", "lanes: many\n"},
		{"", "lanes: 1.5\n"},
		{"", "lanes: '64'\n"},
		{"", "lanes: 0\n"},
		{"", "lanes: 1025\n"},
		{"", "environment: [a]\n"},
		{"", "environment: " + strings.Repeat("x", 65) + "\n"},
		{"", "stages: full\n"},
		{"", "stages: []\n"},
		{"", "stages: [full, tail]\n"},
		{"", "stages: [incremental, full]\n"},
		{"", "stages: [incremental]\nstart: yesterday\n"},
		{"", "stages: [incremental]\nstart: gtid:x:1-5\n"},
		{"", "timezone: 8\n"},
		{"", "packing: {maxRows: 0}\n"},
		{"", "packing: {maxBytes: 5}\n"},
		{"", "packing: {maxBytes: 256k}\n"},
		{"", "retry:\n"},
		{"", "retry: {other: 10}\n"},
		{"", "retry: {other: soon}\n"},
		{"", "limits: {messagesPerSecond: -1}\n"},
		{"", "limits: {full: {rowsPerSecond: 1}}\n"},
		{"", "format: dts-avro\n"},
		{"", "order: row\n"},
		{"", "largeMessage: store\n"},
		{"", "onConflict: ignore\n"},
		{"", "capitalization: upper\n"},
		{"", "accept: ['']\n"},
		{"", "accept: [a, a]\n"},
		{"name: shop", "name: Shop_1"},
		{"file:///var/lib/slipway", "/var/lib/slipway"},
		{"file:///var/lib/slipway", "S3://bucket"},
		{"[db:3306]", "[]"},
		{"[db:3306]", "[db:3306, db2:3306]"},
		{"[db:3306]", "['']"},
		{"  user: slipway\n", ""},
		{"user: slipway", "user: ''"},
		{"user: slipway", "user: 5"},
		{"${PW}", "hunter2"},
		{"${PW}", "x${PW}"},
		{"  user: slipway", "  user: slipway\n  rds: {instanceId: x}"},
		{"  user: slipway", "  user: slipway\n  tls: {mode: preferred}"},
		{"  user: slipway", "  user: slipway\n  tls: {mode: required, cert: x.pem}"},
		{"  user: slipway", "  user: slipway\n  tls: {mode: required, key: x.pem}"},
		{"  user: slipway", "  user: slipway\n  tls: {mode: required, cert: '', key: x.pem}"},
		{`"5"`, "5"},
		{`"5"`, `"4"`},
		{"  version: \"5\"\n", ""},
		{"mq:8081", ""},
		{"topic: shop", "topic: a.b"},
		{"  topic: shop", "  topic: shop\n  ddlTopic: a b"},
		{"  topic: shop", "  topic: shop\n  accessKey: ${PW}"},
		{"  topic: shop", "  topic: shop\n  tls: {mode: verify-ca}"},
		{"  - match: shop.*\n", ""},
		{"  - match: shop.*", "  - topic: shop"},
		{"  - match: shop.*", "  - match: shop"},
		{"  - match: shop.*", "  - match: a.b.c"},
		{"  - match: shop.*", "  - match: '`a.b'"},
		{"  - match: shop.*", "  - match: shop.*\n    exlude: []"},
		{"  - match: shop.*", "  - match: shop.*\n    keyColumns: []"},
		{"  - match: shop.*", "  - match: shop.*\n    keyColumns: [a, a]"},
		{"  - match: shop.*", "  - match: shop.*\n    keyColumns: ['']"},
		{"  - match: shop.*", "  - match: shop.*\n    topic: a/b"},
		{"  - match: shop.*", "  - match: shop.*\n    dml: [insert]"},
	} {
		text := base + c.text
		if c.old != "" {
			text = edit(t, c.old, c.text)
		}
		if _, err := task.Load("shop.yaml", []byte(text), env); err == nil {
			t.Errorf("Load takes %q", c.text)
		}
		if err := checkAgainst(schema, text); err == nil {
			t.Errorf("the schema takes %q", c.text)
		}
	}
}

// awkwardValues are put at every key: each is right for some of them.
var awkwardValues = []any{
	"", "x", "5", "${HOST}", "${EMPTY}", "$${HOST}", "a${HOST}", "$$${", "key", "table", "canal-json", "fail", "error", "default", "full",
	"incremental", "now", "disabled", "required", "verify-ca", "verify-identity", "a.b", "*.*", "`a``.b`.`*`", "a\u00a0b.c", "ü.ß",
	"db:1", "[::1]:1", "file:///x", "s3://b", "oss://b/p?region=r", "+08:00", "UTC", "1s", "+90m", "1h30m0.5s", "90", "0", "2000", "0002000",
	"2 KiB", "1MB", "4194304B", strings.Repeat("x", 64), strings.Repeat("$${", 32), 0, 1, 64, 1024, 1025, 5000, 1_000_000, 4 << 20, -1, 1.5, true, nil,
	[]any{},
	[]any{"full"},
	[]any{"incremental"},
	[]any{"full", "incremental"},
	[]any{"${HOST}"},
	[]any{"a.b"},
	[]any{"shop.x*"},
	[]any{"x", "y"},
	[]any{"x", "x"},
	[]any{"db"},
	[]any{""},
	[]any{5},
	map[string]any{},
	map[string]any{"mode": "required"},
	map[string]any{"maxRows": 7},
}

// fullTree is the file with every key, to be changed.
func fullTree(t interface {
	Helper()
	Fatal(...any)
},
) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Load(text, &tree); err != nil {
		t.Fatal(err)
	}
	tree["timezone"] = "+00:00" // a zone's name costs a look into the zones
	delete(tree["objects"].([]any)[0].(map[string]any), "exclude")
	return tree
}

// put sets the value at path, or takes the key away; a path through what isn't there changes nothing.
func put(tree map[string]any, path string, value any, remove bool) {
	key, rest, deeper := strings.Cut(path, ".")
	switch key, inList := strings.CutSuffix(key, "[]"); {
	case !deeper && remove:
		delete(tree, key)
	case !deeper:
		tree[key] = value
	case inList:
		if list, ok := tree[key].([]any); ok && len(list) > 0 {
			if one, ok := list[0].(map[string]any); ok {
				put(one, rest, value, remove)
			}
		}
	default:
		if one, ok := tree[key].(map[string]any); ok {
			put(one, rest, value, remove)
		}
	}
}

// accepted tells whether Load takes the tree, and holds the schema to take it then.
func accepted(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, schema *jsonschema.Schema, tree map[string]any,
) bool {
	text, err := yaml.Dump(tree)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.Load("full.yaml", text, env); err != nil {
		return false
	}
	checkSchema(t, schema, string(text))
	return true
}

func TestSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	schema := schemaFile(t)
	loaded := map[string]int{}
	for _, path := range task.TaskPaths() {
		for i := range awkwardValues {
			tree := fullTree(t)
			if path == "start" {
				tree["stages"] = []any{"incremental"}
			}
			put(tree, path, awkwardValues[i], i == 0)
			if accepted(t, schema, tree) {
				loaded[path]++
			}
		}
	}
	for _, path := range task.TaskPaths() {
		if loaded[path] == 0 && !slices.Contains([]string{"source", "destination", "objects"}, path) {
			t.Errorf("no value of %s loads: give it one", path)
		}
	}
}

func TestSchemaAcceptsAnyMixThatLoads(t *testing.T) {
	schema := schemaFile(t)
	paths := task.TaskPaths()
	rapid.Check(t, func(t *rapid.T) {
		tree := fullTree(t)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			path := rapid.SampledFrom(paths).Draw(t, "path")
			put(tree, path, rapid.SampledFrom(awkwardValues).Draw(t, "value"), rapid.IntRange(0, 3).Draw(t, "remove") == 0)
		}
		accepted(t, schema, tree)
	})
}
