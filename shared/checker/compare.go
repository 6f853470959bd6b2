// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Table is a table of the source to compare with the topic.
type Table struct {
	Database, Name string
	// Where is an SQL condition the task filters by; "" for all rows.
	Where string
	// Columns limits the comparison to the columns the task delivers; nil means
	// all, invisible and generated ones too.
	Columns []string
}

// String joins both names as Options.Keys and reports have them.
func (t Table) String() string { return t.Database + "." + t.Name }

// sourceColumn is a column and how it is compared.
type sourceColumn struct {
	name string
	rendering
}

// Compare holds every value of the tables at the source, read in one consistent
// snapshot, against the folded topic, and adds what differs to the report. Rows
// of tables that are not listed count as extra. An error means that it could
// not be done; differences are no error.
func (c *Checker) Compare(ctx context.Context, db *sql.DB, tables []Table) (err error) {
	if len(tables) == 0 {
		return errNoTables
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to the source: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, statement := range []string{
		"SET SESSION time_zone = '+00:00', sql_mode = '', max_execution_time = 0, group_concat_max_len = DEFAULT",
		"SET NAMES utf8mb4",
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	defer func() {
		_, rollback := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, rollback)
	}()
	listed := map[string]bool{}
	for _, t := range tables {
		listed[t.String()] = true
		if err := c.compareTable(ctx, conn, t); err != nil {
			return fmt.Errorf("compare table %s: %w", t, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.fold.tables)) {
		if !listed[name] {
			c.extras(c.fold.tables[name])
		}
	}
	c.report.Compared = true
	return nil
}

func (c *Checker) compareTable(ctx context.Context, conn *sql.Conn, at Table) error {
	columns, err := sourceColumns(ctx, conn, at)
	if err != nil {
		return err
	}
	t := c.fold.table(at.String())
	if err := c.primeKey(ctx, conn, at, t); err != nil {
		return err
	}
	for _, r := range t.rows {
		r.seen = false
	}
	exprs := make([]string, len(columns))
	names := make([]string, len(columns))
	for i, col := range columns {
		exprs[i], names[i] = col.expr, col.name
	}
	query := "SELECT " + strings.Join(exprs, ", ") + " FROM " + quote(at.Database) + "." + quote(at.Name)
	if at.Where != "" {
		query += " WHERE " + at.Where
	}
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer rows.Close()
	count := TableCount{Table: at.String(), Topic: int64(len(t.rows))}
	m := matcher{c: c, t: t, columns: columns, names: names, count: &count, used: map[string]int{}}
	values := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		count.Source++
		m.match(values)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	c.report.Tables = append(c.report.Tables, count)
	c.extras(t)
	return nil
}

// primeKey gives a table of which no row came a key, for the report's sake.
func (c *Checker) primeKey(ctx context.Context, conn *sql.Conn, at Table, t *table) error {
	if t.key != nil || t.keyless {
		return nil
	}
	rows, err := conn.QueryContext(ctx, `SELECT COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY ORDINAL_POSITION`, at.Database, at.Name)
	if err != nil {
		return fmt.Errorf("read the primary key: %w", err)
	}
	defer rows.Close()
	var key []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("read the primary key: %w", err)
		}
		key = append(key, name)
	}
	t.setKey(c.opts.Keys[t.name], key)
	return rows.Err()
}

func sourceColumns(ctx context.Context, conn *sql.Conn, t Table) ([]sourceColumn, error) {
	rows, err := conn.QueryContext(ctx, `SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`, t.Database, t.Name)
	if err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	defer rows.Close()
	var columns []sourceColumn
	for rows.Next() {
		var name, dataType string
		if err := rows.Scan(&name, &dataType); err != nil {
			return nil, fmt.Errorf("read columns: %w", err)
		}
		if t.Columns == nil || slices.Contains(t.Columns, name) {
			columns = append(columns, sourceColumn{name, renderColumn(name, dataType)})
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	if len(columns) == 0 {
		return nil, errors.New("the source has no such table, or the user may not read it")
	}
	return columns, nil
}

// extras reports the rows no row of the source was found for.
func (c *Checker) extras(t *table) {
	keys := make([]string, 0)
	for key, r := range t.rows {
		if !r.seen {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		r := t.rows[key]
		c.differ(Difference{Table: t.name, Key: t.show(r.layout, decode(r.image)), Kind: Extra})
	}
}

func (c *Checker) differ(d Difference) {
	c.report.DifferenceCount++
	if len(c.report.Differences) < c.opts.detail() {
		c.report.Differences = append(c.report.Differences, d)
	}
}
