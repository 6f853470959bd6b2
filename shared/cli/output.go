// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"slipway/shared/fault"
	"slipway/shared/flow"
	"slipway/shared/task"
)

// Message begins every JSON object on standard output. Fields may be added to any of them: readers ignore what they don't
// know.
type Message struct {
	// Type says what the object is: docs/cli.md lists the types.
	Type string `json:"message_type"`
}

// ErrorMessage is the last object of a command that failed.
type ErrorMessage struct {
	Message
	// Code is the error's class.
	Code string `json:"code"`
	// Text says what happened, Remedy what mends it; "" when there is no remedy.
	Text   string `json:"message"`
	Remedy string `json:"remedy"`
	// Problems of a task file, when it is those.
	Problems []task.Problem `json:"problems,omitempty"`
}

// emit writes one JSON object on a line of its own.
func (c *console) emit(v any) error {
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// report tells how a command failed.
func (c *console) report(err error) {
	m := explain(err)
	if c.json() {
		if len(m.Problems) > 0 {
			m.Text, _, _ = strings.Cut(m.Text, ":\n") // the problems have a field of their own
		}
		_ = c.emit(m) // there is nowhere else to say it
		return
	}
	red, plain := "", ""
	if c.colour(c.ErrTerminal) {
		red, plain = "\x1b[31m", "\x1b[0m"
	}
	fmt.Fprintf(c.screen, "%serror:%s %s: %s\n", red, plain, m.Code, m.Text)
	if m.Remedy != "" {
		fmt.Fprintf(c.screen, "remedy: %s\n", m.Remedy)
	}
}

// explain parts an error into its class, what happened and the remedy. A step's failure is the workflow's business only by
// its name; how the workflow worded it is left out.
func explain(err error) ErrorMessage {
	m := ErrorMessage{Message: Message{"error"}, Code: string(fault.ClassOf(err))}
	cause, step := err, ""
	if f, ok := errors.AsType[*flow.Error](err); ok {
		step = failedStep(f)
		if f.Cause != nil {
			cause = f.Cause
		} else {
			m.Text = f.Detail
		}
	}
	if m.Text == "" {
		m.Text = cause.Error()
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Remedy != "" {
		m.Remedy = f.Remedy
		m.Text = strings.Replace(m.Text, "; remedy: "+f.Remedy, "", 1)
	}
	if p, ok := errors.AsType[*task.Problems](err); ok {
		m.Problems = p.List
	}
	if step != "" {
		m.Text = step + ": " + m.Text
	}
	return m
}

// failedStep names the step behind a workflow's end.
func failedStep(f *flow.Error) string {
	if out, ok := f.Output.(map[string]any); ok {
		if step, ok := out["step"].(string); ok {
			return step
		}
	}
	return f.State
}

// table writes rows of cells in aligned columns.
func table(w io.Writer, rows ...[]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}
