// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
)

// ErrNoTable tells that a table does not exist, or not for this user.
var ErrNoTable = errors.New("no such table, or no SELECT privilege on it")

// errTableMoves tells that a definition changed each time it was read.
var errTableMoves = errors.New("the definition keeps changing while it is read; wait for the running DDL to end")

// Querier runs one statement; a Conn does.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (*gomysql.Result, error)
}

// TableInfo is what the server estimates about a table.
type TableInfo struct {
	change.TableName
	Engine string
	// Rows and Bytes are the server's estimates, far off at times.
	Rows, Bytes uint64
}

// ListTables lists the base tables of all databases but the server's own,
// ordered by database and name.
func ListTables(ctx context.Context, q Querier) ([]TableInfo, error) {
	r, err := q.Query(ctx, `SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH
		FROM information_schema.TABLES
		WHERE TABLE_TYPE = 'BASE TABLE'
			AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables := make([]TableInfo, 0, len(r.Values))
	for _, f := range r.Values {
		tables = append(tables, TableInfo{
			TableName: change.TableName{Database: text(f[0]), Name: text(f[1])}, Engine: text(f[2]),
			Rows: f[3].AsUint64(), Bytes: f[4].AsUint64(),
		})
	}
	slices.SortFunc(tables, func(a, b TableInfo) int {
		return strings.Compare(a.Database+"\x00"+a.Name, b.Database+"\x00"+b.Name)
	})
	return tables, nil
}

// DatabaseCollations gives the default collation of every database.
func DatabaseCollations(ctx context.Context, q Querier) (map[string]string, error) {
	r, err := q.Query(ctx, "SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA")
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	of := map[string]string{}
	for _, f := range r.Values {
		of[text(f[0])] = modernName(text(f[1]))
	}
	return of, nil
}

// LoadTable reads one table's definition; ErrNoTable when there is none.
func LoadTable(ctx context.Context, q Querier, database, name string) (*change.Table, error) {
	tables, err := LoadTables(ctx, q, []change.TableName{{Database: database, Name: name}})
	if err != nil {
		return nil, err
	}
	return tables[0], nil
}

// LoadTables reads the definitions of the named tables, in that order;
// ErrNoTable when one is missing.
func LoadTables(ctx context.Context, q Querier, names []change.TableName) ([]*change.Table, error) {
	loaded, err := LoadDefinitions(ctx, q, names)
	if err != nil {
		return nil, err
	}
	tables := make([]*change.Table, len(names))
	for i, n := range names {
		if loaded[n] == nil {
			return nil, fmt.Errorf("%s: %w", n, ErrNoTable)
		}
		tables[i] = loaded[n].Table
	}
	return tables, nil
}

// LoadDefinitions reads the definitions of those of the named tables that
// exist. Each is as of one moment: columns are read before and after the
// indexes and must not have changed between.
func LoadDefinitions(ctx context.Context, q Querier, names []change.TableName) (map[change.TableName]*Definition, error) {
	loaded := make(map[change.TableName]*Definition, len(names))
	for database, of := range byDatabase(names) {
		for batch := range slices.Chunk(of, 200) {
			if err := loadBatch(ctx, q, database, batch, loaded); err != nil {
				return nil, fmt.Errorf("read the definitions of %s: %w", database, err)
			}
		}
	}
	return loaded, nil
}

func byDatabase(names []change.TableName) map[string][]any {
	of := map[string][]any{}
	for _, n := range names {
		of[n.Database] = append(of[n.Database], n.Name)
	}
	return of
}

// loadTries is how often a definition is read until it holds still.
const loadTries = 5

func loadBatch(ctx context.Context, q Querier, database string, names []any, into map[change.TableName]*Definition) error {
	before, err := readTables(ctx, q, database, names)
	for range loadTries {
		if err != nil {
			return err
		}
		indexes, err := readIndexes(ctx, q, database, names)
		if err != nil {
			return err
		}
		after, err := readTables(ctx, q, database, names)
		if err != nil {
			return err
		}
		if reflect.DeepEqual(before, after) {
			for name, d := range after {
				d.Indexes = indexes[name]
				d.trimPrefixes()
				d.chooseKey()
				into[change.TableName{Database: database, Name: name}] = d
			}
			return nil
		}
		before = after
	}
	return errTableMoves
}

const columnsQuery = `SELECT c.TABLE_NAME, t.ENGINE, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE,
		c.CHARACTER_SET_NAME, c.COLLATION_NAME, c.EXTRA, t.TABLE_COLLATION
	FROM information_schema.COLUMNS c
	JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
	WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME IN (%s) AND t.TABLE_TYPE = 'BASE TABLE'
	ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`

func readTables(ctx context.Context, q Querier, database string, names []any) (map[string]*Definition, error) {
	r, err := q.Query(ctx, fmt.Sprintf(columnsQuery, placeholders(len(names))), append([]any{database}, names...)...)
	if err != nil {
		return nil, err
	}
	tables := map[string]*Definition{}
	for _, f := range r.Values {
		name := text(f[0])
		d := tables[name]
		if d == nil {
			d = &Definition{Table: &change.Table{Database: database, Name: name, Engine: text(f[1])}, Collation: modernName(text(f[8]))}
			tables[name] = d
		}
		col, err := newColumn(text(f[2]), text(f[3]), modernName(text(f[5])))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Table, err)
		}
		extra := text(f[7])
		col.Nullable = text(f[4]) == "YES"
		col.Collation = modernName(text(f[6]))
		virtual := strings.Contains(extra, "VIRTUAL GENERATED")
		col.Generated = virtual || strings.Contains(extra, "STORED GENERATED")
		col.Invisible = strings.Contains(extra, "INVISIBLE")
		d.Table.Columns = append(d.Table.Columns, col)
		if virtual {
			d.Virtual = append(d.Virtual, col.Name)
		}
	}
	return tables, nil
}

func placeholders(n int) string {
	return strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
}

func text(f gomysql.FieldValue) string { return string(f.AsString()) }
