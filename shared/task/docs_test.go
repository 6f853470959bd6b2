// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"slipway/shared/task"
)

const documentation = "../../docs/configuration.md"

func readDocumentation(t *testing.T) (configuration, notBuilt string) {
	t.Helper()
	text, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	configuration, notBuilt, ok := strings.Cut(string(text), "\n## Not built yet\n")
	if !ok {
		t.Fatal("the document has no section \"Not built yet\"")
	}
	return configuration, notBuilt
}

var (
	keyRow  = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(?: .* \\| (.*) \\| .* \\||.*)$")
	keyHead = regexp.MustCompile("(?m)^###? `([^`]+)`$")
	block   = regexp.MustCompile("(?s)```yaml\n(.*?)```")
)

// Every key of a task has a row or a heading in the document, and the other way
// round; so have the refused ones in their own section.
func TestDocumentationHasEveryKey(t *testing.T) {
	configuration, notBuilt := readDocumentation(t)
	var documented []string
	for _, m := range slices.Concat(keyRow.FindAllStringSubmatch(configuration, -1), keyHead.FindAllStringSubmatch(configuration, -1)) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Sorted(slices.Values(task.TaskPaths())), documented); diff != "" {
		t.Errorf("-code +document:\n%s", diff)
	}
	var refused []string
	for _, m := range keyRow.FindAllStringSubmatch(notBuilt, -1) {
		refused = append(refused, m[1])
	}
	if diff := cmp.Diff(task.NotBuilt(), refused); diff != "" {
		t.Errorf("not built: -code +document:\n%s", diff)
	}
}

// The documented defaults are what an otherwise empty task resolves to; a dash
// is a key that isn't there then; "required" is a key whose lack is a problem.
func TestDocumentationHasTheDefaults(t *testing.T) {
	resolved, err := load(t, edit(t, "  password: ${PW}\n", "")).Resolved()
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Load(resolved, &root); err != nil {
		t.Fatal(err)
	}
	_, err = task.Load("Bad_Name.yaml", []byte("source: {}\ndestination: {}\nobjects: [{}]\n"), env)
	missing := err.Error()
	configuration, _ := readDocumentation(t)
	for _, m := range keyRow.FindAllStringSubmatch(configuration, -1) {
		path, documented := m[1], strings.Trim(m[2], "`")
		value := valueAt(root.Content[0], path)
		switch {
		case path == "name":
			// Its default is explained in words and pinned by TestLoadFillsDefaults.
		case documented == "required":
			if !strings.Contains(missing, strings.Replace(path, "[]", "[0]", 1)+": ") {
				t.Errorf("%s isn't required:\n%s", path, missing)
			}
		case documented == "—":
			if value != "" {
				t.Errorf("%s has the default %s", path, value)
			}
		case documented == "destination.topic":
			if value != valueAt(root.Content[0], documented) {
				t.Errorf("%s isn't %s", path, documented)
			}
		case value != documented:
			t.Errorf("%s: documented %q, is %q", path, documented, value)
		}
	}
}

// valueAt is the text of the value at path, "" when it isn't there.
func valueAt(n *yaml.Node, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		key, inList := strings.CutSuffix(key, "[]")
		i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Value == key })
		if i < 0 {
			return ""
		}
		n = n.Content[i+1]
		if inList {
			n = n.Content[0]
		}
	}
	if n.Kind == yaml.SequenceNode {
		var items []string
		for _, c := range n.Content {
			items = append(items, c.Value)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return n.Value
}

func TestDocumentationExamplesLoad(t *testing.T) {
	configuration, _ := readDocumentation(t)
	blocks := block.FindAllStringSubmatch(configuration, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		if _, err := task.Load("example.yaml", []byte(b[1]), func(string) (string, bool) { return "x", true }); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
}
