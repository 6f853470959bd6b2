// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"fmt"
	"slices"

	"slipway/shared/change"
	"slipway/shared/mysql"
)

// checkTableKeys says how each table's key lets it be read and kept in order.
func checkTableKeys(ctx context.Context, s *session) ([]Finding, error) {
	tables, err := s.selected(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	chunked := 0
	for _, t := range tables {
		order := mysql.NewKeyOrder(t.table, t.table.Key)
		switch {
		case slices.Contains(notForTail, t.Engine):
			// CHECK_ENGINE fails it
		case len(t.table.Key) == 0:
			remedy, err := s.keyRemedy(ctx, t.table)
			if err != nil {
				return nil, err
			}
			findings = append(findings, warning(remedy,
				"%s has no primary key and no unique key of NOT NULL columns: its rows go through one lane, the snapshot may repeat rows that change meanwhile (marked replay=true), and a consumer can't tell two equal rows apart (rules S7, D1)", t).about(t.String()))
		case !order.Ordered():
			what := "the server's order of the key of %s can't be reproduced here: the table is read by one SELECT"
			if !order.Canonical() {
				what += ", and its rows go through one lane"
			}
			findings = append(findings, success(what+" (rule S7)", t).about(t.String()))
		default:
			chunked++
		}
	}
	if chunked > 0 && len(findings) > 0 {
		findings = append(findings, success("%d tables have a key that their chunks can follow", chunked))
	}
	return findings, nil
}

// keyRemedy is the statement that gives a table a key: on its AUTO_INCREMENT
// column, of which there can be one only, else on a new one, hidden from SELECT *
// and INSERT without a column list where the server can.
func (s *session) keyRemedy(ctx context.Context, t *change.Table) (string, error) {
	r, err := s.source.v.Query(ctx, "SELECT COLUMN_NAME, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", t.Database, t.Name)
	if err != nil {
		return "", err
	}
	for i := range r.RowNumber() {
		column, err := r.GetString(i, 0)
		if err != nil {
			return "", err
		}
		extra, err := r.GetString(i, 1)
		if err != nil {
			return "", err
		}
		if extra == "auto_increment" {
			return fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (%s);", mysql.QuoteTable(t), quoteName(column)), nil
		}
	}
	column, invisible := "id", ""
	for t.Column(column) >= 0 {
		column = "row_" + column
	}
	if _, ok := s.vars.v["sql_generate_invisible_primary_key"]; ok {
		invisible = " INVISIBLE"
	}
	return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s BIGINT UNSIGNED NOT NULL AUTO_INCREMENT%s, ADD PRIMARY KEY (%s);",
		mysql.QuoteTable(t), quoteName(column), invisible, quoteName(column)), nil
}

// notForTail are the engines whose tables hold the rows of others.
var notForTail = []string{"FEDERATED", "MRG_MYISAM"}

func checkEngines(ctx context.Context, s *session) ([]Finding, error) {
	tables, err := s.selected(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, t := range tables {
		switch {
		case t.Engine == "InnoDB":
		case slices.Contains(notForTail, t.Engine):
			findings = append(findings, failed(fmt.Sprintf("add %q to objects[%d].exclude, and select the tables behind it where they are", t.table, t.rule.Entry),
				"%s is a %s table: its rows are other tables' and change without a trace in its name", t, t.Engine).about(t.String()))
		default:
			findings = append(findings, warning(fmt.Sprintf("ALTER TABLE %s ENGINE = InnoDB;", mysql.QuoteTable(t.table)),
				"%s is a %s table: it has no consistent view, so the snapshot may repeat rows that change meanwhile, marked replay=true (rule S7)", t, t.Engine).about(t.String()))
		}
	}
	return findings, nil
}

func checkColumns(ctx context.Context, s *session) ([]Finding, error) {
	tables, err := s.selected(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, t := range tables {
		if f, ok := columnFinding(t.table); ok {
			f.Remedy = fmt.Sprintf("add %q to objects[%d].exclude, or change the column", t.table, t.rule.Entry)
			findings = append(findings, f)
		}
	}
	return findings, nil
}

// columnFinding asks the reader of rows itself.
func columnFinding(t *change.Table) (Finding, bool) {
	if _, err := mysql.NewSelectDecoder(t); err != nil {
		return failed("", "%s can't be read: %v", t, err).about(t.String()), true
	}
	return Finding{}, false
}

// checkCascades looks for foreign keys whose actions InnoDB carries out by
// itself: those changes of the child's rows are in no binlog. Servers with
// innodb_native_foreign_keys = OFF (9.6 on) log them.
func checkCascades(ctx context.Context, s *session) ([]Finding, error) {
	tables, err := s.selected(ctx)
	if err != nil {
		return nil, err
	}
	if native, ok := s.vars.v["innodb_native_foreign_keys"]; ok && native == "OFF" {
		return []Finding{success("the server logs what its foreign keys change")}, nil
	}
	r, err := s.source.v.Query(ctx, "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS")
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for i := range r.RowNumber() {
		var f [5]string
		for j := range f {
			if f[j], err = r.GetString(i, j); err != nil {
				return nil, err
			}
		}
		n := change.TableName{Database: f[0], Name: f[1]}
		selected := slices.ContainsFunc(tables, func(t chosenTable) bool { return t.TableName == n })
		if !selected || !acts(f[3]) && !acts(f[4]) {
			continue
		}
		findings = append(findings, warning(fmt.Sprintf("ALTER TABLE %s.%s DROP FOREIGN KEY %s;", quoteName(f[0]), quoteName(f[1]), quoteName(f[2])),
			"foreign key %s of %s (ON UPDATE %s, ON DELETE %s) changes rows that the server does not log: the topic will not learn of them. MySQL 9.6 and later log them",
			f[2], n, f[3], f[4]).about(n.String()))
	}
	return findings, nil
}

// acts tells whether a foreign key's rule changes child rows.
func acts(rule string) bool {
	return rule == "CASCADE" || rule == "SET NULL" || rule == "SET DEFAULT"
}
