// SPDX-License-Identifier: Apache-2.0

// Package change is the one model of Slipway: what a row, a table and a
// position are, whether they came from a SELECT or from the binlog.
//
// It keeps one promise (rule D1): the same row read by a SELECT and decoded
// from the binlog gives equal Values, so that everything behind the source
// (keys, lanes, formats) cannot tell the two apart. It knows no driver and no
// format.
package change

import "strconv"

// Op is what happened to a row, or OpDDL for a statement.
type Op uint8

// The operations.
const (
	OpInsert Op = iota + 1
	OpUpdate
	OpDelete
	OpDDL
)

// String gives the operation as the message property `op` has it.
func (o Op) String() string {
	switch o {
	case OpInsert:
		return "INSERT"
	case OpUpdate:
		return "UPDATE"
	case OpDelete:
		return "DELETE"
	case OpDDL:
		return "DDL"
	}
	return "UNKNOWN"
}

// Phase says which stage a change came from.
type Phase string

// The phases, as the message property `phase` has them.
const (
	PhaseFull        Phase = "full"
	PhaseIncremental Phase = "incremental"
)

// Row holds one value per column of its table, in column order.
type Row []Value

// Change is one row change, or one DDL statement, on its way to a topic.
type Change struct {
	Op    Op
	Phase Phase
	// Table is the definition the row was written with; shared by all rows of
	// that definition and never changed. For a DDL it names the table the
	// statement is about (Columns may be empty).
	Table *Table
	// Before is set for UPDATE and DELETE, After for INSERT and UPDATE.
	Before, After Row
	// Time is the commit time in Unix milliseconds: the binlog header's
	// seconds × 1000; for a snapshot row the moment its chunk was read.
	Time int64
	// GTID of the transaction; for an XA row that of its XA COMMIT (S5); ""
	// for a snapshot row.
	GTID string
	// Seq is the row's number (D2).
	Seq int64
	// Origin, Ordinal and Half identify the row change; see ID.
	Origin  string
	Ordinal int64
	Half    byte
	// Replay marks what may have been sent before.
	Replay bool
	// Reset marks the TRUNCATE that starts a new generation (S4).
	Reset bool
	// DDL is set when Op is OpDDL.
	DDL *DDL
}

// DDLType is a DDL statement's kind, in canal's words.
type DDLType string

// The kinds of DDL that canal knows, and a consumer of Canal JSON expects.
const (
	DDLCreate      DDLType = "CREATE"
	DDLAlter       DDLType = "ALTER"
	DDLErase       DDLType = "ERASE"
	DDLTruncate    DDLType = "TRUNCATE"
	DDLRename      DDLType = "RENAME"
	DDLCreateIndex DDLType = "CINDEX"
	DDLDropIndex   DDLType = "DINDEX"
	DDLQuery       DDLType = "QUERY"
)

// DDL is a statement as the binlog has it.
type DDL struct {
	Type DDLType
	// Database and Table the message is about; Table is "" for statements that
	// name none (databases, routines).
	Database, Table string
	// SQL is the statement's text, verbatim.
	SQL string
}

// Image is the row a message's key and data come from: After, or Before for a
// DELETE.
func (c *Change) Image() Row {
	if c.Op == OpDelete {
		return c.Before
	}
	return c.After
}

// ID identifies the change (rule D3): "<gtid>/<db.table>/<ordinal>", with "-"
// or "+" behind it for one half of a moved key, "<db.table>/<gen>/<chunk>/<row>"
// for a snapshot row, "<db.table>/<gen>/reset" for the reset that opens a
// generation. It is put together
// on demand: most changes share a message, which is named by its first.
func (c *Change) ID() string {
	if c.Reset {
		return c.Origin + "/reset"
	}
	id := strconv.AppendInt(append([]byte(c.Origin), '/'), c.Ordinal, 10)
	if c.Half != 0 {
		id = append(id, c.Half)
	}
	return string(id)
}

// Size estimates the memory the change holds, in bytes. It is what byte
// budgets count; it never is 0.
func (c *Change) Size() int {
	n := 256
	if c.DDL != nil {
		n += len(c.DDL.SQL)
	}
	return n + c.Before.size() + c.After.size()
}

func (r Row) size() int {
	n := len(r) * 32
	for i := range r {
		n += len(r[i].s)
	}
	return n
}
