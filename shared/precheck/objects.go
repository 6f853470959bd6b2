// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"fmt"
	"strings"

	"slipway/shared/change"
	"slipway/shared/task"
)

// checkObjects holds the task's entries against the tables that are there.
func checkObjects(ctx context.Context, s *session) ([]Finding, error) {
	tables, err := s.listed(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for i, o := range s.task.Objects {
		one := s.task
		one.Objects = []task.Object{o}
		matched := 0
		for _, t := range tables {
			if _, ok, _ := one.Select(t.Database, t.Name); ok {
				matched++
			}
		}
		if matched == 0 {
			f, err := s.nothingMatches(ctx, i, o)
			if err != nil {
				return nil, err
			}
			findings = append(findings, f)
		}
	}
	selected := 0
	for _, t := range tables {
		_, ok, err := s.task.Select(t.Database, t.Name)
		if err != nil {
			what, remedy := err.Error(), ""
			if i := strings.LastIndex(what, ": "); i >= 0 {
				what, remedy = what[:i], what[i+2:]
			}
			findings = append(findings, failed(remedy, "%s", what).about(t.String()))
		}
		if ok {
			selected++
		}
	}
	if len(findings) == 0 {
		return []Finding{success("%d tables are selected", selected)}, nil
	}
	return findings, nil
}

// nothingMatches says why an entry selects no table.
func (s *session) nothingMatches(ctx context.Context, i int, o task.Object) (Finding, error) {
	entry := fmt.Sprintf("objects[%d]", i)
	hidden, err := s.hidden(ctx, o.Match)
	if err != nil {
		return Finding{}, err
	}
	if hidden {
		m := &missing{item: "CHECK_PRIV_SELECT", why: fmt.Sprintf("%s: what %q matches shows only with SELECT", entry, o.Match)}
		return m.finding().about(o.Match.String()), nil
	}
	if o.Match.Wild() {
		remedy := "correct " + entry + ".match, or create the tables first"
		if len(o.Exclude) > 0 {
			remedy = "correct " + entry + ".match or its exclude, or create the tables first"
		}
		return failed(remedy, "%s: %q matches no table that the account can see", entry, o.Match).about(o.Match.String()), nil
	}
	database, table := entryNames(o.Match)
	r, err := s.source.v.Query(ctx, "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", database.text, table.text)
	if err != nil {
		return Finding{}, err
	}
	remedy := "correct " + entry + ".match, or create the table first"
	if r.RowNumber() == 0 {
		return failed(remedy, "%s: there is no table %s that the account can see", entry, o.Match).about(o.Match.String()), nil
	}
	kind, err := r.GetString(0, 0)
	if kind == "BASE TABLE" {
		return failed("correct "+entry+".match or its exclude", "%s: %s is there, but left out", entry, o.Match).about(o.Match.String()), err
	}
	return failed("name the tables behind it in "+entry+".match", "%s: %s is a %s; only tables are moved", entry, o.Match, strings.ToLower(kind)).about(o.Match.String()), err
}

// hidden tells whether tables that a pattern matches may be there unseen.
func (s *session) hidden(ctx context.Context, p task.Pattern) (bool, error) {
	database, table := entryNames(p)
	if !p.Wild() {
		return s.readDenied(ctx, change.TableName{Database: database.text, Name: table.text})
	}
	all, err := s.loadGrants(ctx)
	return err == nil && !all.cover("SELECT", database, table), err
}

// checkKeyColumns holds the entries' keyColumns against the tables' keys: a lane
// that could change while the key stays would send two changes of a row along
// two ways (rule D1).
func checkKeyColumns(ctx context.Context, s *session) ([]Finding, error) {
	tables, err := s.selected(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, t := range tables {
		for _, column := range t.rule.KeyColumns {
			if inKey(t.table, column) {
				continue
			}
			entry := fmt.Sprintf("objects[%d].keyColumns", t.rule.Entry)
			remedy := "remove " + entry
			if names := keyNames(t.table); names != "" {
				remedy = fmt.Sprintf("choose among %s in %s, or remove it", names, entry)
			}
			findings = append(findings, failed(remedy, "%s names %q, which is not a column of the key of %s", entry, column, t.table).about(t.String()))
		}
	}
	return findings, nil
}

func inKey(t *change.Table, column string) bool {
	for _, i := range t.Key {
		if strings.EqualFold(t.Columns[i].Name, column) {
			return true
		}
	}
	return false
}

func keyNames(t *change.Table) string {
	var names []string
	for _, i := range t.Key {
		names = append(names, t.Columns[i].Name)
	}
	return strings.Join(names, ", ")
}
