// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"fmt"
	"slices"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
)

// tipCheck compares, once per run, the definitions that followed from DDL with
// the live ones (rule T5): those were read between two places of the binlog, so
// that at the second they are the same unless a DDL came between.
type tipCheck struct {
	live         map[change.TableName]*mysql.Definition
	since, until mysql.LogPosition
	// changed between the two.
	changed map[change.TableName]bool
	// full: rows say what their columns are, so that a difference is no danger.
	full bool
}

// newTipCheck reads the live definitions of the selected tables.
func newTipCheck(ctx context.Context, conn *mysql.Conn, selected func(database, name string) bool) (*tipCheck, error) {
	c := &tipCheck{changed: map[change.TableName]bool{}}
	var err error
	if c.full, err = conn.FullRowMetadata(ctx); err != nil {
		return nil, err
	}
	if c.since, err = conn.LogEnd(ctx); err != nil {
		return nil, err
	}
	all, err := mysql.ListTables(ctx, conn)
	if err != nil {
		return nil, err
	}
	var names []change.TableName
	for _, t := range all {
		if selected(t.Database, t.Name) {
			names = append(names, t.TableName)
		}
	}
	if c.live, err = mysql.LoadDefinitions(ctx, conn, names); err != nil {
		return nil, err
	}
	c.until, err = conn.LogEnd(ctx)
	return c, err
}

// touched hears of every DDL.
func (c *tipCheck) touched(tables []change.TableName, at mysql.LogPosition) {
	if c == nil || at.Compare(c.since) < 0 {
		return
	}
	for _, name := range tables {
		c.changed[name] = true
	}
}

// boundary hears of every transaction's end; behind until it compares. What the
// history doesn't know it learns here.
func (s *schema) boundary(at mysql.LogPosition) error {
	c := s.tip
	if c == nil || at.Compare(c.until) < 0 {
		return nil
	}
	s.tip = nil
	for name, live := range c.live {
		if c.changed[name] {
			continue
		}
		known, _ := s.history.Definition(name)
		if known == nil {
			s.history.Set(live)
			continue
		}
		what := difference(known.Table, live.Table)
		if what == "" {
			continue
		}
		if !c.full {
			return fault.New(fault.SchemaMismatch, s.remedy,
				"the definition of %s that follows from its DDL isn't the one it has: %s", name, what)
		}
		s.history.Set(live)
	}
	return nil
}

// difference tells how two definitions read rows differently; "" for not at all.
func difference(known, live *change.Table) string {
	if len(known.Columns) != len(live.Columns) {
		return fmt.Sprintf("%d columns, not %d", len(live.Columns), len(known.Columns))
	}
	for i := range known.Columns {
		a, b := known.Columns[i], live.Columns[i]
		if a.Name != b.Name || a.Type != b.Type || a.Unsigned != b.Unsigned || a.Collation != b.Collation ||
			a.Length != b.Length || a.Precision != b.Precision || a.Scale != b.Scale || len(a.Labels) != len(b.Labels) {
			return fmt.Sprintf("column %d is %q %s %s, not %q %s %s", i+1, b.Name, b.Declared, b.Collation, a.Name, a.Declared, a.Collation)
		}
	}
	if !slices.Equal(known.Key, live.Key) {
		return fmt.Sprintf("its key is %v, not %v", live.Key, known.Key)
	}
	return ""
}
