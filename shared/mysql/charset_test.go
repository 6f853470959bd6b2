// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// makeNumbers fills a table n with a column n from 0 to 65535.
func makeNumbers(t *testing.T, c *mysql.Conn, db string) {
	t.Helper()
	query(t, c, "CREATE TABLE "+db+".n (n int PRIMARY KEY)")
	query(t, c, "INSERT INTO "+db+".n VALUES (0)")
	for i := range 16 {
		query(t, c, fmt.Sprintf("INSERT INTO %[1]s.n SELECT n + %[2]d FROM %[1]s.n", db, 1<<i))
	}
}

// serverCodes asks the server what every code of the charset stands for: U+FFFD
// for one it takes for a character but cannot convert. Malformed codes are
// missing.
func serverCodes(t *testing.T, c *mysql.Conn, db, charset string, maxLen int) map[uint32]rune {
	t.Helper()
	codes := map[uint32]rune{}
	ask := func(code string, first, last int) {
		sql := fmt.Sprintf(`SELECT HEX(b), CONVERT(CONVERT(b USING %[3]s) USING utf8mb4) FROM (SELECT %[4]s AS b FROM %[5]s.n WHERE n BETWEEN %[1]d AND %[2]d) t
			WHERE CHAR_LENGTH(CONVERT(b USING %[3]s)) = 1 AND HEX(CONVERT(b USING %[3]s)) = HEX(b)`, first, last, charset, code, db)
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
		WHERE CHARACTER_SET_NAME NOT IN ('utf8', 'utf8mb3', 'utf8mb4', 'ucs2', 'utf16', 'utf16le', 'utf32', 'binary') ORDER BY 1`)
}

// TestCharsets compares each code of each charset with what the server itself makes of it.
// With -update it writes the tables anew instead.
func TestCharsets(t *testing.T) {
	if *update {
		writeTables(t)
		return
	}
	c, db := connect(t), servertest.MySQL(t).Database(t)
	makeNumbers(t, c, db)
	for _, cs := range codedCharsets(t, c) {
		name := cs[0]
		maxLen, _ := strconv.Atoi(cs[1])
		t.Run(name, func(t *testing.T) { sameCodes(t, name, serverCodes(t, c, db, name, maxLen)) })
	}
	for _, name := range []string{"utf8mb4", "utf8", "ucs2", "utf16", "utf16le", "utf32", "gb18030"} {
		t.Run("from Unicode to "+name, func(t *testing.T) { sameUnicode(t, c, db, name) })
	}
	t.Run("gb18030 of four bytes", func(t *testing.T) { sameFourBytes(t, c, db) })
	t.Run("collations", func(t *testing.T) { sameCollations(t, c) })
}

func sameCodes(t *testing.T, name string, codes map[uint32]rune) {
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
}

// sameUnicode takes all of the BMP and a sample of the other planes.
func sameUnicode(t *testing.T, c *mysql.Conn, db, name string) {
	last := 16
	if name == "utf8" || name == "ucs2" {
		last = 0
	}
	for plane := range last + 1 {
		every := ""
		if plane > 0 {
			every = " AND n % 67 = 0"
		}
		rows := query(t, c, fmt.Sprintf(`SELECT n, CONVERT(CONVERT(UNHEX(LPAD(HEX(n + %d), 8, '0')) USING utf32) USING %s) FROM %s.n
			WHERE NOT (%d = 0 AND n BETWEEN 0xD800 AND 0xDFFF)%s`, plane<<16, name, db, plane, every))
		if len(rows) < 900 {
			t.Fatalf("plane %d: the server answers %d rows", plane, len(rows))
		}
		for _, row := range rows {
			n, _ := strconv.Atoi(row[0])
			if got, err := mysql.DecodeText(name, []byte(row[1])); err != nil || got != string(rune(plane<<16+n)) {
				t.Errorf("%x: %q, %v; want U+%04X", row[1], got, err, plane<<16+n)
			}
		}
	}
}

// sameFourBytes takes every code of four bytes that begins with 81 to 84 or 90, and a sample of the others.
func sameFourBytes(t *testing.T, c *mysql.Conn, db string) {
	for first := 0x81; first <= 0xfe; first++ {
		every := ""
		if first > 0x84 && first != 0x90 {
			every = " AND n % 61 = 0"
		}
		// n counts the codes behind the first byte: 10, 126 and 10 values.
		rows := query(t, c, fmt.Sprintf(`SELECT HEX(b), HEX(CONVERT(CONVERT(b USING gb18030) USING utf8mb4)) FROM (SELECT
			UNHEX(CONCAT('%X', HEX(0x30 + n DIV 1260), HEX(0x81 + n DIV 10 %% 126), HEX(0x30 + n %% 10))) AS b FROM %s.n WHERE n < 12600%s) t`, first, db, every))
		if len(rows) < 200 {
			t.Fatalf("%x: the server answers %d rows", first, len(rows))
		}
		for _, row := range rows {
			code, _ := hex.DecodeString(row[0])
			want, _ := hex.DecodeString(row[1])
			got, err := mysql.DecodeText("gb18030", code)
			switch {
			case string(want) == "?" || len(want) == 0:
				if err == nil {
					t.Errorf("%x: %q, the server can't convert it", code, got)
				}
			case err != nil || got != string(want):
				t.Errorf("%x: %q, %v; the server says %q", code, got, err, want)
			}
		}
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

func sameCollations(t *testing.T, c *mysql.Conn) {
	have, err := os.ReadFile("charset_collations.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(collationLines(t, c)) {
		modern := strings.ReplaceAll(line, " utf8_", " utf8mb3_") // before 8.0.30
		if modern = strings.ReplaceAll(modern, " utf8\n", " utf8mb3\n"); !strings.Contains(string(have), modern) {
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
