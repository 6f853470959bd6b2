// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"slipway/shared/change"
)

// sortIndexes puts indexes where the server puts them: the primary key, then
// unique ones without a nullable column, then those without prefixes, then those
// without a virtual column, then the rest; else they keep their places. A primary
// key makes its columns NOT NULL for the indexes behind it in the list only.
func (a *alteration) sortIndexes() {
	rank := map[string]int{}
	for _, x := range a.d.Indexes {
		if isPrimary(x) {
			for _, p := range x.Parts {
				if i := a.column(p.Column); i >= 0 {
					a.columns[i].Nullable = false
				}
			}
		}
		rank[x.Name] = a.rank(x)
	}
	slices.SortStableFunc(a.d.Indexes, func(x, y Index) int { return cmp.Compare(rank[x.Name], rank[y.Name]) })
}

func (a *alteration) rank(x Index) int {
	switch {
	case isPrimary(x):
		return 0
	case !x.Unique:
		return 9
	}
	nullable, prefixed, virtual := 0, 0, 0
	for _, p := range x.Parts {
		if p.Prefix > 0 {
			prefixed = 2
		}
		if i := a.column(p.Column); i >= 0 {
			if a.columns[i].Nullable {
				nullable = 4
			}
			if a.columns[i].virtual {
				virtual = 1
			}
		}
	}
	return 1 + nullable + prefixed + virtual
}

// followColumns has the old indexes follow their columns. As in the server, the
// first in the list that was called so, or that is new and called so, is it.
func (a *alteration) followColumns(old []listed) error {
	for i := range a.d.Indexes {
		x := &a.d.Indexes[i]
		var parts []IndexPart
		for _, p := range x.Parts {
			if p.Column != "" { // else it is an expression
				c := slices.IndexFunc(a.columns, func(c listed) bool { return strings.EqualFold(cmp.Or(c.old, c.Name), p.Column) })
				if c < 0 {
					continue
				}
				if a.columns[c].fresh {
					var err error
					if p.Prefix, err = inherited(p, old, &a.columns[c].Column); err != nil {
						return fmt.Errorf("index %s: %w", x.Name, err)
					}
				}
				p.Column = a.columns[c].Name
			}
			parts = append(parts, p)
		}
		x.Parts = parts
	}
	a.d.Indexes = slices.DeleteFunc(a.d.Indexes, func(x Index) bool { return len(x.Parts) == 0 })
	return nil
}

// inherited is how much of a new column is indexed that takes the place of an old
// one of its name: as much as of that one.
func inherited(p IndexPart, old []listed, now *change.Column) (prefix int, err error) {
	i := slices.IndexFunc(old, func(c listed) bool { return strings.EqualFold(c.Name, p.Column) })
	was := &old[i].Column
	switch {
	case mostIndexed(was) > 0 && mostIndexed(now) > 0:
		return cmp.Or(p.Prefix, mostIndexed(was)), nil
	case was.Type == now.Type && was.Declared == now.Declared:
		return 0, nil
	}
	return 0, fmt.Errorf("a new column %q (%s) takes the place of one of another type (%s) in the same statement", now.Name, now.Declared, was.Declared)
}

// pointBytes is the length of every POINT; MySQL 5.7 indexes as much of one.
const pointBytes = 25

// mostIndexed is the length from which on a prefix of the column is all of it.
func mostIndexed(c *change.Column) int {
	switch c.Type {
	case change.TypeChar, change.TypeVarchar, change.TypeBinary, change.TypeVarbinary:
		return declaredLength(c)
	case change.TypeText, change.TypeBlob, change.TypeGeometry:
		if c.Declared == "point" {
			return pointBytes
		}
		return math.MaxInt
	}
	return 0
}

func newIndex(s *sqlparser.IndexDefinition) Index {
	x := Index{Name: cmp.Or(s.Info.Name.String(), s.Info.ConstraintName.String()), Unique: s.Info.IsUnique()}
	if s.Info.Type == sqlparser.IndexTypePrimary {
		x.Name = primaryIndex
	}
	for _, c := range s.Columns {
		x.Parts = append(x.Parts, IndexPart{c.Column.String(), number(c.Length, 0)})
	}
	return x
}

func (a *alteration) dropIndex(o *sqlparser.DropKey) {
	name := o.Name.String()
	switch o.Type {
	case sqlparser.PrimaryKeyType:
		name = primaryIndex
	case sqlparser.NormalKeyType, sqlparser.ConstraintType:
	default:
		return
	}
	a.removed = append(a.removed, name)
	a.d.Indexes = slices.DeleteFunc(a.d.Indexes, func(x Index) bool { return strings.EqualFold(x.Name, name) })
}

// indexName is the name the server gives an index without one: its first
// column's, with a number behind it if there is such an index.
func (a *alteration) indexName(x Index) string {
	base := cmp.Or(x.Parts[0].Column, "functional_index")
	taken := func(name string) bool {
		return isPrimary(Index{Name: strings.ToUpper(name)}) ||
			slices.ContainsFunc(a.d.Indexes, func(y Index) bool { return strings.EqualFold(y.Name, name) })
	}
	name := base
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	return name
}

// ambiguousKey refuses to choose among several unique keys where one was dropped
// and made again in one statement: the server may leave it in its old place.
func (a *alteration) ambiguousKey() error {
	if a.d.Table.Primary {
		return nil
	}
	candidates, again := 0, false
	for _, x := range a.d.Indexes {
		if x.Unique && a.d.keyColumns(x) != nil {
			candidates++
			again = again || slices.ContainsFunc(a.removed, func(name string) bool { return strings.EqualFold(name, x.Name) })
		}
	}
	if candidates > 1 && again {
		return errors.New("one of its unique keys was dropped and made again in one statement: which comes first can't be told")
	}
	return nil
}
