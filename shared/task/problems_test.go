// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/task"
)

// problemCase edits the base file, or with no `old` adds a line 13 to it, and
// says what Load reports.
type problemCase struct {
	name, old, text string
	want            []string
}

func checkProblems(t *testing.T, cases []problemCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := base + c.text
			if c.old != "" {
				text = edit(t, c.old, c.text)
			}
			if diff := cmp.Diff(c.want, problemsOf(t, text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := task.Load("shop.yaml", []byte(text), env)
	if err == nil {
		t.Fatal("loaded")
	}
	problems, ok := errors.AsType[*task.Problems](err)
	if !ok {
		t.Fatalf("error %T", err)
	}
	var got []string
	for _, p := range problems.List {
		got = append(got, strings.TrimPrefix(p.String(), "shop.yaml:"))
	}
	return got
}

func TestProblemsAreReportedTogetherInOrder(t *testing.T) {
	const text = `soruce: {}
source: {hosts: [a, b], user: 5, password: hunter2, usr: x}
lanes: 9999
destination: {version: "6", endpoint: h}
objects: [{match: 'a.*', filter: x}, {match: a.b*}]
lanes: 3
etl: ''
`
	want := []string{
		`1:1: soruce: unknown key; did you mean source?`,
		`1:1: state: missing; expected the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix`,
		`2:21: source.hosts[1]: a second host is not built yet; expected one host:port`,
		`2:31: source.user: expected text, got the number 5; put it in quotes`,
		`2:44: source.password: expected a reference to an environment variable, such as ${SOURCE_PASSWORD}, and nothing else; secrets don't stand in the file`,
		`2:53: source.usr: unknown key; did you mean user?`,
		`3:8: lanes: expected a number from 1 to 1024, got 9999`,
		`4:14: destination.topic: missing; expected a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, % and |`,
		`4:24: destination.version: expected "5", got "6"`,
		`4:39: destination.endpoint: expected host:port, got "h"`,
		`5:26: objects[0].filter: not built yet; leave it out`,
		`5:46: objects[1].match: a.*, in line 5, already selects every table of a.b*; exclude it there or drop one`,
		`6:1: lanes: duplicate key, already given in line 3`,
		`7:1: etl: not built yet; leave it out`,
	}
	if diff := cmp.Diff(want, problemsOf(t, text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProblemsOfTheDocument(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `1:1: expected a task file, got an empty one`},
		{"comment only", "# nothing\n", `1:1: expected a task file, got an empty one`},
		{"two documents", base + "---\nname: x\n", `13:1: expected one YAML document, got a second one`},
		{"a list", "- a\n", `1:1: expected the keys of a task file, got a list`},
		{"text", "hello\n", `1:1: expected the keys of a task file, got "hello"`},
		{"unclosed list", "name: x\nstages: [full\nstate: y\n", `3:6: expected YAML: did not find expected ',' or ']' while parsing a flow sequence`},
		{"tab", "name:\n\t- b", `2:1: expected YAML: found character that cannot start any token while scanning for the next token`},
		{"unknown alias", "source:\n  password: *hunter2\n", `2:13: expected YAML: expected values written out; YAML aliases (*name) aren't used in a task file`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.want}, problemsOf(t, c.text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestProblemsOfKeys(t *testing.T) {
	checkProblems(t, []problemCase{
		{"misspelt", "", "lane: 3\n", []string{`13:1: lane: unknown key; did you mean lanes?`}},
		{"case", "  user:", "  User:", []string{`4:3: source.user: missing; expected the MySQL account`, `5:3: source.User: unknown key; did you mean user?`}},
		{"elsewhere", "", "ddlTopic: x\n", []string{`13:1: ddlTopic: unknown key here; it belongs at destination.ddlTopic`}},
		{"nothing near", "", "packing: {zzz: 1}\n", []string{`13:11: packing.zzz: unknown key; expected one of maxRows, maxBytes`}},
		{"in a list", "  - match: shop.*", "  - match: shop.*\n    exlude: []", []string{`13:5: objects[0].exlude: unknown key; did you mean exclude?`}},
		{"duplicate", "", "name: x\n", []string{`13:1: name: duplicate key, already given in line 1`}},
		{"nested duplicate", "  user: slipway", "  user: slipway\n  user: slipway", []string{`6:3: source.user: duplicate key, already given in line 5`}},
		{"key is a list", "", "[a]: b\n", []string{`13:1: expected the name of a key, got a list`}},
		{"merge", "", "<<: {lanes: 3}\n", []string{`13:1: <<: unknown key; expected one of name, environment, stages, start, state, source, destination, objects, format, order, lanes, packing, largeMessage, onConflict, capitalization, timezone, limits, retry, accept`}},
		{"control character", "", "\"la\\nnes\": 3\n", []string{`13:1: "la\nnes": unknown key; did you mean lanes?`}},
	})
}

func TestProblemsOfTypes(t *testing.T) {
	checkProblems(t, []problemCase{
		{"text for a number", "", "lanes: many\n", []string{`13:8: lanes: expected a whole number, got "many"`}},
		{"fraction", "", "lanes: 1.5\n", []string{`13:8: lanes: expected a whole number, got the number 1.5`}},
		{"quoted number", "", "lanes: \"64\"\n", []string{`13:8: lanes: expected a whole number, got "64"`}},
		{"too many digits", "", "lanes: 99999999999999999999\n", []string{`13:8: lanes: expected a whole number, got the number 99999999999999999999`}},
		{"number for text", `"5"`, "5", []string{`8:12: destination.version: expected text, got the number 5; put it in quotes`}},
		{"bool for text", "slipway\n  pass", "true\n  pass", []string{`5:9: source.user: expected text, got true; put it in quotes`}},
		{"date for text", "", "environment: 2026-01-02\n", []string{`13:14: environment: expected text, got the date 2026-01-02; put it in quotes`}},
		{"nothing for text", "mq:8081", "", []string{`9:12: destination.endpoint: expected text, got nothing`}},
		{"list for text", "", "environment: [a]\n", []string{`13:14: environment: expected text, got a list`}},
		{"text for a list", "", "stages: full\n", []string{`13:9: stages: expected a list, got "full"`}},
		{"text for keys", "", "packing: small\n", []string{`13:10: packing: expected keys and values, got "small"`}},
		{"nothing for keys", "", "retry:\n", []string{`13:7: retry: expected keys and values, got nothing`}},
		{"alias", "user: slipway", "user: &a slipway\n  tls: {ca: *a}", []string{`6:13: source.tls.ca: expected text, got a YAML alias (write the value out)`}},
		{"tagged", "", "environment: !!binary aGk=\n", []string{`13:14: environment: expected text, got a value tagged !!binary`}},
		{"control character", "", `environment: "a\x07"` + "\n", []string{`13:14: environment: expected text without control characters`}},
	})
}

func TestProblemsOfSecrets(t *testing.T) {
	const want = "expected a reference to an environment variable, such as ${SOURCE_PASSWORD}, and nothing else; secrets don't stand in the file"
	for _, literal := range []string{"hunter2", "'$hunter2'", "12345", "''", "'x${PW}'", "${PW}x", "'${}'", "[a]", "", "$${PW}"} {
		got := problemsOf(t, edit(t, "${PW}", literal))
		if len(got) != 1 || !strings.HasPrefix(got[0], "6:") || !strings.HasSuffix(got[0], ": source.password: "+want) {
			t.Errorf("%s: got %q", literal, got)
		}
	}
	checkProblems(t, []problemCase{
		{"unset", "${PW}", "${NOPE}", []string{`6:13: source.password: environment variable NOPE isn't set; export it`}},
		{"unset in text", "mq:8081", "${NOPE}:${NOR_THIS}", []string{
			`9:13: destination.endpoint: environment variable NOPE isn't set; export it`,
			`9:13: destination.endpoint: environment variable NOR_THIS isn't set; export it`,
		}},
		{"not a reference", "mq:8081", "'${no-name}:1'", []string{`9:13: destination.endpoint: expected ${NAME} with the name of an environment variable; write $${ for a plain ${`}},
		{"unclosed", "mq:8081", "'${HOST:1'", []string{`9:13: destination.endpoint: expected ${NAME} with the name of an environment variable; write $${ for a plain ${`}},
		{"half of the pair", "  topic: shop", "  topic: shop\n  accessKey: ${PW}", []string{`8:3: destination.secretKey: missing; expected the secret that belongs to destination.accessKey`}},
		{"other half", "  topic: shop", "  topic: shop\n  secretKey: ${PW}", []string{`8:3: destination.accessKey: missing; expected the access key that belongs to destination.secretKey`}},
		{"in the state URL", "file:///var/lib/slipway", "s3://b/p?secretKey=${PW}", []string{`2:8: state: expected no credentials in the URL; give them to the process by its environment or role`}},
		{"as the state's user", "file:///var/lib/slipway", "s3://u:p@b/p", []string{`2:8: state: expected no credentials in the URL; give them to the process by its environment or role`}},
		{"a value never echoes", "mq:8081", "'${PW}'", []string{`9:13: destination.endpoint: expected host:port, got "${PW}"`}},
	})
}
