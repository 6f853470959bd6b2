// SPDX-License-Identifier: Apache-2.0

package mysql

import "slipway/shared/change"

// EventKind tells what an Event says.
type EventKind uint8

// The events a Reader hands out. A transaction is Begin, then Rows and
// Statement in any number, then one of the ends: Commit, Prepare, XACommit or
// XARollback.
const (
	// Begin opens a transaction; its GTID is set.
	Begin EventKind = iota + 1
	// XAStart says that the open transaction is the first half of an XA one.
	XAStart
	// Rows are row changes of one selected table.
	Rows
	// Statement is a DDL, or whatever else came as text.
	Statement
	// Commit ends a transaction; what it did counts from here.
	Commit
	// Prepare ends the first half of the XA transaction XID: its rows are in the
	// log, but count only at its XACommit (rule S5).
	Prepare
	// XACommit and XARollback end the second half of XID, in a transaction of
	// their own.
	XACommit
	XARollback
	// Idle: nothing is open, and all before Position has been read.
	Idle
)

// IsEnd tells whether the event ends a transaction.
func (k EventKind) IsEnd() bool {
	return k == Commit || k == Prepare || k == XACommit || k == XARollback
}

// Event is one step of the binlog.
type Event struct {
	Kind EventKind
	// GTID of the transaction the event belongs to, or its place in the log where
	// transactions are read by position (rule S11); zero for Idle.
	GTID change.GTID
	// Time is the header's time in Unix milliseconds.
	Time int64
	// Position is where the log stands after the event.
	Position LogPosition
	// Place names Position at a boundary, where the log is read by position (rule
	// S11); else it is zero.
	Place change.GTID
	// Table, Op and Rows are set for Rows.
	Table *change.Table
	Op    change.Op
	Rows  []RowChange
	// XID is set for Prepare, XACommit and XARollback, as MySQL writes it.
	XID string
	// Query is set for Statement.
	Query *Query
}

// Extend adds to what was read what ended with the event: its transaction or,
// read by position, all that lies before it.
func (e *Event) Extend(read *change.GTIDSet) {
	switch {
	case !e.Place.IsZero():
		read.AddBefore(e.Place)
	case e.Kind.IsEnd():
		read.Add(e.GTID)
	}
}

// RowChange is one row's images: Before for UPDATE and DELETE, After for
// INSERT and UPDATE.
type RowChange struct{ Before, After change.Row }

// Query is a statement with the session facts it was parsed under.
type Query struct {
	SQL string
	// Database is the session's default database.
	Database string
	// Parsed is what the statement does.
	Parsed Parsed

	session statementSession
}

// Definitions tells a Reader which tables matter and what they look like.
// It is called on the reader's goroutine.
type Definitions interface {
	// Selected tells whether rows of the table are wanted.
	Selected(database, table string) bool
	// Candidates gives the table's definition as of here, nil when it isn't known,
	// and others that rows may have been written with: hints for what a full table
	// map leaves out.
	Candidates(database, table string) (known *change.Table, hints []*change.Table)
	// Contradicted hears of a table map that no definition explains; nil leaves the
	// rows behind it out.
	Contradicted(database, table string, err error) error
}
