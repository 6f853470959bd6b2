// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"strings"

	"slipway/shared/task"
)

// name is one half of an entry's match: a database or a table. In a wild one *
// stands for any run of characters and ? for one.
type name struct {
	text string
	wild bool
}

// entryNames parts an entry's match into database and table.
func entryNames(p task.Pattern) (database, table name) {
	database, rest := cutEntryName(p.String())
	table, _ = cutEntryName(strings.TrimPrefix(rest, "."))
	return database, table
}

// cutEntryName takes one name off a pattern's canonical text, where a quoted name
// has no wildcards and a bare one no dots.
func cutEntryName(s string) (n name, rest string) {
	if text, rest, ok := cutName(s); ok {
		return name{text: text}, rest
	}
	text, _, _ := strings.Cut(s, ".")
	return name{text, strings.ContainsAny(text, "*?")}, s[len(text):]
}

// matches tells whether n can stand for the name.
func (n name) matches(text string) bool {
	if !n.wild {
		return n.text == text
	}
	return like(n.like(), text)
}

// like is n as a LIKE pattern, which is what GRANT takes for a database.
func (n name) like() string {
	escaped := strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(n.text)
	if !n.wild {
		return escaped
	}
	return strings.NewReplacer("*", "%", "?", "_").Replace(escaped)
}

// granted is n as GRANT wants a database named.
func (n name) granted(literal bool) string {
	if literal {
		return quoteName(n.text)
	}
	return quoteName(n.like())
}
