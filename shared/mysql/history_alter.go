// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"slipway/shared/change"
)

// alteration makes one definition out of another the way the server does: the
// whole statement is taken in first, then columns and indexes are listed anew.
type alteration struct {
	dialect *Dialect
	session *statementSession
	d       *Definition // in the making
	columns []listed    // as they are listed so far

	defined []placed          // in the statement's order
	renames map[string]string // by the old name, lower case
	dropped map[string]bool   // lower case
	convert string            // the collation all text is converted to
	indexes []Index           // new ones; unnamed ones get a name at the end
	removed []string          // names of indexes
}

// listed is a column with what a [change.Column] doesn't say.
type listed struct {
	change.Column
	virtual bool
	old     string // what the statement calls it, if it defines or renames an old column
	fresh   bool   // the statement adds it
}

// placed is a column definition, the column it replaces ("" for a new one) and
// where it goes.
type placed struct {
	def   *sqlparser.ColumnDefinition
	old   string
	first bool
	after string
}

// alter applies an ALTER TABLE; d is left alone.
func (h *History) alter(d *Definition, s *sqlparser.AlterTable, session *statementSession) (*Definition, error) {
	table := *d.Table
	a := &alteration{dialect: &h.dialect, session: session, renames: map[string]string{}, dropped: map[string]bool{}}
	a.d = &Definition{Table: &table, Collation: d.Collation}
	for _, x := range d.Indexes {
		a.d.Indexes = append(a.d.Indexes, Index{Name: x.Name, Unique: x.Unique, Parts: slices.Clone(x.Parts)})
	}
	for _, c := range table.Columns {
		a.columns = append(a.columns, listed{Column: c, virtual: d.isVirtual(c.Name)})
	}
	for _, o := range s.AlterOptions {
		a.option(o)
	}
	return a.finish()
}

func (a *alteration) option(o sqlparser.AlterOption) {
	switch o := o.(type) {
	case *sqlparser.AddColumns:
		for _, c := range o.Columns {
			a.define(placed{def: c, first: o.First, after: columnName(o.After)})
		}
	case *sqlparser.ChangeColumn:
		a.define(placed{def: o.NewColDefinition, old: columnName(o.OldColumn), first: o.First, after: columnName(o.After)})
	case *sqlparser.ModifyColumn:
		a.define(placed{def: o.NewColDefinition, old: o.NewColDefinition.Name.String(), first: o.First, after: columnName(o.After)})
	case *sqlparser.RenameColumn:
		a.renames[strings.ToLower(columnName(o.OldName))] = columnName(o.NewName)
	case *sqlparser.DropColumn:
		a.dropped[strings.ToLower(columnName(o.Name))] = true
	case *sqlparser.AlterColumn:
		if i := a.column(columnName(o.Column)); i >= 0 && o.Invisible != nil {
			a.columns[i].Invisible = *o.Invisible
		}
	case *sqlparser.AddIndexDefinition:
		a.indexes = append(a.indexes, newIndex(o.IndexDefinition))
	case *sqlparser.DropKey:
		a.dropIndex(o)
	case *sqlparser.RenameIndex:
		for i, x := range a.d.Indexes {
			if strings.EqualFold(x.Name, o.OldName.String()) {
				a.d.Indexes[i].Name = o.NewName.String()
			}
		}
	case sqlparser.TableOptions:
		a.options(o)
	case *sqlparser.AlterCharset:
		a.convert = a.dialect.collation(o.CharacterSet, a.session)
		if o.Collate != "" {
			a.convert = modernName(strings.ToLower(o.Collate))
		}
		a.d.Collation = a.convert
	}
}

func columnName(c *sqlparser.ColName) string {
	if c == nil {
		return ""
	}
	return c.Name.String()
}

// options takes the table options that matter for rows.
func (a *alteration) options(options sqlparser.TableOptions) {
	for _, o := range options {
		switch strings.ToLower(o.Name) {
		case "charset":
			a.d.Collation = a.dialect.collation(o.String, a.session)
		case "collate":
			a.d.Collation = modernName(strings.ToLower(o.String))
		case "engine":
			a.d.Table.Engine = engineName(o.String)
		}
	}
}

