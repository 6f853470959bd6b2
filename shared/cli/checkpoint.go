// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"slipway/shared/fault"
	"slipway/shared/state"
	"slipway/shared/task"
)

// defaultLimit is how many checkpoints are listed.
const defaultLimit = 20

func (c *console) checkpointCommand() *cli.Command {
	return &cli.Command{
		Name:  "checkpoint",
		Usage: "look into the chain of a task's checkpoints",
		Description: "Each checkpoint says how far everything is acknowledged and how far rows may have been sent. Example:\n\n" +
			"   slipway checkpoint list examples/shop.yaml",
		Commands: []*cli.Command{c.checkpointList(), c.checkpointShow()},
	}
}

func (c *console) checkpointList() *cli.Command {
	limit := defaultLimit
	return &cli.Command{
		Name:      "list",
		Usage:     "list checkpoints, the newest first",
		ArgsUsage: "TASK.yaml",
		Description: "Old ones are thinned out: after two days one a minute is left, after a month one an hour. Example:\n\n" +
			"   slipway checkpoint list examples/shop.yaml --limit 5",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "limit", Value: defaultLimit, Destination: &limit, Usage: "at most `NUMBER` of them; 0 for all", Validator: func(n int) error {
				if n < 0 {
					return fault.New(fault.Config, "", "expected 0 or more, got %d", n)
				}
				return nil
			}},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			chain, t, err := c.chain(ctx, cmd, 1)
			if err != nil {
				return err
			}
			list, err := newest(ctx, chain, limit)
			if err != nil {
				return storeFault(err)
			}
			return c.showCheckpoints(t.name, list)
		},
	}
}

func (c *console) checkpointShow() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show one checkpoint whole",
		ArgsUsage:   "TASK.yaml [N]",
		Description: "Without a number it is the newest one. Example:\n\n   slipway checkpoint show examples/shop.yaml 17",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			chain, t, err := c.chain(ctx, cmd, 2)
			if err != nil {
				return err
			}
			cp, err := pick(ctx, chain, cmd, t.name)
			if err != nil {
				return err
			}
			if c.json() {
				return c.emit(CheckpointMessage{Message{"checkpoint"}, t.name, cp})
			}
			e := json.NewEncoder(c.Out)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(cp)
		},
	}
}

// CheckpointMessage is one checkpoint, as it is stored.
type CheckpointMessage struct {
	Message
	Task       string           `json:"task"`
	Checkpoint state.Checkpoint `json:"checkpoint"`
}

// CheckpointsMessage lists checkpoints, the newest first.
type CheckpointsMessage struct {
	Message
	Task        string             `json:"task"`
	Checkpoints []state.Checkpoint `json:"checkpoints"`
}

// chain opens the chain of the task that the first of at most args arguments names.
func (c *console) chain(ctx context.Context, cmd *cli.Command, args int) (*state.Chain, *target, error) {
	if err := only(cmd, args); err != nil {
		return nil, nil, err
	}
	t, err := c.target(cmd, cmd.Args().First(), task.AllowUnset())
	if err != nil {
		return nil, nil, err
	}
	st, err := t.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	return state.NewChain(st, nil), t, nil
}

// newest reads the last limit checkpoints, or all for 0. One that is pruned meanwhile is left out.
func newest(ctx context.Context, chain *state.Chain, limit int) ([]state.Checkpoint, error) {
	var numbers []int64
	for n, err := range chain.Numbers(ctx, 0) {
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
		if limit > 0 && len(numbers) > limit {
			numbers = numbers[1:]
		}
	}
	list := []state.Checkpoint{}
	for _, n := range slices.Backward(numbers) {
		cp, err := chain.Get(ctx, n)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, cp)
	}
	return list, nil
}

// pick reads the checkpoint that the second argument names, or the tip.
func pick(ctx context.Context, chain *state.Chain, cmd *cli.Command, name string) (state.Checkpoint, error) {
	text := cmd.Args().Get(1)
	if text == "" {
		cp, err := chain.Tip(ctx)
		if errors.Is(err, state.ErrNoChain) {
			return cp, fault.New(fault.Config, "look with slipway status how far it is", "%w", err)
		}
		return cp, storeFault(err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return state.Checkpoint{}, usage(cmd, "a checkpoint's number is 1 or more, got %q", text)
	}
	cp, err := chain.Get(ctx, n)
	if errors.Is(err, state.ErrNotFound) {
		return cp, fault.New(fault.Config, "see slipway checkpoint list", "task %s has no checkpoint %d; it may have been thinned out", name, n)
	}
	return cp, storeFault(err)
}

func (c *console) showCheckpoints(name string, list []state.Checkpoint) error {
	if c.json() {
		return c.emit(CheckpointsMessage{Message{"checkpoints"}, name, list})
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(c.Err, "task %s has no checkpoint yet\n", name)
		return err
	}
	rows := [][]string{{"N", "TIME", "EPOCH", "SEQ", "RESERVED", "LAG", "POSITION"}}
	for _, cp := range list {
		position := cp.Committed.GTIDSet
		if cp.Committed.Open != nil {
			position += fmt.Sprintf(" and %d rows of %s", cp.Committed.Open.Row, cp.Committed.Open.GTID)
		}
		if cp.Released {
			position += " (released)"
		}
		rows = append(rows, []string{
			fmt.Sprint(cp.N), cp.Time.UTC().Format(time.RFC3339), fmt.Sprint(cp.Epoch), grouped(cp.Committed.Seq), grouped(cp.Reserved.Seq),
			fmt.Sprint(time.Duration(cp.LagMillis) * time.Millisecond), position,
		})
	}
	return table(c.Out, rows...)
}
