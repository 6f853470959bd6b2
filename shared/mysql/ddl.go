// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"errors"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"slipway/shared/change"
)

// StatementClass sorts what came as text in the binlog.
type StatementClass uint8

// The classes.
const (
	// ClassDDL: tables, views, routines, databases. See Parsed.Changes.
	ClassDDL StatementClass = iota + 1
	// ClassDML: rows changed by a statement, which row-based replication can't
	// follow (rule T4). Changes names the tables written, when they are known.
	ClassDML
	// ClassAccount: users and grants, whose text carries password hashes. It
	// never leaves the source.
	ClassAccount
	// ClassNone: changes no table's rows or definition (FLUSH, ANALYZE,
	// temporary tables …).
	ClassNone
	// ClassUnknown: we can't tell.
	ClassUnknown
)

// Parsed says what a statement does.
type Parsed struct {
	Class   StatementClass
	Changes []TableChange

	stmt sqlparser.Statement // nil where another parser had to do
}

// TableChange is what a DDL does to one table, view or routine.
type TableChange struct {
	Type change.DDLType
	// Database and Name after the statement.
	Database, Name string
	// FromDatabase and FromName before it, set for a rename.
	FromDatabase, FromName string
	// Removes: the table's rows are gone, or are another table's now (TRUNCATE,
	// DROP, RENAME): rule S4's row-removing DDL.
	Removes bool
	// Unlogged: rows change without row events (EXCHANGE, TRUNCATE, DROP
	// PARTITION, IMPORT TABLESPACE): rule T4.
	Unlogged bool
	// WholeDatabase: the statement is about every table of Database.
	WholeDatabase bool
}

// Touches tells whether the change is about the table, under its old name or
// its new one.
func (c TableChange) Touches(database, name string) bool {
	if c.WholeDatabase && strings.EqualFold(c.Database, database) {
		return true
	}
	same := func(d, n string) bool { return strings.EqualFold(d, database) && strings.EqualFold(n, name) }
	return same(c.Database, c.Name) || same(c.FromDatabase, c.FromName)
}

// Bits of sql_mode that change how text is read, as QueryEvents carry them.
const (
	modeANSIQuotes         = 1 << 2
	modeNoBackslashEscapes = 1 << 20
)

var errUnparsable = errors.New("unparsable")

// ParseStatement tells what a statement of the binlog does. database is the
// session's default database, mode its sql_mode bits (rule T5).
func ParseStatement(sql, database string, mode uint64) Parsed {
	words := leadingWords(sql, 8)
	if len(words) == 0 {
		return Parsed{Class: ClassNone}
	}
	if class, ok := classByKeyword(words); ok {
		return Parsed{Class: class}
	}
	text := standardQuotes(sql, mode)
	if p, ok := unparsedNoun(text, words, database); ok {
		return p
	}
	if !isWhole(text) {
		return Parsed{Class: ClassUnknown}
	}
	p, err := parseDDL(text, words, database)
	if err != nil {
		return tableStatement(text, database)
	}
	return p
}

// classByKeyword sorts what needs no parser.
func classByKeyword(w []string) (StatementClass, bool) {
	second := ""
	if len(w) > 1 {
		second = w[1]
	}
	switch w[0] {
	case "GRANT", "REVOKE":
		return ClassAccount, true
	case "CREATE", "ALTER", "DROP", "RENAME", "SET":
		switch second {
		case "USER", "ROLE", "PASSWORD", "DEFAULT":
			return ClassAccount, true
		case "SERVER", "EVENT", "TABLESPACE", "UNDO", "LOGFILE", "SPATIAL", "RESOURCE", "INSTANCE", "LIBRARY":
			if second == "SPATIAL" && len(w) > 2 && w[2] == "INDEX" {
				return 0, false
			}
			return ClassNone, true
		case "TEMPORARY":
			return ClassNone, true
		}
		if w[0] == "SET" {
			return ClassNone, true
		}
	case "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "INSTALL", "UNINSTALL", "USE", "DO", "RESET", "PURGE", "LOCK", "UNLOCK", "KILL":
		return ClassNone, true
	}
	return 0, false
}

func parseDDL(sql string, words []string, database string) (Parsed, error) {
	stmt, err := parseSQL(sql)
	if err != nil {
		return Parsed{}, err
	}
	p, err := sortStatement(stmt, words, database)
	p.stmt = stmt
	return p, err
}

// parserVersion makes the parser enter every versioned comment. Those that are for newer servers than the source never stand
// in its log: it writes them as plain comments.
const parserVersion = "9.99.99"

// parseSQL parses a statement. What vitess lacks is put into words it knows
// first, if it must.
func parseSQL(sql string) (sqlparser.Statement, error) {
	parser, err := sqlparser.New(sqlparser.Options{MySQLServerVersion: parserVersion})
	if err != nil {
		return nil, err
	}
	stmt, err := parser.ParseStrictDDL(sql)
	if err != nil {
		if plain := plainWords(sql); plain != sql {
			stmt, err = parser.ParseStrictDDL(plain)
		}
	}
	return stmt, err
}

