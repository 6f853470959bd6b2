// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEveryPairOfValuesMeetsInACellOfCI(t *testing.T) {
	cells, err := choose(pairwise())
	if err != nil {
		t.Fatal(err)
	}
	pairs := func(c cell) []string {
		return []string{c.version + " " + c.metadata, fmt.Sprint(c.version, " ", c.tls), fmt.Sprint(c.metadata, " ", c.tls)}
	}
	met := map[string]bool{}
	for _, c := range cells {
		for _, p := range pairs(c) {
			met[p] = true
		}
	}
	for _, c := range cross() {
		for _, p := range pairs(c) {
			if !met[p] {
				t.Errorf("%s meets in no cell of CI", p)
			}
		}
	}
}

func TestAnUnknownCellIsRefused(t *testing.T) {
	if _, err := choose([]string{"5.7-full"}); err == nil || !strings.Contains(err.Error(), "9.x-full-tls") {
		t.Errorf("%v, want an error that lists the cells", err)
	}
}

// said is what test2json makes of a program: each line is "action test output".
func said(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		f := strings.SplitN(l, " ", 3)
		fmt.Fprintf(&b, `{"Action":%q,"Test":%q,"Output":%q}`+"\n", f[0], f[1], strings.Join(f[2:], "")+"\n")
	}
	return b.String()
}

func TestResultsAreCounted(t *testing.T) {
	lacks := "output C x_test.go:7: this MySQL lacks roles: it is 5.7.22"
	for _, tt := range []struct {
		name, said, want string
		failed           string // in the output of a failure
	}{
		{"all passed", said("output A fine", "pass A", "pass A/sub", "pass B"), "3 ok, 0s", ""},
		{"what the server lacks", said("pass A", lacks, "skip C"), "1 ok, 1 skipped, 0s", ""},
		{"another skip", said("pass A", "output C no java", "skip C"), "1 ok, 1 FAILED, 0s", "no java"},
		{"a failure", said("pass A", "output B want 1", "fail B"), "1 ok, 1 FAILED, 0s", "want 1"},
		{"nothing ran", said("output  no tests to run", "pass "), "0 ok, 1 FAILED, 0s", "no tests to run"},
		{"all skipped", said(lacks, "skip C"), "0 ok, 1 skipped, 1 FAILED, 0s", "no test ran"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := readResult(strings.NewReader(tt.said))
			r.cell = cross()[0]
			if err != nil || r.String() != tt.want {
				t.Errorf("%s, %v, want %s", r.String(), err, tt.want)
			}
			var out strings.Builder
			err = report(&out, []cellResult{{cell: r.cell, suites: []suiteResult{r}}})
			if errors.Is(err, errFailed) != (tt.failed != "") || !strings.Contains(out.String(), tt.failed) || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v and\n%s", err, out.String())
			}
		})
	}
	if _, err := readResult(strings.NewReader("no JSON")); err == nil {
		t.Error("what isn't test2json's was read")
	}
}
