// SPDX-License-Identifier: Apache-2.0

// Command schema writes the JSON Schema of the task file. Descriptions come from the document that explains the keys, so no
// text is written twice: of a key's row the last cell, of a section about a key its first paragraph.
package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"slipway/shared/task"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: schema DOCUMENT.md SCHEMA.json")
	}
	document, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	descriptions := explain(string(document))
	out, err := task.Schema(func(path string) string { return descriptions[path] })
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], out, 0o644)
}

var (
	row     = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.* \\| .* \\| (.*) \\|$")
	section = regexp.MustCompile("(?m)^###? `([^`]+)`\n\n((?:[^|#\n].*\n)+)")
	heading = regexp.MustCompile("(?m)^# .*\n\n((?:.+\n)+)")
)

// explain gives each key's description by its path, and the file's by "".
func explain(document string) map[string]string {
	out := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(document, -1) {
		out[m[1]] = m[2]
	}
	for _, m := range section.FindAllStringSubmatch(document, -1) {
		out[m[1]] = paragraph(m[2])
	}
	if m := heading.FindStringSubmatch(document); m != nil {
		out[""] = paragraph(m[1])
	}
	return out
}

func paragraph(lines string) string { return strings.Join(strings.Fields(lines), " ") }
