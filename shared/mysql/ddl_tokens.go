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
		case strings.HasPrefix(sql[i:], "/*"):
			end := strings.Index(sql[i+2:], "*/")
			if end < 0 {
				return out
			}
			i += end + 4
		case strings.HasPrefix(sql[i:], "*/"):
			i += 2
		case c == '#' || strings.HasPrefix(sql[i:], "-- "):
			end := strings.IndexByte(sql[i:], '\n')
			if end < 0 {
				return out
			}
			i += end + 1
		case c == '`' || c == '"' || c == '\'':
			j := quotedEnd(sql, i)
			out = append(out, sql[i:j])
			i = j
		case isWordByte(c):
			j := i
			for j < len(sql) && isWordByte(sql[j]) {
				j++
			}
			out = append(out, sql[i:j])
			i = j
		default:
			out = append(out, sql[i:i+1])
			i++
		}
	}
	return out
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// quotedEnd gives the index behind the quoted text that starts at i.
func quotedEnd(sql string, i int) int {
	q := sql[i]
	for j := i + 1; j < len(sql); j++ {
		switch {
		case sql[j] == '\\' && q != '`':
			j++
		case sql[j] == q && j+1 < len(sql) && sql[j+1] == q:
			j++
		case sql[j] == q:
			return j + 1
		}
	}
	return len(sql)
}

// backtickANSIQuotes turns "name" into `name`, as ANSI_QUOTES reads it.
func backtickANSIQuotes(sql string) string {
	var b strings.Builder
	for i := 0; i < len(sql); {
		switch sql[i] {
		case '\'', '`':
			j := quotedEnd(sql, i)
			b.WriteString(sql[i:j])
			i = j
		case '"':
			j := quotedEnd(sql, i)
			name := strings.ReplaceAll(strings.Trim(sql[i:j], `"`), `""`, `"`)
			b.WriteString(QuoteName(name))
			i = j
		default:
			b.WriteByte(sql[i])
			i++
		}
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
