// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"slipway/shared/change"
)

// Schema is the table definitions as of a place in the binlog, as it is stored.
type Schema struct {
	Tables []*Definition `json:"tables"`
	// Databases are the default collations of databases.
	Databases map[string]string `json:"databases,omitempty"`
	// Unknown are tables that exist, but whose definition isn't known.
	Unknown []UnknownTable `json:"unknown,omitempty"`
}

// UnknownTable is a table whose definition isn't known, and why.
type UnknownTable struct {
	change.TableName
	Why string `json:"why"`
}

// Lose takes a table's definition out, and says why it isn't known.
func (s *Schema) Lose(name change.TableName, why string) {
	s.Tables = slices.DeleteFunc(s.Tables, func(d *Definition) bool { return d.Table.FullName() == name })
	s.Unknown = append(s.Unknown, UnknownTable{name, why})
}

// History is a Schema that the DDL of the binlog moves on (rule T5). It is what
// explains rows whose table maps carry no metadata, and must therefore be exact:
// of a table whose DDL it can't follow it says so instead of guessing.
type History struct {
	dialect   Dialect
	concerns  func(database string) bool
	tables    map[change.TableName]*Definition
	unknown   map[change.TableName]string
	databases map[string]string
}

// NewHistory makes a history that begins with s and follows the tables of the
// databases that concern the task.
func NewHistory(dialect Dialect, s Schema, concerns func(database string) bool) *History {
	h := &History{
		dialect: dialect, concerns: concerns, tables: map[change.TableName]*Definition{},
		unknown: map[change.TableName]string{}, databases: map[string]string{},
	}
	for _, d := range s.Tables {
		h.tables[d.Table.FullName()] = d
	}
	for _, u := range s.Unknown {
		h.unknown[u.TableName] = u.Why
	}
	maps.Copy(h.databases, s.Databases)
	return h
}

// Schema gives what is to be stored. Definitions are shared with the history,
// which never changes one.
func (h *History) Schema() Schema {
	s := Schema{Tables: slices.Collect(maps.Values(h.tables)), Databases: maps.Clone(h.databases)}
	slices.SortFunc(s.Tables, func(a, b *Definition) int { return compareNames(a.Table.FullName(), b.Table.FullName()) })
	for name, why := range h.unknown {
		s.Unknown = append(s.Unknown, UnknownTable{name, why})
	}
	slices.SortFunc(s.Unknown, func(a, b UnknownTable) int { return compareNames(a.TableName, b.TableName) })
	return s
}

func compareNames(a, b change.TableName) int {
	return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Name, b.Name))
}

// Definition gives a table's definition; nil when it isn't known, and why.
func (h *History) Definition(name change.TableName) (d *Definition, why string) {
	if d := h.tables[name]; d != nil {
		return d, ""
	}
	return nil, cmp.Or(h.unknown[name], "it was neither there when the task was planned nor created since")
}

// Names lists the tables whose definitions are known.
func (h *History) Names() []change.TableName { return slices.Collect(maps.Keys(h.tables)) }

// Set says what a table looks like, whatever its DDL said.
func (h *History) Set(d *Definition) {
	name := d.Table.FullName()
	h.tables[name] = d
	delete(h.unknown, name)
}

// Apply moves the history past a statement. It gives the tables whose
// definitions are others now, or aren't known any more, and whether anything
// that is stored changed.
func (h *History) Apply(q *Query) (tables []change.TableName, changed bool) {
	if q.Parsed.Class != ClassDDL && q.Parsed.Class != ClassNone {
		return nil, false
	}
	n := namer{q.Database}
	switch s := q.Parsed.stmt.(type) {
	case *sqlparser.CreateDatabase:
		return nil, h.database(s.DBName.String(), "", s.CreateOptions, &q.session)
	case *sqlparser.AlterDatabase:
		name := cmp.Or(s.DBName.String(), q.Database)
		return nil, h.database(name, h.databases[name], s.AlterOptions, &q.session)
	case *sqlparser.DropDatabase:
		tables = h.dropDatabase(s.DBName.String())
	case *sqlparser.CreateTable:
		name := n.full(s.Table)
		if !s.Temp && (h.tables[name] == nil || !s.IfNotExists) {
			tables = h.put(name, func() (*Definition, error) { return h.create(s, n, name, &q.session) })
		}
	case *sqlparser.DropTable:
		for _, t := range s.FromTables {
			if !s.Temp {
				tables = append(tables, h.forget(n.full(t))...)
			}
		}
	case *sqlparser.RenameTable:
		for _, p := range s.TablePairs {
			tables = append(tables, h.rename(n.full(p.FromTable), n.full(p.ToTable))...)
		}
	case *sqlparser.AlterTable:
		tables = h.alterTable(s, n, &q.session)
	case nil:
		tables = h.unparsed(q)
	}
	return tables, len(tables) > 0
}

