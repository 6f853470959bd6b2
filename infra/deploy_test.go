// SPDX-License-Identifier: Apache-2.0

// Package infra_test checks that what is deployed fits together: s.yaml, the workflow, the roles and the functions.
package infra_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"slipway/shared/flow"
)

var (
	environment = regexp.MustCompile(`\$\{env\('([A-Z_]+)'\)\}`)
	variable    = regexp.MustCompile(`\$\{vars\.([a-z]+)\}`)
)

// resource is one entry of s.yaml with its variables filled in, as Serverless Devs does before validating.
type resource struct {
	Component string
	Actions   map[string][]struct{ Run, Path string }
	Props     map[string]any
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func resources(t *testing.T) map[string]resource {
	t.Helper()
	text := environment.ReplaceAllString(string(read(t, "s.yaml")), "$1")
	var file struct {
		Edition   string
		Vars      map[string]any
		Resources map[string]resource
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	if file.Edition != "3.0.0" {
		t.Errorf("edition %q", file.Edition)
	}
	for name, r := range file.Resources {
		filled := fill(t, r.Props, file.Vars)
		r.Props = filled.(map[string]any)
		file.Resources[name] = r
	}
	return file.Resources
}

// fill replaces ${vars.x}: a whole value by whatever x is, a part of a text by text.
func fill(t *testing.T, v any, vars map[string]any) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = fill(t, value, vars)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = fill(t, value, vars)
		}
		return out
	case string:
		found := variable.FindStringSubmatch(v)
		if found == nil {
			return v
		}
		value, ok := vars[found[1]]
		if !ok {
			t.Errorf("%s is not among the vars", v)
		}
		if v == found[0] {
			return value
		}
		return variable.ReplaceAllString(v, fmt.Sprint(value))
	}
	return v
}

// asJSON gives the value as a JSON decoder would.
func asJSON(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func schema(t *testing.T) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(read(t, "infra/testdata/fc3-schema.json"))))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("fc3.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("fc3.json")
	if err != nil {
		t.Fatal(err)
	}
	return s, doc.(map[string]any)
}

func functions() []string { return []string{"plan", "precheck", "settle", "snapshot", "tail"} }

func TestFunctionsFitTheComponentsSchema(t *testing.T) {
	s, doc := schema(t)
	var names []string
	for name, r := range resources(t) {
		if r.Component != "fc3" {
			continue
		}
		names = append(names, name)
		props := asJSON(t, r.Props)
		if err := s.Validate(props); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The schema itself lets unknown keys pass.
		for _, key := range unknownKeys(doc, doc, props, name) {
			t.Errorf("%s is no key of the component", key)
		}
		if r.Props["functionName"] != "slipway-"+name || r.Props["role"] != "acs:ram::ALIBABA_ACCOUNT_ID:role/slipway-"+name {
			t.Errorf("%s: function %v with role %v", name, r.Props["functionName"], r.Props["role"])
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, functions()) {
		t.Errorf("functions %q, want %q", names, functions())
	}
}

// TestTheSchemaBites: the validation above can fail.
func TestTheSchemaBites(t *testing.T) {
	s, doc := schema(t)
	props := resources(t)["tail"].Props
	for name, change := range map[string]func(map[string]any){
		"timeout over a day":     func(p map[string]any) { p["timeout"] = 86401 },
		"odd memory":             func(p map[string]any) { p["memorySize"] = 1000 },
		"no image configuration": func(p map[string]any) { delete(p, "customContainerConfig") },
		"unknown region":         func(p map[string]any) { p["region"] = "mars-1" },
		"too many retries":       func(p map[string]any) { p["asyncInvokeConfig"] = map[string]any{"maxAsyncRetryAttempts": 9} },
	} {
		broken := maps.Clone(props)
		change(broken)
		if s.Validate(asJSON(t, broken)) == nil {
			t.Errorf("%s passed", name)
		}
	}
	broken := maps.Clone(props)
	broken["asyncInvokeConfig"] = map[string]any{"asyncTasks": true}
	if got := unknownKeys(doc, doc, asJSON(t, broken), "tail"); len(got) != 1 || got[0] != "tail.asyncInvokeConfig.asyncTasks" {
		t.Errorf("unknown keys %q", got)
	}
}

// unknownKeys walks objects along the schema's properties and reports keys it doesn't name.
func unknownKeys(root, schema map[string]any, value any, path string) []string {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/definitions/")
		schema = root["definitions"].(map[string]any)[name].(map[string]any)
	}
	object, isObject := value.(map[string]any)
	properties, closed := schema["properties"].(map[string]any)
	if !isObject || !closed {
		return nil
	}
	var unknown []string
	for key, inner := range object {
		property, ok := properties[key].(map[string]any)
		if !ok {
			unknown = append(unknown, path+"."+key)
			continue
		}
		unknown = append(unknown, unknownKeys(root, property, inner, path+"."+key)...)
	}
	return unknown
}

