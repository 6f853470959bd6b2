// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"errors"
	"fmt"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"slipway/shared/change"
)

// create makes the definition of a new table.
func (h *History) create(s *sqlparser.CreateTable, n namer, name change.TableName, session *statementSession) (*Definition, error) {
	switch {
	case s.OptLike != nil:
		like := h.find(n.full(s.OptLike.LikeTable))
		d, why := h.Definition(like)
		if d == nil {
			return nil, fmt.Errorf("it was made like %s, whose definition isn't known: %s", like, why)
		}
		return d.named(name), nil
	case s.Select != nil || s.TableSpec == nil:
		return nil, errors.New("it was created by a statement that doesn't list its columns")
	}
	a := &alteration{dialect: &h.dialect, session: session}
	a.d = &Definition{Table: &change.Table{Database: name.Database, Name: name.Name, Engine: "InnoDB"}, Collation: h.databases[name.Database]}
	a.options(s.TableSpec.Options)
	if a.d.Collation == "" {
		return nil, fmt.Errorf("the default character set of database %s isn't known", name.Database)
	}
	for _, c := range s.TableSpec.Columns {
		a.define(placed{def: c})
	}
	inline := len(a.indexes)
	for _, x := range s.TableSpec.Indexes {
		a.indexes = append(a.indexes, newIndex(x))
	}
	d, err := a.finish()
	if err == nil && !d.Table.Primary && d.Table.Key != nil && inline > 0 && len(d.Indexes) > inline {
		return nil, errors.New("which of its unique keys comes first can't be told from its statement")
	}
	return d, err
}

func (h *History) alterTable(s *sqlparser.AlterTable, n namer, session *statementSession) []change.TableName {
	name := h.find(n.full(s.Table))
	to := name
	for _, o := range s.AlterOptions {
		if r, ok := o.(*sqlparser.RenameTableName); ok {
			to = n.full(r.Table)
		}
	}
	var tables []change.TableName
	if d := h.tables[name]; d != nil && len(s.AlterOptions) > 0 && !onlyRenames(s) {
		tables = h.put(name, func() (*Definition, error) { return h.alter(d, s, session) })
	}
	if to != name {
		tables = append(tables, h.rename(name, to)...)
	}
	return tables
}

func onlyRenames(s *sqlparser.AlterTable) bool {
	return !slices.ContainsFunc(s.AlterOptions, func(o sqlparser.AlterOption) bool {
		_, ok := o.(*sqlparser.RenameTableName)
		return !ok
	})
}
