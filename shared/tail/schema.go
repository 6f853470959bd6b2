// SPDX-License-Identifier: Apache-2.0

package tail

import (
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

// newSnapshotRemedy is for rows that are of other columns than the DDL has it.
const newSnapshotRemedy = "take a new snapshot under a new task name; keep DDL in the binlog (sql_log_bin)"

// schema knows the table definitions as of the position being read (rule T5).
// DDL moves them on; what a full table map says counts more. It is owned by the
// handler, which is also the reader's goroutine.
type schema struct {
	pipe    *pipeline.Pipeline
	history *mysql.History
	seen    map[change.TableName]*seen
	// live reads a definition as it is now.
	live func(database, name string) (*change.Table, error)
	err  error // the first failure of live
	tip  *tipCheck
	// remedy for rows whose columns aren't known.
	remedy string
}

// seen is what the rows of a table have told.
type seen struct {
	// table is the definition the last rows were written with.
	table *change.Table
	// settled: other rows contradict it unless a DDL came between (rule T4).
	settled bool
	// live is the definition as it was now, once asked for.
	live *change.Table
}

func newSchema(pipe *pipeline.Pipeline, dialect mysql.Dialect, known snapshot.Schema, live func(database, name string) (*change.Table, error)) *schema {
	s := &schema{pipe: pipe, history: mysql.NewHistory(dialect, known.Schema, pipe.Concerns), seen: map[change.TableName]*seen{}, live: live}
	s.remedy = newSnapshotRemedy
	if dialect.Metadata {
		s.remedy = "SET GLOBAL binlog_row_metadata = FULL on the source, so that rows say what their columns are, and " + s.remedy
	}
	for _, d := range known.Tables {
		if slices.Contains(known.Settled, d.Table.String()) {
			s.seen[d.Table.FullName()] = &seen{table: d.Table, settled: true}
		}
	}
	return s
}

// Selected implements mysql.Definitions.
func (s *schema) Selected(database, table string) bool { return s.pipe.Selected(database, table) }

// Candidates implements mysql.Definitions. Where the DDL couldn't be followed
// the live definition is a hint.
func (s *schema) Candidates(database, table string) (known *change.Table, hints []*change.Table) {
	name := change.TableName{Database: database, Name: table}
	rows := s.of(name)
	if d, _ := s.history.Definition(name); d != nil {
		known = d.Table
	} else if rows.live == nil {
		rows.live = s.load(name)
	}
	return known, []*change.Table{rows.table, rows.live}
}

// Contradicted implements mysql.Definitions.
func (s *schema) Contradicted(database, table string, err error) error {
	if d, why := s.history.Definition(change.TableName{Database: database, Name: table}); d == nil {
		return fault.New(fault.SchemaMismatch, s.remedy, "%w; its definition isn't known: %s", err, why)
	}
	return fault.New(fault.SchemaMismatch, s.remedy, "%w; it contradicts the definition that follows from the table's DDL", err)
}

func (s *schema) of(name change.TableName) *seen {
	if s.seen[name] == nil {
		s.seen[name] = &seen{}
	}
	return s.seen[name]
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
	rows := s.of(t.FullName())
	if rows.table == t || rows.table != nil && reflect.DeepEqual(rows.table, t) {
		rows.settled = true
		return rows.table, nil
	}
	if rows.settled {
		return nil, fault.New(fault.SchemaMismatch, newSnapshotRemedy,
			"rows of %s were written with other columns than the last ones, and no DDL came between", t)
	}
	rows.table, rows.settled = t, true
	if d, _ := s.history.Definition(t.FullName()); d != nil && d.Table != t {
		s.history.Set(d.As(t))
	}
	return t, nil
}

// apply moves the definitions past a statement; it tells whether what is to be
// stored changed.
func (s *schema) apply(q *mysql.Query, at mysql.LogPosition) bool {
	tables, changed := s.history.Apply(q)
	for _, c := range q.Parsed.Changes {
		tables = append(tables, change.TableName{Database: c.Database, Name: c.Name})
	}
	for _, name := range tables {
		if rows := s.seen[name]; rows != nil {
			changed = changed || rows.settled
			rows.settled, rows.live = false, nil
		}
	}
	s.tip.touched(tables, at)
	return changed
}

// names lists the tables that are known by their definition or by their rows.
func (s *schema) names() []change.TableName {
	names := s.history.Names()
	for name := range s.seen {
		if d, _ := s.history.Definition(name); d == nil {
			names = append(names, name)
		}
	}
	return names
}

// current gives one pointer for equal definitions.
func (s *schema) current(t *change.Table) *change.Table {
	if rows := s.seen[t.FullName()]; rows != nil && rows.table != nil && reflect.DeepEqual(rows.table, t) {
		return rows.table
	}
	return t
}

// snapshot gives the definitions to be stored.
func (s *schema) snapshot() snapshot.Schema {
	out := snapshot.Schema{Schema: s.history.Schema()}
	for name, rows := range s.seen {
		if rows.settled {
			out.Settled = append(out.Settled, name.String())
		}
	}
	slices.Sort(out.Settled)
	return out
}

// liveLoader reads definitions over a session of its own per call: it is needed
// rarely.
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
