// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"slipway/shared/task"
)

// Text of any looks, also what YAML would rather take for a number, a date, a
// list or a comment, is read as it was meant and survives rendering.
func TestResolvedKeepsAnyText(t *testing.T) {
	awkward := rapid.SampledFrom([]string{
		"yes", "null", "~", "1e3", "0x1F", "0777", "1_000", "2026-01-02", "<<", "- a", "a: b", "#x", "x #y", "*a", "&a", "!t",
		"|", ">", "{a", "[a", "'", `"`, `\`, "%", "@", "`", " a", "a ", "...", "---", "$${", "${PW", "$", "${", "${HOST}", "=", "?", "",
	})
	text := rapid.Custom(func(t *rapid.T) string {
		s := awkward.Draw(t, "awkward")
		if rapid.Bool().Draw(t, "more") {
			s += rapid.StringOf(rapid.RuneFrom([]rune("aZ0é漢😀 :#-,[]{}$'\"`\\\u00a0"))).Draw(t, "tail")
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		user, column := "u"+text.Draw(t, "user"), "c"+text.Draw(t, "column")
		if rapid.Bool().Draw(t, "bare") {
			user, column = user[1:], column[1:]
		}
		quoted := func(s string) string {
			out, err := json.Marshal(strings.ReplaceAll(s, "${", "$${"))
			if err != nil {
				t.Fatal(err)
			}
			return string(out)
		}
		file := strings.Replace(base, "user: slipway", "user: "+quoted(user), 1) + "    keyColumns: [" + quoted(column) + "]\n"
		first, err := task.Load("shop.yaml", []byte(file), env)
		if user == "" || column == "" {
			if err == nil {
				t.Fatal("an empty user or column is taken")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if first.Source.User != user || first.Objects[0].KeyColumns[0] != column {
			t.Fatalf("%q %q read as %q %q", user, column, first.Source.User, first.Objects[0].KeyColumns[0])
		}
		rendered, err := first.Resolved()
		if err != nil {
			t.Fatal(err)
		}
		second, err := task.Load("shop.yaml", rendered, env)
		if err != nil {
			t.Fatalf("%v\n%s", err, rendered)
		}
		if diff := cmp.Diff(first, second, sameTask); diff != "" {
			t.Fatalf("%s\n%s", diff, rendered)
		}
	})
}
