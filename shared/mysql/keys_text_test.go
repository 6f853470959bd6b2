// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// What some collation treats in a way of its own: letters that contract or
// expand, that reorder (Thai, Lao), kana and their marks, width, combining
// marks, ignorable and supplementary characters, ends of blocks, noncharacters,
// and what lies around the space.
const oddCharacters = "aAbBzZ019 _-\t!~`äÄéÈßÿñÑçåØ\u0081\u00a0€ıİœŒﬁßſẞłŁđžŽдДёαΑςσΣ日本語かカがガｶﾞ한글\u00ad\u200b\u0301\u0308\u3099😀😁𝄞𐐀𐐨\x01\x00\U0010ffff\ufffd" +
	"chCHllLLdzDZDžsSyYďťľôřŘŠ\u3000ーｰゝゞヽヾ々〇ゐヱヰヸ\u0335\u0338\u1ab0\u0f71\u0f72\u0f74\u0e40\u0e01\u0e48ๆฯ\u0e33\u0eb3กขเแ\u1100\u1161\u11a8가각힣ㄱⅠⅤⅷ①㍿㌀ﷺ㐂一䷿" +
	"\U00020000\U0002f800\ufa0e\uf900\ufe0f\U000e0100\u061c\u200d\u2060\ufeff²½\u2028ǄǅǆŉK\u212b\u2126\ue000\uf8ff\uffff\ufffe\U000f0000\\\uff3c‾"

// repertoire draws characters that the charset has.
func repertoire(r *rand.Rand, charset string, n int) []rune {
	var pool []rune
	for len(pool) < n {
		var raw []byte
		switch charset {
		case "utf8mb4", "utf8mb3", "utf8", "ucs2", "utf16", "utf16le", "utf32", "gb18030":
			c := rune(r.IntN([]int{0x600, 0x10000, 0x30000}[r.IntN(3)]))
			if utf8.ValidRune(c) && (c <= 0xffff || strings.Contains(charset, "mb4") || strings.Contains(charset, "16") || charset == "utf32" || charset == "gb18030") {
				pool = append(pool, c)
			}
			continue
		case "ujis", "eucjpms":
			raw = []byte{0x8f, byte(r.IntN(256)), byte(r.IntN(256))}[r.IntN(2):]
		default:
			raw = []byte{byte(r.IntN(256)), byte(r.IntN(256))}[r.IntN(2):]
		}
		if text, err := mysql.DecodeText(charset, raw); err == nil && utf8.RuneCountInString(text) == 1 {
			pool = append(pool, []rune(text)...)
		}
	}
	return pool
}

// oddTexts draws short texts, many of them alike.
func oddTexts(r *rand.Rand, charset string, n int) []string {
	pool, odd := repertoire(r, charset, 300), []rune(oddCharacters)
	var list []string
	for len(list) < n {
		var b strings.Builder
		for range r.IntN(6) {
			switch r.IntN(4) {
			case 0:
				b.WriteRune(pool[r.IntN(len(pool))])
			case 1:
				b.WriteByte("aAhHlsz  "[r.IntN(9)])
			default:
				b.WriteRune(odd[r.IntN(len(odd))])
			}
		}
		text := b.String()
		list = append(list, text, strings.ToUpper(text)+strings.Repeat(" ", r.IntN(3)))
	}
	return list[:n]
}

// textTable is one charset's texts at the server.
type textTable struct {
	name  string
	texts []string // as decoded, by n
}

func newTextTable(t *testing.T, c *mysql.Conn, db, charset string) textTable {
	t.Helper()
	tab := textTable{name: db + "." + charset}
	query(t, c, fmt.Sprintf("CREATE TABLE %s (n INT PRIMARY KEY, k VARCHAR(20) CHARACTER SET %s NOT NULL)", tab.name, charset))
	var rows []string
	for n, text := range oddTexts(rand.New(rand.NewPCG(1, uint64(seed(t)))), charset, 130) {
		rows = append(rows, fmt.Sprintf("(%d, CONVERT(_binary '' USING utf8mb4))", n))
		if text != "" {
			rows[n] = fmt.Sprintf("(%d, CONVERT(0x%x USING utf8mb4))", n, text)
		}
	}
	// IGNORE: what the charset lacks becomes a question mark.
	query(t, c, "INSERT IGNORE INTO "+tab.name+" VALUES "+strings.Join(rows, ", "))
	for _, row := range query(t, c, "SELECT n, k FROM "+tab.name+" ORDER BY n") {
		text, err := mysql.DecodeText(charset, []byte(row[1]))
		if err != nil {
			t.Fatal(err)
		}
		tab.texts = append(tab.texts, text)
	}
	return tab
}

// verdicts compares each text with those behind it at the server: one of <, =
// and > a pair.
func (tab textTable) verdicts(t *testing.T, c *mysql.Conn, collation string) []string {
	t.Helper()
	sql := fmt.Sprintf(`SELECT GROUP_CONCAT(IF(a.k COLLATE %[1]s = b.k, '=', IF(a.k COLLATE %[1]s < b.k, '<', '>')) ORDER BY b.n SEPARATOR '')
		FROM %[2]s a JOIN %[2]s b ON a.n < b.n GROUP BY a.n ORDER BY a.n`, collation, tab.name)
	var list []string
	for _, row := range query(t, c, sql) {
		list = append(list, row[0])
	}
	return list
}

