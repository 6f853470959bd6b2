// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"slipway/shared/cli/status"
	"slipway/shared/task"
)

func (c *console) statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "tell how a task is doing",
		ArgsUsage: "TASK.yaml",
		Description: "Reads the task's objects in the state store: it works from anywhere, whether something runs or not, and needs\n" +
			"neither the source nor the destination. Example:\n\n" +
			"   slipway status examples/shop.yaml\n   slipway status --state s3://bucket/slipway shop --output json",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := only(cmd, 1); err != nil {
				return err
			}
			t, err := c.target(cmd, cmd.Args().First(), task.AllowUnset())
			if err != nil {
				return err
			}
			st, err := t.open(ctx)
			if err != nil {
				return err
			}
			s, err := status.Read(ctx, st, c.Now())
			if err != nil {
				return storeFault(err)
			}
			return c.showStatus(s)
		},
	}
}

// StatusMessage is a task's status as JSON.
type StatusMessage struct {
	Message
	status.Status
}

func (c *console) showStatus(s status.Status) error {
	if c.json() {
		return c.emit(StatusMessage{Message{"status"}, s})
	}
	phase := string(s.Phase)
	if s.Step != "" {
		phase += ", " + s.Step
	}
	rows := [][]string{{"task", s.Task}, {"phase", phase}, {"", s.Reason}}
	if len(s.Snapshot.Tables) > 0 {
		rows = append(rows, []string{"snapshot", fmt.Sprintf("%s rows of about %s, %d of %d chunks",
			grouped(s.Snapshot.Rows), grouped(s.Snapshot.RowsEstimate), s.Snapshot.ChunksDone, s.Snapshot.Chunks)})
	}
	if cp := s.Checkpoint; cp != nil {
		rows = append(rows, checkpointRows(cp)...)
	}
	if err := table(c.Out, rows...); err != nil {
		return err
	}
	return c.showTables(s.Snapshot.Tables)
}

// checkpointRows describe the tip.
func checkpointRows(cp *status.Checkpoint) [][]string {
	owner := cp.Owner
	if cp.Released {
		owner = "nobody; last " + owner
	}
	rows := [][]string{
		{"checkpoint", fmt.Sprintf("%d, %s old", cp.N, time.Duration(cp.AgeMillis)*time.Millisecond)},
		{"owner", owner},
		{"epoch", fmt.Sprint(cp.Epoch)},
		{"seq", fmt.Sprintf("%s committed, %s reserved", grouped(cp.Committed.Seq), grouped(cp.ReservedSeq))},
		{"lag", fmt.Sprint(time.Duration(cp.LagMillis) * time.Millisecond)},
		{"position", cp.Committed.GTIDSet},
	}
	if cp.Committed.File != "" {
		rows = append(rows, []string{"", fmt.Sprintf("%s:%d", cp.Committed.File, cp.Committed.Pos)})
	}
	if cp.Prepared > 0 {
		rows = append(rows, []string{"prepared", fmt.Sprintf("XA transactions that wait for their end: %d", cp.Prepared)})
	}
	for _, name := range cp.Again {
		rows = append(rows, []string{"again", name})
	}
	return rows
}

func (c *console) showTables(tables []status.Table) error {
	if len(tables) == 0 {
		return nil
	}
	rows := [][]string{{"TABLE", "GENERATION", "CHUNKS", "ROWS", "ABOUT", "STATE"}}
	for _, t := range tables {
		state := "reading"
		switch {
		case t.Generation < 0:
			state = "to be planned"
		case t.Void:
			state = "void, to be read anew"
		case t.Sealed:
			state = "sealed"
		case t.ChunksDone == t.Chunks:
			state = "delivered"
		}
		rows = append(rows, []string{
			t.Name, fmt.Sprint(max(t.Generation, 0)), fmt.Sprintf("%d/%d", t.ChunksDone, t.Chunks), grouped(t.Rows), grouped(t.RowsEstimate), state,
		})
	}
	if _, err := fmt.Fprintln(c.Out); err != nil {
		return err
	}
	return table(c.Out, rows...)
}
