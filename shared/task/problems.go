// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a task file.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1; the column in characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the key, such as objects[0].match; "" for the file as a whole.
	Path string `json:"path"`
	// What says what was expected, and the remedy where it isn't plain.
	What string `json:"what"`
}

// String is "file:line:column: path: what".
func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.What)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Path, p.What)
}

// Problems is the error of Load: everything wrong with the file, in the order
// of its lines. It never holds a secret's value.
type Problems struct {
	List []Problem
}

// Error has one problem per line.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) sort() {
	slices.SortStableFunc(p.List, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}