// How we know the keys of a collation: without an entry, all about them; of
// whole their equality alone, of ambiguous that of their texts, of loose nothing.
var textLimits = map[string]string{
	"big5_chinese_ci": "loose", "cp1250_czech_cs": "loose", "gb18030_chinese_ci": "loose", "latin1_german2_ci": "loose",
	"latin2_czech_cs": "loose", "tis620_thai_ci": "loose", "ucs2_general_mysql500_ci": "loose",
	"utf8mb3_general_mysql500_ci": "loose", "utf8mb3_tolower_ci": "loose",
	"big5_bin": "whole", "gb18030_bin": "whole", "gbk_bin": "whole", "gbk_chinese_ci": "whole", "tis620_bin": "whole",
	"armscii8_bin": "ambiguous", "armscii8_general_ci": "ambiguous", "cp932_bin": "ambiguous", "cp932_japanese_ci": "ambiguous",
	"eucjpms_bin": "ambiguous", "eucjpms_japanese_ci": "ambiguous", "sjis_bin": "ambiguous", "sjis_japanese_ci": "ambiguous",
	"ujis_bin": "ambiguous", "ujis_japanese_ci": "ambiguous",
}

// Texts compare here as they do at the server, and equal ones have equal
// canonical bytes, in every collation the server has; but for those that are
// said to fall back (rules D1, S7).
func TestS7EveryCollationComparesAsTheServer(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	tables := map[string]textTable{}
	collations := query(t, c, "SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY ID")
	if len(collations) < 200 {
		t.Fatalf("the server has %d collations", len(collations))
	}
	for _, row := range collations {
		name, charset := row[0], row[1]
		t.Run(name, func(t *testing.T) {
			tab, ok := tables[charset]
			if !ok {
				tab = newTextTable(t, c, db, charset)
				tables[charset] = tab
			}
			modern := mysql.ModernName(name)
			order := mysql.NewKeyOrder(&change.Table{Columns: []change.Column{
				{Name: "k", Type: change.TypeVarchar, Charset: mysql.ModernName(charset), Collation: modern},
			}}, []int{0})
			limit := textLimits[modern]
			if order.Ordered() != (limit == "") || order.Canonical() != (limit != "loose") || (order.Ambiguous() != "") != (limit == "ambiguous") {
				t.Errorf("ordered %t, canonical %t, ambiguous %q; said to be %q", order.Ordered(), order.Canonical(), order.Ambiguous(), limit)
			}
			if order.Canonical() {
				tab.compare(t, order, tab.verdicts(t, c, name))
			}
		})
	}
}

func (tab textTable) compare(t *testing.T, order *mysql.KeyOrder, verdicts []string) {
	t.Helper()
	keys := make([]change.Row, len(tab.texts))
	canonical := make([]string, len(tab.texts))
	for i, text := range tab.texts {
		keys[i] = change.Row{change.NewText(text)}
		canonical[i] = string(order.Append(nil, keys[i]))
	}
	wrong := 0
	for i, of := range verdicts {
		for d, verdict := range of {
			j := i + 1 + d
			if order.Ambiguous() != "" && tab.texts[i] == tab.texts[j] {
				continue // may be two texts at the server: that is what it says
			}
			if (canonical[i] == canonical[j]) != (verdict == '=') {
				t.Errorf("%+q %c %+q at the server; canonical bytes %x and %x", tab.texts[i], verdict, tab.texts[j], canonical[i], canonical[j])
				wrong++
			}
			got := "<=>"[1+cmp.Compare(order.Compare(keys[i], keys[j]), 0)]
			if order.Ordered() && (rune(got) != verdict || cmp.Compare(order.Compare(keys[j], keys[i]), 0) != -cmp.Compare(order.Compare(keys[i], keys[j]), 0)) {
				t.Errorf("%+q %c %+q at the server, %c here", tab.texts[i], verdict, tab.texts[j], got)
				wrong++
			}
			if wrong > 5 {
				t.FailNow()
			}
		}
	}
}

// The charsets that are said to be ambiguous are those where two codes stand
// for one character.
func TestS7AmbiguousCharsets(t *testing.T) {
	c := connect(t)
	for _, cs := range codedCharsets(t, c) {
		var codes [][]byte
		for code := range uint32(0x10000) {
			codes = append(codes, codeBytes(code))
			if cs[1] == "3" && code >= 0x8000 {
				codes = append(codes, append([]byte{0x8f}, codeBytes(code)...))
			}
		}
		first := map[string][]byte{}
		var twice []string
		for _, raw := range codes {
			text, err := mysql.DecodeText(cs[0], raw)
			if err != nil || utf8.RuneCountInString(text) != 1 {
				continue
			}
			if first[text] != nil {
				twice = append(twice, text)
			}
			first[text] = raw
		}
		order := mysql.NewKeyOrder(&change.Table{Columns: []change.Column{{Type: change.TypeVarchar, Charset: cs[0], Collation: cs[0] + "_bin"}}}, []int{0})
		if (order.Ambiguous() != "") != (len(twice) > 0) {
			t.Errorf("%s: two codes stand for each of %.100q; said to be ambiguous: %q", cs[0], twice, order.Ambiguous())
		}
	}
}