// TestTheTailIsDeployedAsTheWorkflowExpects: async-task mode without retries of its own, the whole day, the hooks that
// shared/fc serves.
func TestTheTailIsDeployedAsTheWorkflowExpects(t *testing.T) {
	p := resources(t)["tail"].Props
	for path, want := range map[string]any{
		"timeout": 86400, "instanceConcurrency": 1, "asyncInvokeConfig.asyncTask": true, "asyncInvokeConfig.maxAsyncRetryAttempts": 0,
		"customContainerConfig.port": 9000, "customContainerConfig.healthCheckConfig.httpGetUrl": "/healthz",
		"instanceLifecycleConfig.preStop.timeout": 90,
	} {
		var at any = p
		for step := range strings.SplitSeq(path, ".") {
			at = at.(map[string]any)[step]
		}
		if fmt.Sprint(at) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", path, at, want)
		}
	}
}

func TestTheWorkflowCallsTheDeployedFunctions(t *testing.T) {
	all := resources(t)
	p := all["flow"].Props
	if _, err := flow.Parse(read(t, p["definition"].(string))); err != nil {
		t.Error(err)
	}
	if p["type"] != "FDL" || p["executionMode"] != "Standard" || p["roleArn"] != "acs:ram::ALIBABA_ACCOUNT_ID:role/slipway-flow" {
		t.Errorf("the flow is deployed as %v", p)
	}
	called := map[string]bool{}
	for _, found := range regexp.MustCompile(`functions/(slipway-[a-z]+)/LATEST`).FindAllStringSubmatch(string(read(t, "infra/flow.yaml")), -1) {
		called[found[1]] = true
	}
	for _, name := range functions() {
		if !called["slipway-"+name] {
			t.Errorf("the workflow never calls %s", name)
		}
	}
	if len(called) != len(functions()) {
		t.Errorf("the workflow calls %v", called)
	}
}

// TestRolesAreLeast: who may delete, who may call whom; nothing is allowed that this test does not name.
func TestRolesAreLeast(t *testing.T) {
	const readWrite = "log:PostLogStoreLogs oss:GetObject oss:ListObjects oss:PutObject"
	for name, want := range map[string]string{
		"precheck": readWrite, "plan": readWrite, "snapshot": readWrite, "settle": "oss:DeleteObject " + readWrite,
		"tail": "fnf:ReportTaskFailed fnf:ReportTaskSucceeded oss:DeleteObject " + readWrite, "flow": "fc:InvokeFunction",
	} {
		var policy struct {
			Version   string
			Statement []struct {
				Effect           string
				Action, Resource []string
			}
		}
		if err := json.Unmarshal(read(t, "infra/ram/"+name+".json"), &policy); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var actions []string
		for _, s := range policy.Statement {
			if s.Effect != "Allow" || len(s.Resource) == 0 {
				t.Errorf("%s: %+v", name, s)
			}
			for _, r := range s.Resource {
				if r == "*" && !strings.HasPrefix(s.Action[0], "fnf:ReportTask") {
					t.Errorf("%s may %v everywhere", name, s.Action)
				}
			}
			actions = append(actions, s.Action...)
		}
		slices.Sort(actions)
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		if policy.Version != "1" || !slices.Equal(actions, wanted) {
			t.Errorf("%s may %q, want %q", name, actions, wanted)
		}
	}
}
