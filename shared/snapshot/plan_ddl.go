// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"fmt"
	"slices"

	"slipway/shared/change"
	"slipway/shared/mysql"
)

// noDDL reads the binlog from P0 to end and fails with errMoved if a selected
// table was changed in between: P0's definitions would not be those planned
// with. It gives the other tables that were changed.
func (p *Planner) noDDL(ctx context.Context, plan *Plan, end mysql.LogPosition) (touched []change.TableName, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var moved error
	r := mysql.NewReader(mysql.ReaderConfig{
		Source: p.cfg.Source, ServerID: p.cfg.ServerID, From: plan.P0, Known: plan.Log, ServerUUID: plan.ServerUUID,
		Heartbeat: heartbeat, Tables: noTables{}, Logger: p.cfg.Logger,
	})
	reached := false
	err = r.Run(ctx, func(e mysql.Event) error {
		if e.Kind == mysql.Statement {
			for _, c := range e.Query.Parsed.Changes {
				touched = append(touched, change.TableName{Database: c.Database, Name: c.Name})
				if p.concerns(plan, c) {
					moved = fmt.Errorf("%w: %s of %s.%s", errMoved, c.Type, c.Database, c.Name)
				}
			}
		}
		if (e.Kind.IsEnd() || e.Kind == mysql.Idle) && e.Position.Compare(end) >= 0 {
			reached = true
			cancel()
		}
		return nil
	})
	if reached {
		return touched, moved
	}
	return nil, err
}

// concerns tells whether a statement touches a selected table.
func (p *Planner) concerns(plan *Plan, c mysql.TableChange) bool {
	if c.WholeDatabase {
		return slices.ContainsFunc(plan.Tables, func(n change.TableName) bool { return c.Touches(n.Database, n.Name) })
	}
	return p.cfg.Pipeline.Selected(c.Database, c.Name) || c.FromName != "" && p.cfg.Pipeline.Selected(c.FromDatabase, c.FromName)
}

// noTables selects nothing.
type noTables struct{}

func (noTables) Selected(string, string) bool                               { return false }
func (noTables) Candidates(string, string) (*change.Table, []*change.Table) { return nil, nil }
func (noTables) Contradicted(_, _ string, err error) error                  { return err }
