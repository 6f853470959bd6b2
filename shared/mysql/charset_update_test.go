// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// writeTables writes the tables anew as the shared server has them.
func writeTables(t *testing.T) {
	c, db := connect(t), servertest.MySQL(t).Database(t)
	makeNumbers(t, c, db)
	var tables strings.Builder
	tables.WriteString("# charset code count rune: written by go test -run TestCharset -update\n")
	for _, cs := range codedCharsets(t, c) {
		maxLen, _ := strconv.Atoi(cs[1])
		writeRuns(&tables, cs[0], serverCodes(t, c, db, cs[0], maxLen))
	}
	writeFile(t, "charset_runs.txt", tables.String())
	writeFile(t, "charset_collations.txt", collationLines(t, c))
}

// writeRuns writes what the library does not say, or says otherwise.
func writeRuns(b *strings.Builder, name string, codes map[uint32]rune) {
	var from, count uint32
	var first rune
	flush := func() {
		if count == 0 {
			return
		}
		to := "-"
		if first != utf8.RuneError {
			to = fmt.Sprintf("%x", first)
		}
		fmt.Fprintf(b, "%s %x %d %s\n", name, from, count, to)
		count = 0
	}
	for code := range uint32(0x10000) {
		raw := codeBytes(code)
		r, ok := codes[code]
		known, n, inLibrary := mysql.LibraryRune(name, raw)
		switch {
		case !ok && (!inLibrary || n != len(raw)):
			continue
		case !ok: // the library takes what the server refuses
			r = utf8.RuneError
		case inLibrary && n == len(raw) && known == r, inLibrary && n == 0 && r == utf8.RuneError:
			continue
		}
		next := first + rune(count)
		if first == utf8.RuneError {
			next = first
		}
		if count == 0 || code != from+count || r != next {
			flush()
			from, first = code, r
		}
		count++
	}
	flush()
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// collationLines lists the server's collations as charset_collations.txt does.
func collationLines(t *testing.T, c *mysql.Conn) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# id name charset: written by go test -run TestCharset -update\n")
	rows := query(t, c, "SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS")
	slices.SortFunc(rows, func(a, b []string) int {
		return cmp.Or(len(a[0])-len(b[0]), strings.Compare(a[0], b[0]))
	})
	for _, row := range rows {
		b.WriteString(strings.Join(row, " ") + "\n")
	}
	return b.String()
}
