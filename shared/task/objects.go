// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rule is how one table is delivered, with the task's defaults filled in.
type Rule struct {
	// Entry is the index in Task.Objects of the entry that governs the table.
	Entry int
	// Topic takes the table's rows, without the namespace.
	Topic string
	// KeyColumns decide a row's lane; empty means the primary key, else the
	// unique key. The caller doesn't change the slice.
	KeyColumns []string
}

// systemSchemas hold the server's own tables. No wildcard reaches them.
var systemSchemas = []string{"information_schema", "mysql", "performance_schema", "sys"}

// Select finds the entry that governs a table: the table-level one if there is
// one, else the wildcard that matches and doesn't exclude it. It reports false
// for a table that isn't selected, and an error when two entries of one level
// select it. It is safe for concurrent use.
func (t *Task) Select(db, table string) (Rule, bool, error) {
	for _, wild := range []bool{false, true} {
		found := -1
		for i, o := range t.Objects {
			if o.Match.Wild() != wild || !t.selects(o, db, table) {
				continue
			}
			if found >= 0 {
				return Rule{}, false, t.conflict(found, i, db, table)
			}
			found = i
		}
		if found >= 0 {
			return t.rule(found), true, nil
		}
	}
	return Rule{}, false, nil
}

// Concerns tells whether tables of a database may be selected.
func (t *Task) Concerns(db string) bool {
	return !t.systemSchema(db) && slices.ContainsFunc(t.Objects, func(o Object) bool { return o.Match.matchesDatabase(db, t.FoldCase) })
}

func (t *Task) rule(entry int) Rule {
	o := t.Objects[entry]
	return Rule{Entry: entry, Topic: cmp.Or(o.Topic, t.Destination.Topic), KeyColumns: o.KeyColumns}
}

func (t *Task) selects(o Object, db, table string) bool {
	if t.systemSchema(db) || !o.Match.matches(db, table, t.FoldCase) {
		return false
	}
	return !slices.ContainsFunc(o.Exclude, func(p Pattern) bool { return p.matches(db, table, t.FoldCase) })
}

func (t *Task) systemSchema(db string) bool {
	if t.FoldCase {
		db = strings.ToLower(db)
	}
	return slices.Contains(systemSchemas, db)
}

func (t *Task) conflict(first, second int, db, table string) error {
	remedy := "exclude it from one of them, or give it an entry of its own"
	if !t.Objects[first].Match.Wild() {
		remedy = "remove one of them"
	}
	return fmt.Errorf("objects[%d] %q and objects[%d] %q both select table %s.%s: %s",
		first, t.Objects[first].Match, second, t.Objects[second].Match, db, table, remedy)
}