// put makes name's definition what f gives, or unknown.
func (h *History) put(name change.TableName, f func() (*Definition, error)) []change.TableName {
	if !h.concerns(name.Database) {
		return nil
	}
	d, err := f()
	if err != nil {
		h.lose(name, err.Error())
	} else {
		h.Set(d)
	}
	return []change.TableName{name}
}

// lose says why a table's definition isn't known any more.
func (h *History) lose(name change.TableName, why string) {
	delete(h.tables, name)
	h.unknown[name] = why
}

func (h *History) forget(name change.TableName) []change.TableName {
	name = h.find(name)
	if h.tables[name] == nil && h.unknown[name] == "" {
		return nil
	}
	delete(h.tables, name)
	delete(h.unknown, name)
	return []change.TableName{name}
}

// find gives the name a table is known by: a statement may write it otherwise
// where the server compares names without case.
func (h *History) find(name change.TableName) change.TableName {
	if h.tables[name] != nil || h.unknown[name] != "" {
		return name
	}
	for known := range h.tables {
		if strings.EqualFold(known.Database, name.Database) && strings.EqualFold(known.Name, name.Name) {
			return known
		}
	}
	return name
}

func (h *History) rename(from, to change.TableName) []change.TableName {
	from = h.find(from)
	d, why := h.Definition(from)
	tables := h.forget(from)
	return append(tables, h.put(to, func() (*Definition, error) {
		if d == nil {
			return nil, fmt.Errorf("it was renamed from %s, whose definition isn't known: %s", from, why)
		}
		return d.named(to), nil
	})...)
}

// named is the definition under another name.
func (d *Definition) named(name change.TableName) *Definition {
	out, t := *d, *d.Table
	t.Database, t.Name = name.Database, name.Name
	out.Table = &t
	return &out
}

func (h *History) dropDatabase(name string) (tables []change.TableName) {
	for _, known := range slices.Concat(slices.Collect(maps.Keys(h.tables)), slices.Collect(maps.Keys(h.unknown))) {
		if strings.EqualFold(known.Database, name) {
			tables = append(tables, h.forget(known)...)
		}
	}
	delete(h.databases, name)
	return tables
}

func (h *History) database(name, collation string, options []sqlparser.DatabaseOption, session *statementSession) (changed bool) {
	if !h.concerns(name) {
		return false
	}
	now := cmp.Or(collation, session.serverCollation)
	for _, o := range options {
		switch o.Type {
		case sqlparser.CharacterSetType:
			now = h.dialect.collation(o.Value, session)
		case sqlparser.CollateType:
			now = modernName(strings.ToLower(o.Value))
		}
	}
	changed = h.databases[name] != now
	h.databases[name] = now
	return changed
}

// unparsed takes a statement of which only the tables are known.
func (h *History) unparsed(q *Query) (tables []change.TableName) {
	for _, c := range q.Parsed.Changes {
		name := h.find(change.TableName{Database: c.Database, Name: c.Name})
		if c.Type != change.DDLQuery && h.concerns(name.Database) {
			h.lose(name, fmt.Sprintf("its columns after this statement are beyond our parser: %s", q.SQL))
			tables = append(tables, name)
		}
	}
	return tables
}

func (n namer) full(t sqlparser.TableName) change.TableName {
	db, name := n.name(t)
	return change.TableName{Database: db, Name: name}
}
