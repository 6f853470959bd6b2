// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"slipway/shared/app"
	"slipway/shared/fault"
	"slipway/shared/precheck"
)

func (c *console) precheckCommand() *cli.Command {
	var items []string
	return &cli.Command{
		Name:      "precheck",
		Usage:     "look for what would stop a task, and say how to mend it",
		ArgsUsage: "TASK.yaml",
		Description: "Asks the source, the destination and the state store, and changes nothing at either end. Findings that are Failed\n" +
			"block the task; Warnings do until they are mended or named under accept in the task file. Example:\n\n" +
			"   slipway precheck examples/shop.yaml\n   slipway precheck examples/shop.yaml --only connectivity --only CHECK_TOPIC",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "only", Destination: &items, Usage: "`ITEM` or category to look at, repeatable; without it, everything"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := only(cmd, 1); err != nil {
				return err
			}
			t, err := c.target(cmd, cmd.Args().First())
			if err != nil {
				return err
			}
			report, err := c.check(ctx, t, items)
			if err != nil {
				return err
			}
			if err := c.showReport(&report); err != nil || !report.Blocked {
				return err
			}
			return blockedBy(&report)
		},
	}
}

// check makes the report: of the file as it is, which needn't be submitted for that, or of a task in a store.
func (c *console) check(ctx context.Context, t *target, items []string) (precheck.Report, error) {
	if t.task != nil {
		report, err := precheck.Run(ctx, precheck.Env{Task: t.task, Only: items, Logger: c.logger(), Progress: func(i, n int, item string) {
			c.screen.show(fmt.Sprintf("precheck  %d of %d  %s", i, n, item))
		}})
		c.screen.clear()
		return report, err
	}
	a, err := app.New(ctx, app.Env{State: t.state, Getenv: c.Getenv, Log: c.logger()})
	if err != nil {
		return precheck.Report{}, err
	}
	return a.Report(ctx, t.name, items)
}

// ReportMessage is a precheck's report as JSON.
type ReportMessage struct {
	Message
	precheck.Report
}

func (c *console) showReport(r *precheck.Report) error {
	if c.json() {
		return c.emit(ReportMessage{Message{"precheck"}, *r})
	}
	return precheck.WriteTable(c.Out, *r, c.colour(c.OutTerminal))
}

// blocked ends a run that the precheck didn't let begin. When that is because an end can't be reached, the error says so:
// a program that runs tasks waits for that, and leaves the rest to people.
func (c *console) blocked(r *precheck.Report) error {
	for _, end := range []struct {
		item  string
		class fault.Class
	}{{"CHECK_CONN_SRC", fault.SourceUnreachable}, {"CHECK_CONN_DEST", fault.SinkUnreachable}} {
		i := slices.IndexFunc(r.Findings, func(f precheck.Finding) bool { return f.Item == end.item && f.Level == precheck.Failed })
		if i >= 0 {
			f := r.Findings[i]
			return errors.Join(c.showReport(r), fault.New(end.class, f.Remedy, "precheck: %s", f.What))
		}
	}
	return errors.Join(c.showReport(r), blockedBy(r))
}

// blockedBy counts what blocks a task.
func blockedBy(r *precheck.Report) error {
	failed, open := r.Count(precheck.Failed), 0
	for _, f := range r.Findings {
		if f.Level == precheck.Warning && !f.Accepted {
			open++
		}
	}
	return fault.New(fault.Blocked, "mend what the findings name, as they say, and run it again",
		"task %s is blocked by its precheck: %d failed, %d warnings not accepted", r.Task, failed, open)
}
