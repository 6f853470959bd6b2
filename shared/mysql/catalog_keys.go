// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
)

// primaryIndex is the primary key's name in every table that has one.
const primaryIndex = "PRIMARY"

// uniqueIndex is one unique index. A part over an expression has column "".
type uniqueIndex struct {
	name  string
	parts []indexPart
}

type indexPart struct {
	column   string
	prefixed bool
}

const keysQuery = `SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART
	FROM information_schema.STATISTICS
	WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (%s) AND NON_UNIQUE = 0
	ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`

// readKeys reads the unique indexes of each table, ordered by name.
func readKeys(ctx context.Context, q Querier, database string, names []any) (map[string][]uniqueIndex, error) {
	r, err := q.Query(ctx, fmt.Sprintf(keysQuery, placeholders(len(names))), append([]any{database}, names...)...)
	if err != nil {
		return nil, err
	}
	keys := map[string][]uniqueIndex{}
	for _, f := range r.Values {
		table, index := text(f[0]), text(f[1])
		of := keys[table]
		if n := len(of); n == 0 || of[n-1].name != index {
			of = append(of, uniqueIndex{name: index})
		}
		last := &of[len(of)-1]
		last.parts = append(last.parts, indexPart{
			column: text(f[2]), prefixed: f[3].Type != gomysql.FieldValueTypeNull,
		})
		keys[table] = of
	}
	return keys, nil
}

// chooseKey sets what identifies the table's rows: the primary key, else the
// first unique index, by name, of whole NOT NULL columns.
func chooseKey(t *change.Table, indexes []uniqueIndex) {
	for _, index := range indexes {
		if index.name == primaryIndex {
			t.Key, t.Primary = keyColumns(t, index, true), true
			return
		}
	}
	for _, index := range indexes {
		if t.Key = keyColumns(t, index, false); t.Key != nil {
			return
		}
	}
}

// keyColumns gives the index's columns; nil when they don't identify a row.
// The whole columns of a prefixed primary key do, as the prefixes do already.
func keyColumns(t *change.Table, index uniqueIndex, prefixes bool) []int {
	var key []int
	for _, p := range index.parts {
		i := t.Column(p.column)
		if i < 0 || t.Columns[i].Nullable || (p.prefixed && !prefixes) {
			return nil
		}
		key = append(key, i)
	}
	return key
}
