// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/shared/mysql"
)

// serverCodes asks the server what every code of the charset stands for: U+FFFD
// for one it takes for a character but cannot convert. Malformed codes are
// missing.
func serverCodes(t *testing.T, c *mysql.Conn, charset string, maxLen int) map[uint32]rune {
	t.Helper()
	query(t, c, "SET cte_max_recursion_depth = 100000")
	codes := map[uint32]rune{}
	ask := func(code string, first, last int) {
		sql := fmt.Sprintf(`WITH RECURSIVE s AS (SELECT %d AS n UNION ALL SELECT n + 1 FROM s WHERE n < %d)
			SELECT HEX(b), CONVERT(CONVERT(b USING %[3]s) USING utf8mb4) FROM (SELECT %[4]s AS b FROM s) t
			WHERE CHAR_LENGTH(CONVERT(b USING %[3]s)) = 1 AND HEX(CONVERT(b USING %[3]s)) = HEX(b)`, first, last, charset, code)
		for _, row := range query(t, c, sql) {
			n, err := strconv.ParseUint(row[0], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			if row[1] == "" { // NULL: malformed
				continue
			}
			r, size := utf8.DecodeRuneInString(row[1])
			if size != len(row[1]) {
				t.Fatalf("%s %s: the server answers %q", charset, row[0], row[1])
			}
			if r == '?' && n != '?' {
				r = utf8.RuneError
			}
			codes[uint32(n)] = r
		}
	}
	ask("UNHEX(LPAD(HEX(n), 2, '0'))", 0, 0xff)
	if maxLen > 1 {
		ask("UNHEX(HEX(n))", 0x8000, 0xffff)
	}
	if maxLen == 3 {
		ask("UNHEX(CONCAT('8F', HEX(n)))", 0xa0a0, 0xffff)
	}
	return codes
}

func codeBytes(code uint32) []byte {
	b, _ := hex.DecodeString(fmt.Sprintf("%0*x", max(2, (len(strconv.FormatUint(uint64(code), 16))+1)/2*2), code))
	return b
}

// codedCharsets lists the server's charsets that are not forms of Unicode.
func codedCharsets(t *testing.T, c *mysql.Conn) [][]string {
	t.Helper()
	return query(t, c, `SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS
		WHERE CHARACTER_SET_NAME NOT IN ('utf8mb3', 'utf8mb4', 'ucs2', 'utf16', 'utf16le', 'utf32', 'binary') ORDER BY 1`)
}

func TestCharsetDecodesEveryCodeAsTheServer(t *testing.T) {
	c := connect(t)
	var tables strings.Builder
	tables.WriteString("# charset code count rune: written by go test -run TestCharset -update\n")
	for _, cs := range codedCharsets(t, c) {
		name := cs[0]
		maxLen, _ := strconv.Atoi(cs[1])
		codes := serverCodes(t, c, name, maxLen)
		if *update {
			writeRuns(&tables, name, codes)
			continue
		}
		t.Run(name, func(t *testing.T) {
			if len(codes) < 128 {
				t.Fatalf("the server knows %d codes only", len(codes))
			}
			for code, want := range codes {
				got, err := mysql.DecodeText(name, codeBytes(code))
				switch {
				case want == utf8.RuneError && err == nil:
					t.Errorf("%x: %q, the server can't convert it", code, got)
				case want != utf8.RuneError && (err != nil || got != string(want)):
					t.Errorf("%x: %q, %v; the server says %q", code, got, err, want)
				}
			}
			for code := range uint32(0x10000) {
				b := codeBytes(code)
				_, whole := codes[code]
				_, single := codes[uint32(b[0])]
				if whole || single || (len(b) == 2 && b[0] < 0x80) {
					continue
				}
				if got, err := mysql.DecodeText(name, b); err == nil {
					t.Errorf("%x: %q, the server takes it for malformed", code, got)
				}
			}
		})
	}
	if *update {
		writeFile(t, "charset_runs.txt", tables.String())
	}
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

func TestCharsetDecodesUnicodeFormsAsTheServer(t *testing.T) {
	c := connect(t)
	query(t, c, "SET cte_max_recursion_depth = 100000")
	for _, name := range []string{"utf8mb4", "utf8mb3", "ucs2", "utf16", "utf16le", "utf32", "gb18030"} {
		t.Run(name, func(t *testing.T) {
			sql := fmt.Sprintf(`WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + IF(n < 65535, 1, 67) FROM s WHERE n < 1114044)
				SELECT n, CONVERT(CHAR(n USING utf32) USING %s) FROM s WHERE n NOT BETWEEN 0xD800 AND 0xDFFF`, name)
			rows := query(t, c, sql)
			if len(rows) < 70000 {
				t.Fatalf("the server answers %d rows", len(rows))
			}
			for _, row := range rows {
				n, _ := strconv.Atoi(row[0])
				if n > 0xffff && (name == "utf8mb3" || name == "ucs2") {
					continue
				}
				if got, err := mysql.DecodeText(name, []byte(row[1])); err != nil || got != string(rune(n)) {
					t.Errorf("%x: %q, %v; want U+%04X", row[1], got, err, n)
				}
			}
		})
	}
}

func TestCharsetRefusesWhatIsNoText(t *testing.T) {
	for _, tc := range []struct{ charset, raw string }{
		{"utf8mb4", "\xff"},
		{"utf8mb4", "a\xed\xa0\x80"},
		{"utf8mb4", "\xc3"},
		{"utf16", "\xd8\x3d"},
		{"utf16", "\x00a\x00"},
		{"utf16", "\xde\x00\xd8\x3d"},
		{"ucs2", "\xd8\x3d\xde\x00"},
		{"utf32", "\x00\x11\x00\x00"},
		{"utf32", "\x00\x00\xd8\x00"},
		{"utf32", "\x00\x00\x00"},
		{"ascii", "\x80"},
		{"gbk", "\x81"},
		{"sjis", "\x81\x00"},
		{"nonsense", "a"},
	} {
		if got, err := mysql.DecodeText(tc.charset, []byte(tc.raw)); err == nil {
			t.Errorf("%s %x: %q, want an error", tc.charset, tc.raw, got)
		}
	}
}

func TestCharsetCollationsAreTheServers(t *testing.T) {
	c := connect(t)
	var b strings.Builder
	b.WriteString("# id name charset: written by go test -run TestCharset -update\n")
	rows := query(t, c, "SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS")
	slices.SortFunc(rows, func(a, b []string) int {
		return cmp.Or(len(a[0])-len(b[0]), strings.Compare(a[0], b[0]))
	})
	for _, row := range rows {
		b.WriteString(strings.Join(row, " ") + "\n")
	}
	if *update {
		writeFile(t, "charset_collations.txt", b.String())
		return
	}
	have, err := os.ReadFile("charset_collations.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(string(have), line) {
			t.Errorf("charset_collations.txt lacks %q", line)
		}
	}
}

func FuzzCharsetDecode(f *testing.F) {
	names := []string{
		"utf8mb4", "ucs2", "utf16", "utf16le", "utf32", "latin1", "swe7", "gbk", "big5",
		"gb18030", "gb2312", "sjis", "cp932", "ujis", "eucjpms", "euckr",
	}
	for i := range names {
		f.Add(uint8(i), []byte("a\x81\x40\x8f\xa1\xa1\xff"))
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		name := names[int(which)%len(names)]
		got, err := mysql.DecodeText(name, raw)
		if err == nil && !utf8.ValidString(got) {
			t.Errorf("%s %x: %q is not UTF-8", name, raw, got)
		}
	})
}
