// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"slipway/shared/cli/status"
	"slipway/shared/fault"
	"slipway/shared/task"
)

// Defaults of watching: often enough to see a snapshot move; not so often that a bucket's owner minds.
const (
	watchEvery   = 2 * time.Second
	leastBetween = 100 * time.Millisecond
)

func (c *console) statusCommand() *cli.Command {
	var watch bool
	every := watchEvery
	return &cli.Command{
		Name:      "status",
		Usage:     "tell how a task is doing",
		ArgsUsage: "TASK.yaml",
		Description: "Reads the task's objects in the state store: it works from anywhere, whether something runs or not, and needs\n" +
			"neither the source nor the destination. Example:\n\n" +
			"   slipway status examples/shop.yaml\n   slipway status --watch examples/shop.yaml\n" +
			"   slipway status --state s3://bucket/slipway shop --output json",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Destination: &watch, Usage: "go on until the task has come to its end"},
			&cli.DurationFlag{
				Name: "interval", Value: watchEvery, Destination: &every, Usage: "`TIME` between two looks of --watch",
				Validator: func(d time.Duration) error {
					if d < leastBetween {
						return fault.New(fault.Config, "", "expected %s or more, got %s", leastBetween, d)
					}
					return nil
				},
			},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := only(cmd, 1); err != nil {
				return err
			}
			if cmd.IsSet("interval") && !watch {
				return usage(cmd, "--interval goes with --watch")
			}
			t, err := c.target(cmd, cmd.Args().First(), task.AllowUnset())
			if err != nil {
				return err
			}
			st, err := t.open(ctx)
			if err != nil {
				return err
			}
			reader := status.NewReader(st)
			if watch {
				return c.watch(ctx, reader, every)
			}
			s, err := reader.Read(ctx, c.Now())
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
	// Pace is there when the task is watched, and something moves rows.
	*Pace
}

func (c *console) showStatus(s status.Status) error {
	if c.json() {
		return c.emit(StatusMessage{Message: Message{"status"}, Status: s})
	}
	text, err := statusText(s)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.Out, text)
	return err
}

// statusText is a status for people; more rows come behind the phase.
func statusText(s status.Status, more ...[]string) (string, error) {
	phase := string(s.Phase)
	if s.Step != "" {
		phase += ", " + s.Step
	}
	rows := append([][]string{{"task", s.Task}, {"phase", phase}, {"", s.Reason}}, more...)
	if len(s.Snapshot.Tables) > 0 {
		rows = append(rows, []string{"snapshot", fmt.Sprintf("%s rows of about %s, %d of %d chunks",
			grouped(s.Snapshot.Rows), grouped(s.Snapshot.RowsEstimate), s.Snapshot.ChunksDone, s.Snapshot.Chunks)})
	}
	if cp := s.Checkpoint; cp != nil {
		rows = append(rows, checkpointRows(cp)...)
	}
	var b strings.Builder
	err := errors.Join(table(&b, rows...), writeTables(&b, s.Snapshot.Tables))
	return b.String(), err
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

func writeTables(w io.Writer, tables []status.Table) error {
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
	fmt.Fprintln(w)
	return table(w, rows...)
}
