// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"slices"
	"strings"

	"slipway/shared/change"
)

// headTokens is how many tokens a statement's kind and name lie within:
// CREATE OR REPLACE ALGORITHM=… DEFINER=`…`@`…` SQL SECURITY … noun name.
const headTokens = 24

// unparsedNoun recognises by their noun the statements that vitess does not
// parse, whatever stands before it (DEFINER, OR REPLACE, AGGREGATE).
func unparsedNoun(sql string, words []string, database string) (Parsed, bool) {
	switch words[0] {
	case "LOAD":
		return loadData(sql, database), true
	case "CREATE", "ALTER", "DROP":
	default:
		return Parsed{}, false
	}
	tokens := sqlTokens(sql, headTokens)
	for i, tok := range tokens {
		switch strings.ToUpper(tok) {
		case "TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA":
			return Parsed{}, false
		case "EVENT", "REFERENCE": // what an event does is logged when it does it
			return Parsed{Class: ClassNone}, true
		case "PROCEDURE", "FUNCTION", "TRIGGER":
			db, name := qualifiedName(tokens[i+1:], database)
			return ddl(TableChange{Type: change.DDLQuery, Database: db, Name: name}), true
		}
	}
	return Parsed{}, false
}

// loadData finds the table of LOAD DATA … INTO TABLE name.
func loadData(sql, database string) Parsed {
	tokens := sqlTokens(sql, headTokens)
	for i := 1; i < len(tokens); i++ {
		if strings.EqualFold(tokens[i-1], "INTO") && strings.EqualFold(tokens[i], "TABLE") {
			db, name := qualifiedName(tokens[i+1:], database)
			return Parsed{Class: ClassDML, Changes: []TableChange{{Database: db, Name: name}}}
		}
	}
	return Parsed{Class: ClassUnknown}
}

// tableStatement makes do with the head of a CREATE or ALTER TABLE that vitess
// can't parse to its end: the server has run it, so it is sound SQL of a newer
// kind. An ALTER that may rename the table or change rows unseen stays unknown.
func tableStatement(sql, database string) Parsed {
	tokens := sqlTokens(sql, len(sql))
	if len(tokens) < 3 || !strings.EqualFold(tokens[1], "TABLE") {
		return Parsed{Class: ClassUnknown}
	}
	var typ change.DDLType
	switch strings.ToUpper(tokens[0]) {
	case "CREATE":
		typ = change.DDLCreate
	case "ALTER":
		typ = change.DDLAlter
		if slices.ContainsFunc(tokens[3:], riskyClause) {
			return Parsed{Class: ClassUnknown}
		}
	default:
		return Parsed{Class: ClassUnknown}
	}
	db, name := qualifiedName(tokens[2:], database)
	if name == "" {
		return Parsed{Class: ClassUnknown}
	}
	return ddl(TableChange{Type: typ, Database: db, Name: name})
}

func riskyClause(token string) bool {
	switch strings.ToUpper(token) {
	case "RENAME", "PARTITION", "TABLESPACE":
		return true
	}
	return false
}
