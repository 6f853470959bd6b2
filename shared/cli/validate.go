// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"slipway/shared/fault"
	"slipway/shared/task"
)

func (c *console) validateCommand() *cli.Command {
	return &cli.Command{
		Name:      "validate",
		Usage:     "check a task file without contacting anything",
		ArgsUsage: "TASK.yaml",
		Description: "Lists everything that is wrong with the file, with its line and column. The environment variables it refers to\n" +
			"needn't be set. Example:\n\n   slipway validate examples/shop.yaml",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := only(cmd, 1); err != nil {
				return err
			}
			path := cmd.Args().First()
			if path == "" || c.state != "" {
				return usage(cmd, "name a task file; validate takes no --state")
			}
			return c.validate(path)
		},
	}
}

// ValidationMessage is what validate found.
type ValidationMessage struct {
	Message
	File  string `json:"file"`
	Valid bool   `json:"valid"`
	// Task is the task's name; "" when the file isn't valid.
	Task     string         `json:"task"`
	Problems []task.Problem `json:"problems"`
	// Warnings name what is allowed but unwise, Unset the environment variables that a run needs and that aren't set.
	Warnings []string `json:"warnings"`
	Unset    []string `json:"unset"`
}

func (c *console) validate(path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.Config, "name a task file", "read the task file: %w", err)
	}
	m := ValidationMessage{Message: Message{"validation"}, File: path, Problems: []task.Problem{}, Warnings: []string{}, Unset: []string{}}
	t, err := task.Load(path, file, c.lookup, task.AllowUnset())
	if err == nil {
		m.Valid, m.Task = true, t.Name
		m.Warnings, m.Unset = append(m.Warnings, t.Warnings()...), append(m.Unset, t.Unset()...)
		return c.showValidation(m)
	}
	problems, ok := errors.AsType[*task.Problems](err)
	if !ok {
		return err
	}
	m.Problems = problems.List
	// The problems are the data of this command: its error only counts them.
	return errors.Join(c.showValidation(m), counted(path, len(m.Problems)))
}

func (c *console) showValidation(m ValidationMessage) error {
	if c.json() {
		return c.emit(m)
	}
	var b strings.Builder
	for _, p := range m.Problems {
		fmt.Fprintln(&b, p)
	}
	for _, w := range m.Warnings {
		fmt.Fprintf(&b, "%s: warning: %s\n", m.File, w)
	}
	noteUnset(&b, m.File, m.Unset)
	if m.Valid {
		fmt.Fprintf(&b, "%s: task %s is valid\n", m.File, m.Task)
	}
	_, err := fmt.Fprint(c.Out, b.String())
	return err
}

// noteUnset names the environment variables that a task file refers to and that aren't set.
func noteUnset(w io.Writer, file string, unset []string) {
	for _, name := range unset {
		fmt.Fprintf(w, "%s: note: the environment variable %s is not set; a run needs it\n", file, name)
	}
}
