// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
	"go.yaml.in/yaml/v4"

	"slipway/shared/app"
	"slipway/shared/task"
)

func (c *console) showCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show a task as it is understood: every default filled in, secrets left out",
		ArgsUsage: "TASK.yaml",
		Description: "Prints a task file that means the same and leaves nothing to be filled in. Secrets stay references to environment\n" +
			"variables; these needn't be set. Example:\n\n" +
			"   slipway show examples/shop.yaml\n   slipway show --state s3://bucket/slipway shop --output json",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := only(cmd, 1); err != nil {
				return err
			}
			t, err := c.target(cmd, cmd.Args().First(), task.AllowUnset())
			if err != nil {
				return err
			}
			if t.task == nil {
				if t.task, err = c.submitted(ctx, t); err != nil {
					return err
				}
			}
			return c.show(t)
		},
	}
}

// submitted loads the task file that the state store has.
func (c *console) submitted(ctx context.Context, t *target) (*task.Task, error) {
	a, err := app.New(ctx, app.Env{State: t.state, Getenv: c.Getenv, Log: c.logger()})
	if err != nil {
		return nil, err
	}
	return a.Task(ctx, t.name, task.AllowUnset())
}

// TaskMessage is a task as it is understood.
type TaskMessage struct {
	Message
	Task string `json:"task"`
	// Resolved is the task file with nothing left to be filled in.
	Resolved any `json:"resolved"`
	// Unset are the environment variables that a run needs and that aren't set.
	Unset []string `json:"unset"`
}

func (c *console) show(t *target) error {
	resolved, err := t.task.Resolved()
	if err != nil {
		return err
	}
	unset := append([]string{}, t.task.Unset()...)
	if !c.json() {
		noteUnset(c.screen, cmp.Or(t.path, t.name), unset)
		_, err := c.Out.Write(resolved)
		return err
	}
	m := TaskMessage{Message: Message{"task"}, Task: t.name, Unset: unset}
	if err := yaml.Load(resolved, &m.Resolved); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	return c.emit(m)
}