// engineName is how the server writes an engine's name.
func engineName(s string) string {
	for _, known := range []string{"InnoDB", "MyISAM", "MEMORY", "ARCHIVE", "CSV", "BLACKHOLE", "MRG_MYISAM", "FEDERATED", "ndbcluster"} {
		if strings.EqualFold(known, s) {
			return known
		}
	}
	return s
}

// define takes a column definition, and the keys written into it.
func (a *alteration) define(p placed) {
	a.defined = append(a.defined, p)
	part := []IndexPart{{Column: p.def.Name.String()}}
	switch p.def.Type.Options.KeyOpt {
	case sqlparser.ColKeyPrimary, sqlparser.ColKey:
		a.indexes = append(a.indexes, Index{Name: primaryIndex, Unique: true, Parts: part})
	case sqlparser.ColKeyUnique, sqlparser.ColKeyUniqueKey:
		a.indexes = append(a.indexes, Index{Unique: true, Parts: part})
	}
}

func (a *alteration) column(name string) int {
	return slices.IndexFunc(a.columns, func(c listed) bool { return strings.EqualFold(c.Name, name) })
}

// listColumns gives the definition its columns.
func (a *alteration) listColumns() {
	a.d.Table.Columns, a.d.Virtual = nil, nil
	for _, c := range a.columns {
		a.d.Table.Columns = append(a.d.Table.Columns, c.Column)
		if c.virtual {
			a.d.Virtual = append(a.d.Virtual, c.Name)
		}
	}
}

// finish lists the columns and indexes.
func (a *alteration) finish() (*Definition, error) {
	if err := a.relist(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.d.Table, err)
	}
	for _, x := range a.indexes {
		x.Name = cmp.Or(x.Name, a.indexName(x))
		a.d.Indexes = append(a.d.Indexes, x)
	}
	a.listColumns()
	a.d.trimPrefixes() // the order depends on them
	a.sortIndexes()
	a.listColumns() // as the primary key has made them
	a.d.chooseKey()
	return a.d, a.ambiguousKey()
}

// relist lists the columns: the old ones, changed or not, each in its place,
// then the new and the moved ones, each at the place it names among all listed
// by then.
func (a *alteration) relist() error {
	old := a.columns
	a.columns = nil
	for _, c := range old {
		lower := strings.ToLower(c.Name)
		if a.dropped[lower] {
			continue
		}
		i := slices.IndexFunc(a.defined, func(p placed) bool { return p.old != "" && strings.EqualFold(p.old, c.Name) })
		if i >= 0 {
			var err error
			if c, err = a.newColumn(a.defined[i]); err != nil {
				return err
			}
		} else {
			if to := a.renames[lower]; to != "" {
				c.old, c.Name = c.Name, to
			}
			if a.convert != "" {
				a.dialect.convert(&c.Column, a.convert)
			}
		}
		a.columns = append(a.columns, c)
	}
	for _, p := range a.defined {
		if err := a.place(p); err != nil {
			return err
		}
	}
	return a.followColumns(old)
}

// place puts a new or a moved column where it belongs.
func (a *alteration) place(p placed) error {
	if p.old != "" && !p.first && p.after == "" {
		return nil // it is in its place
	}
	c, err := a.newColumn(p)
	if err != nil {
		return err
	}
	if p.old != "" {
		a.columns = slices.DeleteFunc(a.columns, func(x listed) bool { return x.old == p.old })
	}
	at := len(a.columns)
	switch {
	case p.first:
		at = 0
	case p.after != "":
		i := a.column(p.after)
		if i < 0 {
			return fmt.Errorf("column %q goes after %q, which isn't there", c.Name, p.after)
		}
		at = i + 1
	}
	a.columns = slices.Insert(a.columns, at, c)
	return nil
}

func (a *alteration) newColumn(p placed) (listed, error) {
	c, err := a.dialect.column(p.def, a.d.Collation, a.session)
	if err == nil && a.convert != "" && carriesText(c.Type) && c.Charset != "binary" { // whatever the column says itself
		c.Charset, c.Collation = charsetOfCollation(a.convert), a.convert
	}
	if err == nil && a.convert != "" && p.old != "" && c.Type == change.TypeText {
		return c, fmt.Errorf("the size of column %q can't be told: one statement changes it and converts the table", c.Name)
	}
	c.old, c.fresh = p.old, p.old == "" && a.renames != nil
	return c, err
}
