// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"os"

	"github.com/urfave/cli/v3"

	"slipway/shared/fault"
	"slipway/shared/state"
	"slipway/shared/task"
)

// target is the task a command is about: a file, or a name in a state store.
type target struct {
	name  string
	state string // the store's URL
	path  string // "" with --state
	file  []byte // the task file as it is; nil with --state
	task  *task.Task
}

// target reads a command's one argument. A file is read strictly: for a command that touches the ends, with its secrets;
// otherwise they may be away.
func (c *console) target(cmd *cli.Command, arg string, opts ...task.LoadOption) (*target, error) {
	if arg == "" {
		return nil, usage(cmd, "name a task file, or a task's name with --state URL")
	}
	if c.state != "" {
		return &target{name: arg, state: c.state}, nil
	}
	file, err := os.ReadFile(arg)
	if err != nil {
		return nil, fault.New(fault.Config, "name a task file, or a task's name with --state URL", "read the task file: %w", err)
	}
	t, err := task.Load(arg, file, c.lookup, opts...)
	if err != nil {
		return nil, misread(arg, err)
	}
	return &target{name: t.Name, state: t.State, path: arg, file: file, task: t}, nil
}

// misread makes an error of a task file's problems, which it carries.
func misread(path string, err error) error {
	p, ok := errors.AsType[*task.Problems](err)
	if !ok {
		return fault.New(fault.Config, "", "%s: %w", path, err)
	}
	return fault.New(fault.Config, "", "%w:\n%w", counted(path, len(p.List)), p)
}

// counted says how many problems a task file has.
func counted(path string, n int) error {
	noun := "problems"
	if n == 1 {
		noun = "problem"
	}
	return fault.New(fault.Config, "", "%s has %d %s", path, n, noun)
}

// only takes the arguments of a command that knows most of them.
func only(cmd *cli.Command, most int) error {
	if cmd.Args().Len() > most {
		return usage(cmd, "unexpected argument %q", cmd.Args().Get(most))
	}
	return nil
}

// open gives the target's objects.
func (t *target) open(ctx context.Context) (*state.Task, error) {
	store, err := state.Open(ctx, t.state)
	if err != nil {
		return nil, fault.New(fault.Config, "", "state store: %w", err)
	}
	st, err := state.NewTask(store, t.name)
	if err != nil {
		return nil, fault.New(fault.Config, "", "%w", err)
	}
	return st, nil
}

// storeFault classifies what reading a task's objects ran into.
func storeFault(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.New(fault.Interrupted, "", "%w", err)
	}
	return state.Classify(err)
}
