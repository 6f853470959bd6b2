// SPDX-License-Identifier: Apache-2.0

// Package typetest is the matrix of column types as data: every type of every server version with the values worth a
// look, and every place where canal writes another text for one of them.
//
// The tests of several packages take it to real servers: the decoders of package mysql, whole migrations, the judge.
// A column's name is its declaration, so that a failure and a golden line say what they are about.
package typetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Column is one column with its values.
type Column struct {
	// Declared is the type as CREATE TABLE has it.
	Declared string
	// Name is the column's; "" takes Declared.
	Name string
	// Since is the first server version that has it, as MySQL numbers them: 80013; 0 for all.
	Since int
	// Values are SQL expressions, for a session without sql_mode, at UTC, in utf8mb4. None for a column that the server
	// fills by itself.
	Values []string
	// Stalls says on what canal stops for ever; such a column is kept from it.
	Stalls string
}

// Table is a group of columns that share a table, whose key is id and n, which UPDATEs count up.
type Table struct {
	Name    string
	Columns []Column
}

// Tables lists the tables, with the columns that a server of this version has.
func Tables(version int) []Table {
	all := []Table{
		{"numbers", numbers()},
		{"bits", bits()},
		{"times", times()},
		{"texts", texts()},
		{"charsets", charsets()},
		{"labels", labels()},
		{"documents", documents()},
		{"others", others()},
	}
	for i := range all {
		all[i].Columns = slices.DeleteFunc(all[i].Columns, func(c Column) bool { return c.Since > version })
	}
	return all
}

// ForCanal is the table without what canal stops on.
func (t Table) ForCanal() Table {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return c.Stalls != "" })
	return t
}

// quoted is the column's name in a statement.
func (c Column) quoted() string {
	return "`" + strings.ReplaceAll(c.Label(), "`", "``") + "`"
}

// Label is the column's name.
func (c Column) Label() string { return cmp.Or(c.Name, c.Declared) }

// Create is the statement that makes the table in database.
func (t Table) Create(database string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s.%s (id int NOT NULL PRIMARY KEY, n int NOT NULL DEFAULT 0", database, t.Name)
	for _, c := range t.Columns {
		fmt.Fprintf(&b, ", %s %s", c.quoted(), c.Declared)
	}
	return b.String() + ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4"
}

// Rows is the number of rows that show every value; one more is all NULL.
func (t Table) Rows() (n int) {
	for _, c := range t.Columns {
		n = max(n, len(c.Values))
	}
	return n + 1
}

// Value is what row shows of the column: its values over and over, and NULL in the table's last row where it can be.
func (t Table) Value(c Column, row int) string {
	if row == t.Rows()-1 && !strings.Contains(c.Declared, "not null") {
		return "NULL"
	}
	return c.Values[row%len(c.Values)]
}

// Insert is the statement that inserts a row with the given id.
func (t Table) Insert(database string, row, id int) string {
	var names, values strings.Builder
	for _, c := range t.Columns {
		if len(c.Values) > 0 {
			names.WriteString(", " + c.quoted())
			values.WriteString(", " + t.Value(c, row))
		}
	}
	return fmt.Sprintf("INSERT INTO %s.%s (id%s) VALUES (%d%s)", database, t.Name, names.String(), id, values.String())
}

// Update is the statement that gives the row of an id the values of another row.
func (t Table) Update(database string, row, id int) string {
	var set strings.Builder
	for _, c := range t.Columns {
		if len(c.Values) > 0 {
			fmt.Fprintf(&set, ", %s = %s", c.quoted(), t.Value(c, row))
		}
	}
	return fmt.Sprintf("UPDATE %s.%s SET n = n + 1%s WHERE id = %d", database, t.Name, set.String(), id)
}
