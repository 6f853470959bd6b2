// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/snapshot"
)

// schema knows the table definitions as of the position being read (rule T5).
// With full row metadata every table map tells the truth; a definition only
// adds what the log leaves out. It is owned by the handler, which is also the
// reader's goroutine.
type schema struct {
	pipe   *pipeline.Pipeline
	tables map[change.TableName]*definition
	// live reads a definition as it is now, nil when there is no such table.
	live func(database, name string) (*change.Table, error)
	err  error // the first failure of live
}

// definition of one table. settled: a table map agreed with it, so that another
// one contradicts it unless a DDL came between (rule T4).
type definition struct {
	table   *change.Table
	before  *change.Table
	settled bool
}

func newSchema(pipe *pipeline.Pipeline, known snapshot.Schema, live func(database, name string) (*change.Table, error)) *schema {
	s := &schema{pipe: pipe, tables: map[change.TableName]*definition{}, live: live}
	for _, t := range known.Tables {
		s.tables[t.FullName()] = &definition{table: t, settled: slices.Contains(known.Settled, t.String())}
	}
	return s
}

// Selected implements mysql.Definitions.
func (s *schema) Selected(database, table string) bool { return s.pipe.Selected(database, table) }

// Candidates implements mysql.Definitions.
func (s *schema) Candidates(database, table string) []*change.Table {
	name := change.TableName{Database: database, Name: table}
	d := s.tables[name]
	if d == nil {
		d = &definition{table: s.load(name)}
		s.tables[name] = d
	}
	return slices.DeleteFunc([]*change.Table{d.table, d.before}, func(t *change.Table) bool { return t == nil })
}

func (s *schema) load(name change.TableName) *change.Table {
	t, err := s.live(name.Database, name.Name)
	if err != nil && !errors.Is(err, mysql.ErrNoTable) {
		s.err = err
	}
	return t
}

// saw takes the definition rows were written with, and gives the one to use
// for them: equal definitions share one pointer.
func (s *schema) saw(t *change.Table) (*change.Table, error) {
	if s.err != nil {
		return nil, s.err
	}
	d := s.tables[t.FullName()]
	switch {
	case d == nil:
		return nil, fault.New(fault.Internal, "", "rows of %s without a definition", t)
	case d.table == t:
		d.settled = true
		return t, nil
	case d.table != nil && reflect.DeepEqual(d.table, t):
		d.settled = true
		return d.table, nil
	case d.settled:
		return nil, fault.New(fault.SchemaMismatch, "take a new snapshot under a new task name; keep DDL in the binlog (sql_log_bin)",
			"rows of %s were written with other columns than the last ones, and no DDL came between", t)
	}
	d.table, d.before, d.settled = t, nil, true
	return t, nil
}

// changed says that a DDL changed the table, or made it, or took it away.
func (s *schema) changed(name change.TableName) {
	d := s.tables[name]
	if d == nil {
		d = &definition{}
		s.tables[name] = d
	}
	before := d.table
	d.table, d.settled = s.load(name), false
	if d.before = before; d.table == nil {
		d.table, d.before = before, nil
	}
}

// gone forgets a table.
func (s *schema) gone(name change.TableName) { delete(s.tables, name) }

// snapshot gives the definitions to be stored.
func (s *schema) snapshot() snapshot.Schema {
	var out snapshot.Schema
	for _, d := range s.tables {
		if d.table == nil {
			continue
		}
		out.Tables = append(out.Tables, d.table)
		if d.settled {
			out.Settled = append(out.Settled, d.table.String())
		}
	}
	slices.SortFunc(out.Tables, func(a, b *change.Table) int { return cmp.Compare(a.String(), b.String()) })
	slices.Sort(out.Settled)
	return out
}

// liveLoader reads definitions over a session of its own per call: DDL is rare.
func liveLoader(ctx context.Context, source mysql.Config) func(database, name string) (*change.Table, error) {
	return func(database, name string) (*change.Table, error) {
		conn, err := mysql.Connect(ctx, source)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return mysql.LoadTable(ctx, conn, database, name)
	}
}
