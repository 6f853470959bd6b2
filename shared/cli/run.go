// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"slipway/infra"
	"slipway/shared/app"
	"slipway/shared/cli/status"
	"slipway/shared/fault"
	"slipway/shared/fc"
	"slipway/shared/flow"
	"slipway/shared/tail"
)

// defaultWorkers suits a laptop: each worker reads the whole binlog beside its chunks.
const defaultWorkers = 2

func (c *console) runCommand() *cli.Command {
	workers := defaultWorkers
	return &cli.Command{
		Name:      "run",
		Usage:     "move a task's tables and follow their changes, in this process",
		ArgsUsage: "TASK.yaml",
		Description: "Runs the workflow that also runs in the cloud: precheck, plan, snapshot, settle, tail. A task that began before\n" +
			"goes on from where its objects say. It runs until the task is complete, which a task with the incremental stage never\n" +
			"is, or until it is told to stop: the first interrupt lets it deliver and record what it has taken on, the second one\n" +
			"quits at once. Either is safe. Example:\n\n   slipway run examples/shop.yaml\n   slipway run --output json --state s3://bucket/slipway shop",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "workers", Value: defaultWorkers, Destination: &workers, Usage: "`NUMBER` of snapshot workers, 1 to 40", Validator: func(n int) error {
				if n < 1 || n > flow.MaxConcurrency {
					return fault.New(fault.Config, "", "expected 1 to %d, got %d", flow.MaxConcurrency, n)
				}
				return nil
			}},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := only(cmd, 1); err != nil {
				return err
			}
			t, err := c.target(cmd, cmd.Args().First())
			if err != nil {
				return err
			}
			return c.run(ctx, t, workers)
		},
	}
}

// EndMessage is the last object of a run that ended well.
type EndMessage struct {
	Message
	Task string `json:"task"`
	// Outcome is "finished", or "drained" when it was told to stop and everything taken on is delivered and committed.
	Outcome string    `json:"outcome"`
	Seq     int64     `json:"seq"`
	Time    time.Time `json:"time"`
}

// run executes the workflow.
func (c *console) run(ctx context.Context, t *target, workers int) error {
	fc.LimitMemory()
	log := c.logger().With("task", t.name)
	p := newProgress(c, t.name, log)
	a, err := app.New(ctx, app.Env{
		State: t.state, Getenv: c.Getenv, Log: log, Workers: workers, Progress: p,
		Tune: &app.Tune{TailHooks: tail.Hooks{Committed: p.Committed}},
	})
	if err != nil {
		return err
	}
	if t.task != nil {
		if err := a.Submit(ctx, t.task, t.file); err != nil {
			return err
		}
	}
	if err := c.resume(ctx, t, p); err != nil {
		return err
	}
	machine, err := flow.Parse(infra.Flow())
	if err != nil {
		return fmt.Errorf("the workflow: %w", err)
	}
	defer context.AfterFunc(ctx, p.draining)()
	stop := p.start()
	s := &steps{app: a, progress: p}
	_, err = machine.Run(ctx, app.PrecheckInput{Task: t.name}, s.functions(), flow.Options{Name: t.name, Observe: p.observe})
	stop()
	return c.ended(ctx, t, s, err)
}

// resume tells the display what an earlier run has delivered.
func (c *console) resume(ctx context.Context, t *target, p *progress) error {
	st, err := t.open(ctx)
	if err != nil {
		return err
	}
	s, err := status.NewReader(st).Read(ctx, c.Now())
	if err != nil {
		return storeFault(err)
	}
	p.resume(s)
	return nil
}

// ended turns the workflow's end into the command's.
func (c *console) ended(ctx context.Context, t *target, s *steps, err error) error {
	outcome := "finished"
	switch {
	case err == nil:
	case ctx.Err() != nil:
		if err := s.stopped(ctx); err != nil {
			return err
		}
		outcome = "drained"
	case s.report != nil && s.report.Blocked && isBlocked(err):
		return c.blocked(s.report)
	default:
		return err
	}
	seq := s.progress.seq()
	if c.json() {
		return c.emit(EndMessage{Message{"end"}, t.name, outcome, seq, c.Now().UTC()})
	}
	if outcome == "drained" {
		fmt.Fprintf(c.screen, "drained: everything taken on is delivered and committed, up to seq %s; the same command goes on from here\n", grouped(seq))
		return nil
	}
	fmt.Fprintf(c.screen, "finished: task %s has delivered all it should\n", t.name)
	return nil
}

// isBlocked tells that the workflow ended because the precheck said so.
func isBlocked(err error) bool {
	f, ok := errors.AsType[*flow.Error](err)
	return ok && f.Code == "PrecheckBlocked"
}
