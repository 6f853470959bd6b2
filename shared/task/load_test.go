// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slipway/shared/task"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sameTask compares what a task file can say.
var sameTask = cmp.Options{cmpopts.IgnoreUnexported(task.Task{}), cmpopts.EquateEmpty()}

// base is the smallest task file; the cases below edit it.
const base = `name: shop
state: file:///var/lib/slipway
source:
  hosts: [db:3306]
  user: slipway
  password: ${PW}
destination:
  version: "5"
  endpoint: mq:8081
  topic: shop
objects:
  - match: shop.*
`

const secretValue = "correct horse battery staple"

// env knows three variables; PW's value must show nowhere.
func env(name string) (string, bool) {
	value, ok := map[string]string{"PW": secretValue, "HOST": "db.example.com", "EMPTY": ""}[name]
	return value, ok
}

func load(t *testing.T, text string, opts ...task.LoadOption) *task.Task {
	t.Helper()
	got, err := task.Load("shop.yaml", []byte(text), env, opts...)
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return got
}

// edit replaces one piece of base, which must be there once.
func edit(t *testing.T, old, replacement string) string {
	t.Helper()
	if strings.Count(base, old) != 1 {
		t.Fatalf("%q is in the base file %d times", old, strings.Count(base, old))
	}
	return strings.Replace(base, old, replacement, 1)
}

func TestLoadFillsDefaults(t *testing.T) {
	got := load(t, strings.Replace(base, "name: shop\n", "", 1))
	want := &task.Task{
		Name:   "shop",
		Stages: []task.Stage{task.StageFull, task.StageIncremental},
		State:  "file:///var/lib/slipway",
		Source: task.Source{
			Hosts: []string{"db:3306"}, User: "slipway", Password: task.NewSecret("PW", secretValue),
			TLS: task.SourceTLS{Mode: task.TLSDisabled},
		},
		Destination: task.Destination{
			Version: "5", Endpoint: "mq:8081", TLS: task.DestinationTLS{Mode: task.TLSDisabled},
			Topic: "shop", DDLTopic: "shop",
		},
		Objects:        []task.Object{{Match: pattern(t, "shop.*")}},
		Format:         task.CanalJSON,
		Order:          task.OrderKey,
		Lanes:          64,
		Packing:        task.Packing{MaxRows: 500, MaxBytes: 256 * 1024},
		LargeMessage:   task.LargeMessageFail,
		OnConflict:     task.OnConflictError,
		Capitalization: "default",
		Timezone:       "+00:00",
		Retry:          task.Retry{Connection: task.Duration(12 * time.Hour), Other: task.Duration(10 * time.Minute)},
	}
	if diff := cmp.Diff(want, got, sameTask); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !got.Full() || !got.Incremental() {
		t.Error("both stages are the default")
	}
}

func TestLoadIncrementalOnlyStartsNow(t *testing.T) {
	got := load(t, base+"stages: [incremental]\n")
	if got.Start != "now" || got.Full() || !got.Incremental() {
		t.Errorf("start %q, full %v, incremental %v", got.Start, got.Full(), got.Incremental())
	}
	if got := load(t, base+"stages: [full]\n"); got.Start != "" || !got.Full() || got.Incremental() {
		t.Errorf("start %q, full %v, incremental %v", got.Start, got.Full(), got.Incremental())
	}
}

func TestLoadResolvesEnvironmentInText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"${HOST}", "db.example.com"},
		{"a-${HOST}-${HOST}", "a-db.example.com-db.example.com"},
		{"$${HOST}", "${HOST}"},
		{"$$${HOST}", "$${HOST}"},
		{"plain$", "plain$"},
		{"x${EMPTY}", "x"},
	} {
		if got := load(t, edit(t, "user: slipway", "user: '"+c.in+"'")); got.Source.User != c.want {
			t.Errorf("%s: got %q, want %q", c.in, got.Source.User, c.want)
		}
	}
}

