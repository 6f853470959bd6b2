// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
)

// ErrMinimalMetadata tells that table maps don't say what their columns are.
var ErrMinimalMetadata = errors.New("the table map has no column names")

// Resolve gives the definition that the rows of a table map were written with
// (rule T5). With full metadata the table map says nearly all; the text of a
// type, what is generated, the engine, and whether the key is the primary key or
// a unique one that stands in for it come from the first of known and hints that
// agrees on each. With minimal metadata known is the definition, if the table map
// doesn't contradict it.
//
// A definition that agrees in everything is returned itself, so that one is
// shared by all its rows.
func Resolve(e *replication.TableMapEvent, known *change.Table, hints ...*change.Table) (*change.Table, error) {
	if len(e.ColumnName) == 0 {
		return resolveMinimal(e, known)
	}
	t, err := mappedTable(e)
	if err != nil {
		return nil, err
	}
	candidates := append([]*change.Table{known}, hints...)
	for _, c := range candidates {
		if c != nil && agrees(t, c) {
			return c, nil
		}
	}
	for i := range t.Columns {
		borrow(&t.Columns[i], candidates)
	}
	for _, c := range slices.Backward(candidates) {
		if c == nil {
			continue
		}
		t.Engine = c.Engine
		if sameKey(t, c) {
			t.Primary = c.Primary
		}
	}
	return t, nil
}

// mappedTable is the table as the table map alone tells it.
func mappedTable(e *replication.TableMapEvent) (*change.Table, error) {
	t := &change.Table{Database: string(e.Schema), Name: string(e.Table)}
	m := newMapColumns(e)
	for i := range int(e.ColumnCount) {
		col, err := m.column(i)
		if err != nil {
			return nil, fmt.Errorf("%s: column %q: %w", t, e.ColumnName[i], err)
		}
		t.Columns = append(t.Columns, col)
	}
	for _, i := range e.PrimaryKey {
		if i >= e.ColumnCount {
			return nil, fmt.Errorf("%s: the table map's primary key names column %d of %d", t, i, e.ColumnCount)
		}
		t.Key = append(t.Key, int(i))
	}
	t.Primary = len(t.Key) > 0 // Resolve knows better with a candidate
	return t, nil
}

// agrees tells whether a candidate is the definition the table map describes.
func agrees(t, c *change.Table) bool {
	if t.Database != c.Database || t.Name != c.Name || len(t.Columns) != len(c.Columns) {
		return false
	}
	for i := range t.Columns {
		if !sameColumn(&t.Columns[i], &c.Columns[i]) {
			return false
		}
	}
	return slices.Equal(t.Key, c.Key)
}

// sameColumn compares what a table map can tell of a column.
func sameColumn(mapped, known *change.Column) bool {
	k := *known
	k.Generated = false
	if k.Declared != mapped.Declared && plainType(&k) == mapped.Declared {
		k.Declared = mapped.Declared
	}
	return reflect.DeepEqual(*mapped, k)
}

// borrow completes a column from the first candidate that has it just so.
func borrow(col *change.Column, candidates []*change.Table) {
	for _, c := range candidates {
		if c == nil {
			continue
		}
		if i := c.Column(col.Name); i >= 0 && sameColumn(col, &c.Columns[i]) {
			*col = c.Columns[i]
			return
		}
	}
}

// sameKey compares keys by their columns' names.
func sameKey(t, c *change.Table) bool {
	return slices.EqualFunc(t.Key, c.Key, func(i, j int) bool {
		return strings.EqualFold(t.Columns[i].Name, c.Columns[j].Name)
	})
}