func sortStatement(stmt sqlparser.Statement, words []string, database string) (Parsed, error) {
	n := namer{database}
	switch s := stmt.(type) {
	case *sqlparser.Insert, *sqlparser.Update, *sqlparser.Delete:
		return Parsed{Class: ClassDML, Changes: n.written(s)}, nil
	case *sqlparser.CreateTable:
		if s.Temp {
			return Parsed{Class: ClassNone}, nil
		}
		return ddl(n.change(change.DDLCreate, s.Table)), nil
	case *sqlparser.DropTable:
		if s.Temp {
			return Parsed{Class: ClassNone}, nil
		}
		return n.each(s.FromTables, change.DDLErase, true), nil
	case *sqlparser.TruncateTable:
		c := n.change(change.DDLTruncate, s.Table)
		c.Removes = true
		return ddl(c), nil
	case *sqlparser.RenameTable:
		var out []TableChange
		for _, p := range s.TablePairs {
			out = append(out, n.rename(p.FromTable, p.ToTable))
		}
		return ddl(out...), nil
	case *sqlparser.AlterTable:
		return ddl(n.alter(s, words)...), nil
	case *sqlparser.CreateView:
		return ddl(n.change(change.DDLCreate, s.ViewName)), nil
	case *sqlparser.AlterView:
		return ddl(n.change(change.DDLAlter, s.ViewName)), nil
	case *sqlparser.DropView:
		return n.each(s.FromTables, change.DDLErase, false), nil
	case *sqlparser.DropDatabase:
		return ddl(TableChange{Type: change.DDLQuery, Database: s.DBName.String(), WholeDatabase: true, Removes: true}), nil
	case *sqlparser.CreateDatabase, *sqlparser.AlterDatabase:
		return Parsed{Class: ClassNone}, nil
	case *sqlparser.Select, *sqlparser.Set, *sqlparser.Analyze, *sqlparser.Flush, *sqlparser.OtherAdmin:
		return Parsed{Class: ClassNone}, nil
	}
	return Parsed{}, errUnparsable
}

func ddl(cs ...TableChange) Parsed { return Parsed{Class: ClassDDL, Changes: cs} }

// namer completes table names with the session's database.
type namer struct{ database string }

func (n namer) name(t sqlparser.TableName) (db, name string) {
	if t.Qualifier.IsEmpty() {
		return n.database, t.Name.String()
	}
	return t.Qualifier.String(), t.Name.String()
}

func (n namer) change(typ change.DDLType, t sqlparser.TableName) TableChange {
	db, name := n.name(t)
	return TableChange{Type: typ, Database: db, Name: name}
}

func (n namer) each(ts sqlparser.TableNames, typ change.DDLType, removes bool) Parsed {
	p := Parsed{Class: ClassDDL}
	for _, t := range ts {
		c := n.change(typ, t)
		c.Removes = removes
		p.Changes = append(p.Changes, c)
	}
	return p
}

func (n namer) rename(from, to sqlparser.TableName) TableChange {
	c := n.change(change.DDLRename, to)
	c.FromDatabase, c.FromName = n.name(from)
	c.Removes = true
	return c
}

// alter: canal's type is that of the first clause; what it does is told by all.
func (n namer) alter(s *sqlparser.AlterTable, words []string) []TableChange {
	c := n.change(alterType(s, words), s.Table)
	for _, o := range s.AlterOptions {
		switch o := o.(type) {
		case *sqlparser.RenameTableName:
			r := n.rename(s.Table, o.Table)
			c.Database, c.Name, c.FromDatabase, c.FromName, c.Removes = r.Database, r.Name, r.FromDatabase, r.FromName, true
		case *sqlparser.TablespaceOperation:
			c.Unlogged = true
		}
	}
	if p := s.PartitionSpec; p != nil {
		switch p.Action {
		case sqlparser.DropAction, sqlparser.TruncateAction, sqlparser.ExchangeAction, sqlparser.DiscardAction, sqlparser.ImportAction:
			c.Unlogged = true
		}
		if p.Action == sqlparser.ExchangeAction { // the other table's rows change, too
			other := n.change(c.Type, p.TableName)
			other.Unlogged = true
			return []TableChange{c, other}
		}
	}
	return []TableChange{c}
}

func alterType(s *sqlparser.AlterTable, words []string) change.DDLType {
	// CREATE INDEX and DROP INDEX reach us as ALTER TABLE.
	switch {
	case words[0] == "CREATE":
		return change.DDLCreateIndex
	case words[0] == "DROP":
		return change.DDLDropIndex
	case len(s.AlterOptions) == 0:
		return change.DDLAlter
	}
	switch s.AlterOptions[0].(type) {
	case *sqlparser.RenameTableName:
		return change.DDLRename
	case *sqlparser.AddIndexDefinition:
		return change.DDLCreateIndex
	case *sqlparser.DropKey:
		return change.DDLDropIndex
	}
	return change.DDLAlter
}

// written lists the tables a DML statement may change. Of a join all are
// listed: which of them is written can't be told from the text.
func (n namer) written(stmt sqlparser.Statement) []TableChange {
	var from []sqlparser.SQLNode
	switch s := stmt.(type) {
	case *sqlparser.Insert:
		from = append(from, s.Table)
	case *sqlparser.Update:
		for _, t := range s.TableExprs {
			from = append(from, t)
		}
	case *sqlparser.Delete:
		for _, t := range s.TableExprs {
			from = append(from, t)
		}
	}
	var out []TableChange
	visit := func(node sqlparser.SQLNode) (bool, error) {
		switch node := node.(type) {
		case *sqlparser.Subquery, *sqlparser.DerivedTable:
			return false, nil // only read
		case *sqlparser.AliasedTableExpr:
			if t, ok := node.Expr.(sqlparser.TableName); ok {
				out = append(out, n.change("", t))
				return false, nil
			}
		}
		return true, nil
	}
	for _, node := range from {
		_ = sqlparser.Walk(visit, node) // visit returns no error
	}
	return out
}
