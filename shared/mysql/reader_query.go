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
	session := sessionOf(ev.StatusVars)
	sql := session.text(ev.Query)
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
	if err := r.statement(sql, string(ev.Schema), session, ms); err != nil || r.tx.begun {
		return err
	}
	return r.end(Commit, "", ms) // a DDL is a transaction of its own
}

func (r *Reader) statement(sql, database string, session statementSession, ms int64) error {
	if r.tx.seen++; r.tx.seen <= r.tx.handed {
		return nil
	}
	r.tx.handed = r.tx.seen
	q := &Query{SQL: sql, Database: database, Parsed: ParseStatement(sql, database, session.mode), session: session}
	return r.emit(Event{Kind: Statement, GTID: r.tx.gtid, Time: ms, Query: q})
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

// loadQuery hands out a LOAD DATA that was logged as a statement. go-mysql
// leaves its text out: behind the event's header come 26 bytes, the status
// variables, the database with a zero byte, the text and the checksum.
func (r *Reader) loadQuery(ev *replication.ExecuteLoadQueryEvent, raw []byte, ms int64) error {
	const fixed = replication.EventHeaderSize + 26
	db := fixed + int(ev.StatusVars)
	text := db + int(ev.SchemaLength) + 1
	if len(raw) < text+replication.BinlogChecksumLength {
		return fault.New(fault.UnreadableEvent, "", "LOAD DATA at %s:%d has only %d bytes", r.log.File, r.log.Pos, len(raw))
	}
	s := sessionOf(raw[fixed:db])
	return r.statement(s.text(raw[text:len(raw)-replication.BinlogChecksumLength]), string(raw[db:text-1]), s, ms)
}
