// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/fault"
)

// query takes a statement off the log: transaction control is the reader's own
// business, all else is handed out.
func (r *Reader) query(ev *replication.QueryEvent, ms int64) error {
	sql := string(ev.Query)
	if r.tx.gtid.IsZero() {
		return fault.New(fault.UnreadableEvent, "", "statement without a GTID at %s:%d", r.log.File, r.log.Pos)
	}
	verb, rest := controlVerb(sql)
	switch verb {
	case "BEGIN":
		r.tx.begun = true
		return nil
	case "XA START", "XA BEGIN":
		r.tx.begun = true
		if r.tx.handed > 0 {
			return nil // handed out before the reconnect
		}
		return r.emit(Event{Kind: XAStart, GTID: r.tx.gtid, Time: ms})
	case "SAVEPOINT", "RELEASE", "ROLLBACK TO", "XA END":
		return nil // inside a transaction, and no end of it (rule T4)
	case "COMMIT":
		return r.end(Commit, "", ms)
	case "ROLLBACK":
		if r.tx.seen > 0 {
			return fault.New(fault.UnreadableEvent, "take a new snapshot under a new task name",
				"transaction %s was rolled back in the log after rows of selected tables (a transaction over InnoDB and another engine)", r.tx.gtid)
		}
		return r.end(Commit, "", ms)
	case "XA COMMIT":
		if strings.HasSuffix(rest, "onephase") {
			return r.end(Commit, "", ms)
		}
		return r.end(XACommit, rest, ms)
	case "XA ROLLBACK":
		return r.end(XARollback, rest, ms)
	}
	if r.tx.seen++; r.tx.seen > r.tx.handed {
		r.tx.handed = r.tx.seen
		q := &Query{SQL: sql, Database: string(ev.Schema), Parsed: ParseStatement(sql, string(ev.Schema), sqlMode(ev.StatusVars))}
		if err := r.emit(Event{Kind: Statement, GTID: r.tx.gtid, Time: ms, Query: q}); err != nil {
			return err
		}
	}
	if r.tx.begun {
		return nil
	}
	return r.end(Commit, "", ms) // a DDL is a transaction of its own
}

// controlVerb recognises transaction control. rest is the statement's xid, in
// formatXID's form.
func controlVerb(sql string) (verb, rest string) {
	if len(sql) > 400 { // an xid is at most 2 × 64 bytes
		return "", ""
	}
	s := strings.TrimRight(strings.TrimSpace(sql), "; ")
	upper := strings.ToUpper(s)
	switch upper {
	case "BEGIN", "COMMIT", "ROLLBACK":
		return upper, ""
	}
	words := strings.Fields(upper)
	if len(words) < 2 {
		return "", ""
	}
	switch words[0] {
	case "SAVEPOINT":
		return "SAVEPOINT", ""
	case "RELEASE":
		if words[1] == "SAVEPOINT" {
			return "RELEASE", ""
		}
	case "ROLLBACK":
		if words[1] == "TO" {
			return "ROLLBACK TO", ""
		}
	case "XA":
		xid := strings.ToLower(strings.Join(strings.Fields(s)[2:], ""))
		return "XA " + words[1], xid
	}
	return "", ""
}

// sqlMode finds the session's sql_mode in a QueryEvent's status variables:
// code 1, 8 bytes little endian, behind code 0 (4 bytes). 0 when absent.
func sqlMode(vars []byte) uint64 {
	for i := 0; i < len(vars); {
		switch vars[i] {
		case 0: // Q_FLAGS2_CODE
			i += 5
		case 1: // Q_SQL_MODE_CODE
			if i+9 > len(vars) {
				return 0
			}
			var m uint64
			for k := range 8 {
				m |= uint64(vars[i+1+k]) << (8 * k)
			}
			return m
		default: // the two above always come first
			return 0
		}
	}
	return 0
}
