// SPDX-License-Identifier: Apache-2.0

package typetest

import "fmt"

// samples has a text for every charset with its own special characters; some have 0x5C, a backslash, in their bytes.
var samples = []struct{ charset, text string }{
	{"armscii8", "Հայ"},
	{"ascii", "plain"},
	{"big5", "漢字許功蓋"},
	{"cp1250", "Žluťoučký €"},
	{"cp1251", "Привет €"},
	{"cp1256", "سلام"},
	{"cp1257", "ąčęŽ"},
	{"cp850", "Çü░Ñ"},
	{"cp852", "Łódź"},
	{"cp866", "Привет░"},
	{"cp932", "表ソ①ｱ～"},
	{"dec8", "éÿŒ"},
	{"eucjpms", "日本①ｱ"},
	{"euckr", "한국어"},
	{"gb18030", "汉字😀ä𠀀€"},
	{"gb2312", "汉字"},
	{"gbk", "汉字誠鎔"},
	{"geostd8", "გამარ"},
	{"greek", "Ελλάδα"},
	{"hebrew", "שלום"},
	{"hp8", "éÀ"},
	{"keybcs2", "čŽ"},
	{"koi8r", "Привет"},
	{"koi8u", "Їжак"},
	{"latin1", "é€ÿŒ"},
	{"latin2", "Łódź"},
	{"latin5", "İğş"},
	{"latin7", "ąčę"},
	{"macce", "čŽ"},
	{"macroman", "é†"},
	{"sjis", "表ソｱ漢"},
	{"swe7", "åäöÉ"},
	{"tis620", "สวัสดี"},
	{"ucs2", "aé漢"},
	{"ujis", "日本ｱ丂"},
	{"utf16", "aé漢😀"},
	{"utf16le", "aé漢😀"},
	{"utf32", "aé漢😀"},
	{"utf8", "aé漢"},
	{"utf8mb4", "aé漢😀𠀀"},
}

// charsets is CHAR, VARCHAR and TEXT in every charset.
func charsets() (list []Column) {
	for _, s := range samples {
		in := " character set " + s.charset
		list = append(list,
			column("char(20)"+in, "'"+s.text+"'", "''", "'x  '"),
			column("varchar(20)"+in, "'"+s.text+"'", "''", "'x  '"),
			column("text"+in, "'"+s.text+"'", "''", "'x  '"))
	}
	// Codes at the edges of what a charset's bytes mean.
	return append(list,
		column("varchar(9) character set latin1", "X'818d8f909d'", "X'80ff'"), column("varchar(9) character set cp1251", "X'80ff'"),
		column("varchar(9) character set gbk", "X'8140fe4fa2a1'"), column("varchar(9) character set gb18030", "X'8130813084318135e3329a35'"),
		column("varchar(9) character set big5", "X'a140f9d5a15c'"), column("varchar(9) character set sjis", "X'8140a1df815f'"),
		column("varchar(9) character set cp932", "X'8140a1dffc4bfa54'"), column("varchar(9) character set utf16", "X'dbffdfff00000041'"))
}

// labels is ENUM and SET, with labels in every charset.
func labels() []Column {
	list := []Column{
		column("enum('a','b''c','é','')", "'a'", "'é'", "0", "4", "''"), column("enum('x') not null default 'x'", "'x'"), column(`enum('comma,','back\\slash','"')`, "1", "2", "3"),
		column("set('x','y','z')", "'x,z'", "''", "'y'", "7"), column(`set('it''s','é 船','"')`, "1", "6"),
		{Name: "enum of 255", Declared: "enum(" + numbered(255, 'e') + ")", Values: []string{"1", "255", "0"}},
		{Name: "enum of 256", Declared: "enum(" + numbered(256, 'e') + ")", Values: []string{"1", "256", "0"}},
		{Name: "enum of 1000", Declared: "enum(" + numbered(1000, 'e') + ")", Values: []string{"1000", "256", "1"}},
		{Name: "label of 255", Declared: "enum('" + long(255) + "','é')", Values: []string{"1", "2"}},
	}
	for _, n := range []int{1, 8, 9, 16, 17, 24, 25, 32, 33, 48, 63, 64} {
		all := ^uint64(0) >> (64 - n)
		list = append(list, Column{
			Name: fmt.Sprintf("set of %d", n), Declared: "set(" + numbered(n, 'm') + ")",
			Values: []string{fmt.Sprint(all), "1", fmt.Sprint(all ^ all>>1), "0", fmt.Sprintf("'m%d'", n)},
		})
	}
	for _, s := range samples {
		list = append(list,
			Column{Name: "enum in " + s.charset, Declared: "enum('x','" + bmp(s.text) + "') character set " + s.charset, Values: []string{"2", "'" + bmp(s.text) + "'"}},
			Column{Name: "set in " + s.charset, Declared: "set('x','" + bmp(s.text) + "') character set " + s.charset, Values: []string{"3", "'" + bmp(s.text) + "'", "0"}})
	}
	return list
}

// bmp leaves out what the catalog of a server can't hold in a label.
func bmp(s string) string {
	var kept []rune
	for _, r := range s {
		if r <= 0xffff {
			kept = append(kept, r)
		}
	}
	return string(kept)
}

// numbered lists n quoted labels.
func numbered(n int, letter rune) (list string) {
	for i := range n {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprintf("'%c%d'", letter, i+1)
	}
	return list
}

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}
