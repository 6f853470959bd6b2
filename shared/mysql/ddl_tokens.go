// SPDX-License-Identifier: Apache-2.0

package mysql

import "strings"

// leadingWords gives up to n upper-case words a statement begins with,
// comments skipped and executable comments entered.
func leadingWords(sql string, n int) []string {
	words := sqlTokens(sql, n)
	for i := range words {
		words[i] = strings.ToUpper(words[i])
	}
	return words
}

// sqlTokens splits the beginning of a statement into up to n words, quoted
// names (quotes kept) and single signs.
func sqlTokens(sql string, n int) []string {
	var out []string
	for _, s := range tokenSpans(sql, n) {
		out = append(out, sql[s.from:s.to])
	}
	return out
}

// span is sql[from:to].
type span struct{ from, to int }

func tokenSpans(sql string, n int) []span {
	var out []span
	for i := 0; i < len(sql) && len(out) < n; {
		c := sql[i]
		switch {
		case c <= ' ' || c == ';':
			i++
		case strings.HasPrefix(sql[i:], "/*!"):
			i += 3
			for i < len(sql) && sql[i] >= '0' && sql[i] <= '9' {
				i++
			}
		case commentEnd(sql, i) > i:
			i = commentEnd(sql, i)
		case strings.HasPrefix(sql[i:], "*/"):
			i += 2
		case c == '`' || c == '"' || c == '\'':
			j := quotedEnd(sql, i)
			out = append(out, span{i, j})
			i = j
		case isWordByte(c):
			j := i
			for j < len(sql) && isWordByte(sql[j]) {
				j++
			}
			out = append(out, span{i, j})
			i = j
		default:
			out = append(out, span{i, i + 1})
			i++
		}
	}
	return out
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isWhole tells that the text is one statement, with nothing open at its end and nothing behind it. No server runs or logs
// another; what looks like one was cut, or we misread its quotes, and what is behind the seen part may matter.
func isWhole(sql string) bool {
	ended := false
	for i := 0; i < len(sql); {
		j, closed := i+1, true
		switch c := sql[i]; {
		case c <= ' ':
		case c == ';':
			ended = true
		case commentEnd(sql, i) > i:
			j = commentEnd(sql, i)
			closed = c != '/' || j-i >= len("/**/") && strings.HasSuffix(sql[:j], "*/")
		case ended:
			return false
		case c == '`' || c == '"' || c == '\'':
			j, closed = closingQuote(sql, i, c != '`')
		}
		if !closed {
			return false
		}
		i = j
	}
	return true
}

// quotedEnd gives the index behind the quoted text that starts at i.
func quotedEnd(sql string, i int) int {
	j, _ := closingQuote(sql, i, sql[i] != '`')
	return j
}

// closingQuote gives the index behind the closing quote; the text's end, and false, when there is none.
func closingQuote(sql string, i int, escapes bool) (end int, closed bool) {
	q := sql[i]
	for j := i + 1; j < len(sql); j++ {
		switch {
		case sql[j] == '\\' && escapes:
			j++
		case sql[j] == q && j+1 < len(sql) && sql[j+1] == q:
			j++
		case sql[j] == q:
			return j + 1, true
		}
	}
	return len(sql), false
}

// commentEnd gives the index behind the comment that starts at i, or i when
// none does. An executable comment is none.
func commentEnd(sql string, i int) int {
	rest := sql[i:]
	switch {
	case strings.HasPrefix(rest, "/*") && !strings.HasPrefix(rest, "/*!"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			return i + end + 4
		}
		return len(sql)
	case rest[0] == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return i + end + 1
		}
		return len(sql)
	}
	return i
}

// standardQuotes rewrites what a session's sql_mode lets quotes and
// backslashes mean into what they mean without one.
func standardQuotes(sql string, mode uint64) string {
	ansi, plain := mode&modeANSIQuotes != 0, mode&modeNoBackslashEscapes != 0
	if !ansi && !plain {
		return sql
	}
	var b strings.Builder
	for i := 0; i < len(sql); {
		j := commentEnd(sql, i)
		switch q := sql[i]; {
		case j > i:
			b.WriteString(sql[i:j])
		case q != '"' && q != '\'' && q != '`':
			j = i + 1
			b.WriteByte(q)
		case q == '"' && ansi:
			var closed bool
			if j, closed = closingQuote(sql, i, false); !closed {
				b.WriteString(sql[i:j]) // for isWhole to see
				break
			}
			b.WriteString(QuoteName(strings.ReplaceAll(sql[i+1:j-1], `""`, `"`)))
		case q != '`' && plain:
			j, _ = closingQuote(sql, i, false)
			b.WriteString(strings.ReplaceAll(sql[i:j], `\`, `\\`))
		default:
			j = quotedEnd(sql, i)
			b.WriteString(sql[i:j])
		}
		i = j
	}
	return b.String()
}

// qualifiedName reads [IF [NOT] EXISTS] [db .] name off a token list.
func qualifiedName(tokens []string, database string) (db, name string) {
	for len(tokens) > 0 {
		switch strings.ToUpper(tokens[0]) {
		case "IF", "NOT", "EXISTS":
			tokens = tokens[1:]
			continue
		}
		break
	}
	if len(tokens) == 0 {
		return database, ""
	}
	if len(tokens) > 2 && tokens[1] == "." {
		return unquoteName(tokens[0]), unquoteName(tokens[2])
	}
	return database, unquoteName(tokens[0])
}

func unquoteName(s string) string {
	if len(s) >= 2 && (s[0] == '`' || s[0] == '"') {
		q := s[:1]
		return strings.ReplaceAll(s[1:len(s)-1], q+q, q)
	}
	return s
}

// typeSynonyms are reserved words for types that vitess doesn't know, and the
// words it does; two words are tried before one. Being reserved they can stand
// for nothing else unquoted.
var typeSynonyms = map[string]string{
	"DOUBLE PRECISION": "double", "CHARACTER VARYING": "varchar", "CHAR VARYING": "varchar", "CHARACTER SET": "character set",
	"LONG VARCHAR": "mediumtext", "LONG VARBINARY": "mediumblob",
	"DEC": "decimal", "CHARACTER": "char", "VARCHARACTER": "varchar", "LONG": "mediumtext",
	"INT1": "tinyint", "INT2": "smallint", "INT3": "mediumint", "MIDDLEINT": "mediumint", "INT4": "int", "INT8": "bigint",
}

// plainWords rewrites a statement for vitess: types by their usual names, and a
// CREATE TABLE … SELECT, whose text in the log ends in START TRANSACTION, without
// that end.
func plainWords(sql string) string {
	spans := tokenSpans(sql, len(sql))
	word := func(i int) string {
		if i >= len(spans) {
			return ""
		}
		return strings.ToUpper(sql[spans[i].from:spans[i].to])
	}
	var b strings.Builder
	end := 0
	for i := 0; i < len(spans); i++ {
		s := spans[i]
		known, last := typeSynonyms[word(i)+" "+word(i+1)], i+1
		if known == "" {
			known, last = typeSynonyms[word(i)], i
		}
		if word(i) == "START" && word(i+1) == "TRANSACTION" && i+2 == len(spans) {
			return b.String() + sql[end:s.from]
		}
		if known != "" {
			b.WriteString(sql[end:s.from] + known)
			end, i = spans[last].to, last
		}
	}
	return b.String() + sql[end:]
}
