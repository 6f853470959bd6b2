// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/shared/servertest"
)

// cellResult is what a cell has shown.
type cellResult struct {
	cell    cell
	version string // of the server
	suites  []suiteResult
}

// suiteResult is what became of one package's tests, subtests included, in a cell.
type suiteResult struct {
	cell   cell
	pkg    string
	passed int
	// skipped has the reasons, by test: what the server's version lacks.
	skipped map[string]string
	// failed has the output, by test; "" is the program's as a whole.
	failed map[string]string
	output string // of no test
	took   time.Duration
}

// event is a line of test2json.
type event struct{ Action, Test, Output string }

// readResult follows a test program to its end.
func readResult(out io.Reader) (suiteResult, error) {
	r := suiteResult{skipped: map[string]string{}, failed: map[string]string{}}
	output := map[string]string{}
	for lines := json.NewDecoder(out); ; {
		var e event
		switch err := lines.Decode(&e); {
		case errors.Is(err, io.EOF):
			r.output = end(output[""])
			if r.passed == 0 && len(r.failed) == 0 {
				r.failed[""] = "no test ran\n" + r.output
			}
			return r, nil
		case err != nil:
			return r, fmt.Errorf("read what the tests say: %w", err)
		}
		switch e.Action {
		case "output":
			output[e.Test] += e.Output
		case "pass":
			if e.Test != "" {
				r.passed++
			}
		case "fail":
			if e.Test != "" {
				r.failed[e.Test] = end(output[e.Test])
			}
		case "skip":
			if e.Test != "" {
				r.skip(e.Test, output[e.Test])
			}
		}
		if e.Action != "output" && e.Test != "" {
			delete(output, e.Test)
		}
	}
}

// end is what a reader of a failure wants to see of a long output.
func end(output string) string {
	const most = 100
	lines := strings.SplitAfter(output, "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "")
}

// skip counts a test that was skipped for what the server lacks, and fails it for any other reason.
func (r *suiteResult) skip(test, output string) {
	_, reason, found := strings.Cut(output, servertest.Lacking)
	if !found {
		r.failed[test] = "skipped, but not for what this MySQL lacks:\n" + output
		return
	}
	reason, _, _ = strings.Cut(reason, "\n")
	r.skipped[test] = servertest.Lacking + reason
}

func (r *suiteResult) String() string {
	text := fmt.Sprint(r.passed, " ok")
	if n := len(r.skipped); n > 0 {
		text += fmt.Sprint(", ", n, " skipped")
	}
	if n := len(r.failed); n > 0 {
		text += fmt.Sprint(", ", n, " FAILED")
	}
	return text + fmt.Sprintf(", %.0fs", r.took.Seconds())
}

// report prints the failures, why tests were skipped, and the table; its error says whether a cell failed.
func report(out io.Writer, results []cellResult) error {
	failed := false
	for _, c := range results {
		for _, s := range c.suites {
			failed = s.printFailed(out) || failed
		}
	}
	for _, c := range results {
		for _, s := range c.suites {
			for _, test := range slices.Sorted(maps.Keys(s.skipped)) {
				fmt.Fprintf(out, "skipped in %s: %s %s: %s\n", s.cell, s.pkg, test, s.skipped[test])
			}
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(w, "\ncell\tMySQL\trow metadata\tTLS")
	for _, s := range suites() {
		fmt.Fprint(w, "\t", s.pkg)
	}
	for _, c := range results {
		tls := "no"
		if c.cell.tls {
			tls = "verified"
		}
		fmt.Fprintf(w, "\n%s\t%s\t%s\t%s", c.cell, c.version, c.cell.metadata, tls)
		for _, s := range c.suites {
			fmt.Fprint(w, "\t", s.String())
		}
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil || !failed {
		return err
	}
	return errFailed
}

// printFailed prints what failed and how to run it again; it says whether there is any.
func (r *suiteResult) printFailed(out io.Writer) bool {
	var top []string
	for _, test := range slices.Sorted(maps.Keys(r.failed)) {
		fmt.Fprintf(out, "\nFAILED in %s: %s %s\n%s", r.cell, r.pkg, test, r.failed[test])
		name, _, _ := strings.Cut(test, "/")
		top = append(top, name)
	}
	if len(top) > 0 {
		fmt.Fprintln(out, "again:", r.cell.again(r.pkg, "^("+strings.Join(slices.Compact(top), "|")+")$"))
	}
	return len(top) > 0
}
