// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"fmt"
	"slices"

	"slipway/shared/change"
	"slipway/shared/mysql"
)

// checkReplicationClient tries the privilege out.
func checkReplicationClient(ctx context.Context, s *session) ([]Finding, error) {
	_, err := s.binlogStatus(ctx)
	if _, denied := asMissing(err); !denied || s.source.v == nil {
		return nil, err
	}
	return s.notGranted(ctx, Failed, "REPLICATION CLIENT", "where the binlog ends can't be asked")
}

// checkReplicationSlave tries it out: the list of replicas wants the same
// privilege as reading the binlog.
func checkReplicationSlave(ctx context.Context, s *session) ([]Finding, error) {
	c, err := s.conn(ctx)
	if err != nil {
		return nil, err
	}
	_, err = c.Query(ctx, c.Server().Replicas())
	if mysql.ErrorCode(err) != errSpecificDenied {
		return nil, err
	}
	return s.notGranted(ctx, Failed, "REPLICATION SLAVE", "the binlog can't be read")
}

// checkXARecover tries it out.
func checkXARecover(ctx context.Context, s *session) ([]Finding, error) {
	_, err := s.prepared(ctx)
	if _, denied := asMissing(err); !denied || s.source.v == nil {
		return nil, err
	}
	return s.notGranted(ctx, Warning, "XA_RECOVER_ADMIN",
		"prepared XA transactions can't be seen. One that stays prepared while the snapshot begins and commits later stops the tail (rule S2)")
}

// notGranted is the finding for a privilege that is granted on *.* or nowhere.
func (s *session) notGranted(ctx context.Context, level Level, privilege, why string) ([]Finding, error) {
	who, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	return []Finding{{
		Level: level, What: fmt.Sprintf("%s lacks %s: %s", who, privilege, why),
		Remedy: fmt.Sprintf("GRANT %s ON *.* TO %s;", privilege, who),
	}}, nil
}

// checkSelect looks at the grants for what a wildcard can mean, since a table
// nobody may see can't be missed, and tries out each table that is there.
func checkSelect(ctx context.Context, s *session) ([]Finding, error) {
	findings, err := s.entriesWithout(ctx, Failed, "SELECT", "tables it may not read are left out unseen", true)
	if err != nil {
		return nil, err
	}
	who, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range s.targets() {
		if slices.ContainsFunc(findings, func(f Finding) bool { return f.Object == t.Database }) {
			continue
		}
		denied, err := s.readDenied(ctx, t)
		if err != nil {
			return nil, err
		}
		if denied {
			findings = append(findings, failed(
				fmt.Sprintf("GRANT SELECT ON %s.%s TO %s;", quoteName(t.Database), quoteName(t.Name), who),
				"%s may not read all of %s", who, t).about(t.String()))
		}
	}
	return findings, nil
}

// targets are the tables that are there to see and those that entries name.
func (s *session) targets() []change.TableName {
	var names []change.TableName
	for _, t := range s.tables.v {
		if _, ok, err := s.task.Select(t.Database, t.Name); ok || err != nil {
			names = append(names, t.TableName)
		}
	}
	for _, o := range s.task.Objects {
		if o.Match.Wild() {
			continue
		}
		database, table := entryNames(o.Match)
		n := change.TableName{Database: database.text, Name: table.text}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// readDenied tries to read a table, no row of it.
func (s *session) readDenied(ctx context.Context, t change.TableName) (bool, error) {
	_, err := s.source.v.Query(ctx, "SELECT * FROM "+quoteName(t.Database)+"."+quoteName(t.Name)+" LIMIT 0")
	switch mysql.ErrorCode(err) {
	case errTableDenied, errColumnDenied, errDatabaseDenied:
		return true, nil
	case 0:
		return false, err
	}
	s.log.Debug("a table can't be read", "table", t.String(), "error", err) // another check's business
	return false, nil
}

// checkShowView only warns: DTS asks for the privilege, Slipway can do without.
func checkShowView(ctx context.Context, s *session) ([]Finding, error) {
	return s.entriesWithout(ctx, Warning, "SHOW VIEW", "definitions of views can't be read; rows don't need it", false)
}

// entriesWithout finds the entries that the grants don't cover, one finding for
// each database.
func (s *session) entriesWithout(ctx context.Context, level Level, privilege, why string, wildOnly bool) ([]Finding, error) {
	if _, err := s.listed(ctx); err != nil {
		return nil, err
	}
	all, err := s.loadGrants(ctx)
	if err != nil {
		return nil, err
	}
	who, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, o := range s.task.Objects {
		database, table := entryNames(o.Match)
		if wildOnly && !o.Match.Wild() || all.cover(privilege, database, table) ||
			slices.ContainsFunc(findings, func(f Finding) bool { return f.Object == database.text }) {
			continue
		}
		literal := s.vars.v.on("partial_revokes")
		where := database.granted(literal) + ".*"
		if literal && database.wild {
			where = "*.*"
		}
		findings = append(findings, Finding{
			Level: level, Object: database.text, Remedy: fmt.Sprintf("GRANT %s ON %s TO %s;", privilege, where, who),
			What: fmt.Sprintf("%s lacks %s on what %q can mean: %s", who, privilege, o.Match, why),
		})
	}
	return findings, nil
}
