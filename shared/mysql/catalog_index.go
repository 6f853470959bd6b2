// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"slices"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
)

const indexesQuery = `SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NON_UNIQUE
	FROM information_schema.STATISTICS
	WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (%s)
	ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`

// readIndexes reads the indexes of each table, in the server's order where that
// matters: where several are unique.
func readIndexes(ctx context.Context, q Querier, database string, names []any) (map[string][]Index, error) {
	r, err := q.Query(ctx, fmt.Sprintf(indexesQuery, placeholders(len(names))), append([]any{database}, names...)...)
	if err != nil {
		return nil, err
	}
	indexes := map[string][]Index{}
	for _, f := range r.Values {
		table, index := text(f[0]), text(f[1])
		of := indexes[table]
		if n := len(of); n == 0 || of[n-1].Name != index {
			of = append(of, Index{Name: index, Unique: f[4].AsInt64() == 0})
		}
		last := &of[len(of)-1]
		last.Parts = append(last.Parts, IndexPart{Column: text(f[2]), Prefix: int(f[3].AsInt64())})
		indexes[table] = of
	}
	for table, of := range indexes {
		if severalUnique(of) {
			if err := inServerOrder(ctx, q, change.Table{Database: database, Name: table}, of); err != nil {
				return nil, err
			}
		}
	}
	return indexes, nil
}

func severalUnique(of []Index) bool {
	n := 0
	for _, x := range of {
		if x.Unique && !isPrimary(x) {
			n++
		}
	}
	return n > 1
}

// inServerOrder sorts a table's indexes as SHOW INDEX lists them, which
// information_schema does not tell.
func inServerOrder(ctx context.Context, q Querier, t change.Table, of []Index) error {
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
	slices.SortFunc(of, func(a, b Index) int { return place[a.Name] - place[b.Name] })
	return nil
}