func TestLoadAddsTheMySQLPort(t *testing.T) {
	for in, want := range map[string]string{
		"db": "db:3306", "10.0.0.1:3307": "10.0.0.1:3307", "'[::1]'": "[::1]:3306", "'[::1]:5'": "[::1]:5",
		"'${HOST}'": "db.example.com:3306", "db:03306": "db:3306",
	} {
		if got := load(t, edit(t, "[db:3306]", "["+in+"]")).Source.Hosts[0]; got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestLoadAllowUnset(t *testing.T) {
	text := strings.NewReplacer("${PW}", "${NO_PW}", "db:3306", "'${NO_HOST}'", "shop.*", "${NO_DB}.*").Replace(base)
	got := load(t, text, task.AllowUnset())
	if diff := cmp.Diff([]string{"NO_DB", "NO_HOST", "NO_PW"}, got.Unset()); diff != "" {
		t.Errorf("unset:\n%s", diff)
	}
	if got.Source.Hosts[0] != "${NO_HOST}" || got.Source.Password.String() != "${NO_PW}" || got.Source.Password.Reveal() != "" {
		t.Errorf("got %+v", got.Source)
	}
	text = strings.Replace(text, "user: slipway", "user: 5", 1)
	if _, err := task.Load("shop.yaml", []byte(text), env, task.AllowUnset()); err == nil {
		t.Error("the rest of the file is still checked")
	}
}

func TestFullFileGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := load(t, string(text)).Resolved()
	if err != nil {
		t.Fatal(err)
	}
	golden := "testdata/full.resolved.yaml"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// The full file has every key of a task, so the golden pins them all.
	for _, path := range task.TaskPaths() {
		key := path[strings.LastIndex(path, ".")+1:]
		if path != "start" && !strings.Contains(string(text), key+":") {
			t.Errorf("testdata/full.yaml lacks %s", path)
		}
	}
}

func TestEveryExampleLoads(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("examples: %v %v", files, err)
	}
	environment := func(name string) (string, bool) {
		switch {
		case name == "HOME":
			return "/home/user", true
		case strings.HasSuffix(name, "_ENDPOINT"):
			return "host.example.com:8081", true
		}
		return "value", true
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=../docs/task.schema.json\n") {
			t.Errorf("the first line of %s doesn't name the schema, relative to it", file)
		}
		if _, err := task.Load(file, text, environment); err != nil {
			t.Errorf("with its variables set:\n%v", err)
		}
		if _, err := task.Load(file, text, nil, task.AllowUnset()); err != nil && !strings.Contains(err.Error(), "${HOME}") {
			t.Errorf("with nothing set:\n%v", err)
		}
	}
}

// FuzzTaskFile: nothing panics, and what loads is right by the schema and renders
// as a file that loads equal, with the same hash, and renders the same again.
func FuzzTaskFile(f *testing.F) {
	schema := schemaFile(f)
	f.Add(base, false)
	f.Add(strings.Replace(base, "slipway", "'$${PW}${PW}${NOPE}\u00e9'", 1), true)
	f.Add(strings.Replace(base, "shop.*", "'`a.b``c`.`*`'", 1), false)
	if full, err := os.ReadFile("testdata/full.yaml"); err == nil {
		f.Add(string(full), false)
	}
	f.Fuzz(func(t *testing.T, text string, allowUnset bool) {
		var opts []task.LoadOption
		if allowUnset {
			opts = append(opts, task.AllowUnset())
		}
		first, err := task.Load("fuzz.yaml", []byte(text), env, opts...)
		if err != nil {
			problems, ok := errors.AsType[*task.Problems](err)
			if !ok || len(problems.List) == 0 {
				t.Fatalf("error %T with no problems", err)
			}
			for _, p := range problems.List {
				if p.Line < 1 || p.Column < 1 || p.What == "" {
					t.Fatalf("problem without a place or a text: %+v", p)
				}
			}
			return
		}
		checkSchema(t, schema, text)
		rendered, err := first.Resolved()
		if err != nil {
			t.Fatal(err)
		}
		second, err := task.Load("other.yaml", rendered, env, opts...)
		if err != nil {
			t.Fatalf("the rendering doesn't load: %v\n%s", err, rendered)
		}
		if diff := cmp.Diff(first, second, sameTask); diff != "" {
			t.Fatalf("the rendering loads as another task:\n%s\n%s", diff, rendered)
		}
		again, err := second.Resolved()
		if err != nil || string(again) != string(rendered) || first.Hash() != second.Hash() {
			t.Fatalf("the rendering isn't stable: %v\n%s\n%s", err, rendered, again)
		}
	})
}
