// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"slices"

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

// readKeys reads the unique indexes of each table, in the server's order where
// that matters.
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
	for table, of := range keys {
		if len(of) > 1 && !slices.ContainsFunc(of, isPrimary) {
			if err := inServerOrder(ctx, q, change.Table{Database: database, Name: table}, of); err != nil {
				return nil, err
			}
		}
	}
	return keys, nil
}

func isPrimary(x uniqueIndex) bool { return x.name == primaryIndex }

// inServerOrder sorts a table's indexes as SHOW INDEX lists them, which
// information_schema does not tell.
func inServerOrder(ctx context.Context, q Querier, t change.Table, of []uniqueIndex) error {
	r, err := q.Query(ctx, "SHOW INDEX FROM "+QuoteTable(&t))
	if ErrorCode(err) == gomysql.ER_NO_SUCH_TABLE {
		return nil // dropped meanwhile: its columns will tell
	}
	if err != nil {
		return err
	}
	const keyName = 2
	place := map[string]int{}
	for i, f := range r.Values {
		place[text(f[keyName])] = i
	}
	slices.SortFunc(of, func(a, b uniqueIndex) int { return place[a.name] - place[b.name] })
	return nil
}

// chooseKey sets what identifies the table's rows: the primary key, else the
// first unique index of whole NOT NULL columns that are not virtual. The server
// takes that one for a primary key too, and table maps name it.
func chooseKey(d definition, indexes []uniqueIndex) {
	d.table.Key, d.table.Primary = nil, slices.ContainsFunc(indexes, isPrimary)
	for _, index := range indexes {
		if isPrimary(index) == d.table.Primary && d.table.Key == nil {
			d.table.Key = keyColumns(d, index)
		}
	}
}

// keyColumns gives the index's columns; nil when they don't identify a row.
// The whole columns of a prefixed primary key do, as the prefixes do already.
func keyColumns(d definition, index uniqueIndex) []int {
	var key []int
	for _, p := range index.parts {
		i := d.table.Column(p.column)
		if i < 0 || d.table.Columns[i].Nullable || d.virtual[i] || (p.prefixed && !isPrimary(index)) {
			return nil
		}
		key = append(key, i)
	}
	return key
}
