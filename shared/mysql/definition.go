// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"slices"
	"strings"

	"slipway/shared/change"
)

// Definition is a table's definition with what no row shows of it, but the next
// DDL builds on (rule T5). It never changes: a DDL makes a new one.
type Definition struct {
	Table *change.Table `json:"table"`
	// Collation is what text columns get that name none.
	Collation string `json:"collation,omitempty"`
	// Virtual names the generated columns that aren't stored.
	Virtual []string `json:"virtual,omitempty"`
	// Indexes are in the server's order where they are unique.
	Indexes []Index `json:"indexes,omitempty"`
}

// Index is one index of a table.
type Index struct {
	Name   string      `json:"name"`
	Unique bool        `json:"unique,omitempty"`
	Parts  []IndexPart `json:"parts"`
}

// IndexPart is one column of an index; an expression has Column "". Prefix is how
// many characters or bytes of it are indexed, 0 for all.
type IndexPart struct {
	Column string `json:"column,omitempty"`
	Prefix int    `json:"prefix,omitempty"`
}

// primaryIndex is the primary key's name in every table that has one.
const primaryIndex = "PRIMARY"

func isPrimary(x Index) bool { return x.Name == primaryIndex }

// chooseKey sets what identifies the table's rows: the primary key, else the
// first unique index of whole NOT NULL columns that are not virtual. The server
// takes that one for a primary key too, and table maps name it.
func (d *Definition) chooseKey() {
	d.Table.Key, d.Table.Primary = nil, slices.ContainsFunc(d.Indexes, isPrimary)
	for _, index := range d.Indexes {
		if index.Unique && isPrimary(index) == d.Table.Primary && d.Table.Key == nil {
			d.Table.Key = d.keyColumns(index)
		}
	}
}

// KeyIndex is the index behind the table's key: none for a keyless table.
func (d *Definition) KeyIndex() Index {
	for _, index := range d.Indexes {
		if len(d.Table.Key) > 0 && index.Unique && isPrimary(index) == d.Table.Primary && slices.Equal(d.keyColumns(index), d.Table.Key) {
			return index
		}
	}
	return Index{}
}

// Prefixed tells whether the index holds the beginnings of values only: then it
// doesn't have them in their order.
func (x Index) Prefixed() bool {
	return slices.ContainsFunc(x.Parts, func(p IndexPart) bool { return p.Prefix > 0 })
}

// trimPrefixes takes prefixes away that are the whole column, or that its type
// can't have.
func (d *Definition) trimPrefixes() {
	for _, x := range d.Indexes {
		for i, p := range x.Parts {
			if c := d.Table.Column(p.Column); c >= 0 && p.Prefix >= mostIndexed(&d.Table.Columns[c]) {
				x.Parts[i].Prefix = 0
			}
		}
	}
}

// As gives the definition as rows have shown the table to be.
func (d *Definition) As(t *change.Table) *Definition {
	out := *d
	out.Table = t
	if t.Primary && !slices.ContainsFunc(d.Indexes, isPrimary) { // the server has added my_row_id
		primary := Index{Name: primaryIndex, Unique: true}
		for _, i := range t.Key {
			primary.Parts = append(primary.Parts, IndexPart{Column: t.Columns[i].Name})
		}
		out.Indexes = append([]Index{primary}, d.Indexes...)
	}
	return &out
}

// keyColumns gives the index's columns; nil when they don't identify a row.
// The whole columns of a prefixed primary key do, as the prefixes do already.
func (d *Definition) keyColumns(index Index) []int {
	var key []int
	for _, p := range index.Parts {
		i := d.Table.Column(p.Column)
		if i < 0 || d.Table.Columns[i].Nullable || d.isVirtual(p.Column) || (p.Prefix > 0 && !isPrimary(index)) {
			return nil
		}
		key = append(key, i)
	}
	return key
}

func (d *Definition) isVirtual(column string) bool {
	return slices.ContainsFunc(d.Virtual, func(v string) bool { return strings.EqualFold(v, column) })
}
