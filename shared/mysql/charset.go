// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	vitess "vitess.io/vitess/go/mysql/collations/charset"
)

// textCharset turns a column's text into UTF-8 as the server's own CONVERT(…
// USING utf8mb4) does, with one difference: where the server writes '?' for
// what it cannot convert, there is an error, so that no row is silently wrong.
type textCharset interface {
	// sameAsUTF8 tells whether raw is valid and already its own UTF-8 form.
	sameAsUTF8(raw []byte) bool
	appendUTF8(dst, raw []byte) ([]byte, error)
}

// DecodeText converts text of a MySQL charset, as the binlog or a session with
// character_set_results NULL has it, to UTF-8. Bytes that the server could not
// convert are an error.
func DecodeText(charsetName string, raw []byte) (string, error) {
	cs, err := lookupCharset(charsetName)
	if err != nil {
		return "", err
	}
	if cs.sameAsUTF8(raw) {
		return string(raw), nil
	}
	text, err := cs.appendUTF8(nil, raw)
	return string(text), err
}

func lookupCharset(name string) (textCharset, error) {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8", "binary":
		return unicodeText{name}, nil
	case "ucs2", "utf16":
		return utf16Text{name, binary.BigEndian}, nil
	case "utf16le":
		return utf16Text{name, binary.LittleEndian}, nil
	case "utf32":
		return utf32Text{}, nil
	}
	codes := charsetCodes()[name]
	if rune1, ok := multiByte(name); ok {
		return codedText{name: name, codes: codes, next: rune1, ascii: true}, nil
	}
	if codes == nil {
		return nil, fmt.Errorf("unknown character set %q", name)
	}
	return codedText{name: name, codes: codes, next: noRune, ascii: asciiBelow(codes)}, nil
}

// textError tells of bytes that stand for no text.
type textError struct {
	charset string
	raw     []byte
}

func (e *textError) Error() string {
	return fmt.Sprintf("bytes %x are not valid %s text", e.raw, e.charset)
}

func undecodable(name string, raw []byte) error {
	return &textError{name, bytes.Clone(raw[:min(len(raw), 8)])}
}

// unicodeText is UTF-8 or a part of it.
type unicodeText struct{ name string }

func (unicodeText) sameAsUTF8(raw []byte) bool { return utf8.Valid(raw) }

func (t unicodeText) appendUTF8(dst, raw []byte) ([]byte, error) {
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		if r == utf8.RuneError && n <= 1 {
			return dst, undecodable(t.name, raw)
		}
		dst, raw = append(dst, raw[:n]...), raw[n:]
	}
	return dst, nil
}

// utf16Text is UTF-16, and UCS-2, which is UTF-16 without pairs.
type utf16Text struct {
	name  string
	order binary.ByteOrder
}

func (utf16Text) sameAsUTF8(raw []byte) bool { return len(raw) == 0 }

func (t utf16Text) appendUTF8(dst, raw []byte) ([]byte, error) {
	for len(raw) > 0 {
		if len(raw) < 2 {
			return dst, undecodable(t.name, raw)
		}
		r, n := rune(t.order.Uint16(raw)), 2
		if utf16.IsSurrogate(r) {
			if len(raw) >= 4 && t.name != "ucs2" {
				r, n = utf16.DecodeRune(r, rune(t.order.Uint16(raw[2:]))), 4
			}
			if n == 2 || r == utf8.RuneError {
				return dst, undecodable(t.name, raw)
			}
		}
		dst, raw = utf8.AppendRune(dst, r), raw[n:]
	}
	return dst, nil
}

type utf32Text struct{}

func (utf32Text) sameAsUTF8(raw []byte) bool { return len(raw) == 0 }

func (utf32Text) appendUTF8(dst, raw []byte) ([]byte, error) {
	for len(raw) > 0 {
		if len(raw) < 4 || raw[0] != 0 || !utf8.ValidRune(rune(binary.BigEndian.Uint32(raw))) {
			return dst, undecodable("utf32", raw)
		}
		dst, raw = utf8.AppendRune(dst, rune(binary.BigEndian.Uint32(raw))), raw[4:]
	}
	return dst, nil
}

// noCode marks a code that the server knows no character for.
const noCode rune = -1

// codedText is a charset of single bytes or of Asian double bytes: what codes
// says about one or two bytes holds, else what next says.
type codedText struct {
	name  string
	codes map[uint32]rune
	// next decodes one rune and tells its length, 0 if there is none.
	next  func(raw []byte) (rune, int)
	ascii bool
}

func (t codedText) sameAsUTF8(raw []byte) bool {
	if !t.ascii {
		return len(raw) == 0
	}
	for _, b := range raw {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (t codedText) appendUTF8(dst, raw []byte) ([]byte, error) {
	for len(raw) > 0 {
		r, n := t.rune(raw)
		if r == noCode {
			return dst, undecodable(t.name, raw)
		}
		dst, raw = utf8.AppendRune(dst, r), raw[n:]
	}
	return dst, nil
}

func (t codedText) rune(raw []byte) (rune, int) {
	if t.ascii && raw[0] < utf8.RuneSelf {
		return rune(raw[0]), 1
	}
	if r, ok := t.codes[uint32(raw[0])]; ok {
		return r, 1
	}
	if len(raw) > 1 {
		if r, ok := t.codes[uint32(raw[0])<<8|uint32(raw[1])]; ok {
			return r, 2
		}
	}
	return t.next(raw)
}

func noRune([]byte) (rune, int) { return noCode, 0 }

func asciiBelow(codes map[uint32]rune) bool {
	for c := range uint32(utf8.RuneSelf) {
		if codes[c] != rune(c) {
			return false
		}
	}
	return true
}

// multiByte gives the decoder of a multi-byte charset: a library's, which the
// table of codes corrects where the server differs.
func multiByte(name string) (next func([]byte) (rune, int), ok bool) {
	switch name {
	case "gbk":
		return firstRune(simplifiedchinese.GBK.NewDecoder().Bytes), true
	case "big5":
		return firstRune(traditionalchinese.Big5.NewDecoder().Bytes), true
	case "gb18030":
		return gb18030Rune, true
	case "gb2312":
		return libraryRune(vitess.Charset_gb2312{}), true
	case "sjis":
		return libraryRune(vitess.Charset_sjis{}), true
	case "cp932":
		return libraryRune(vitess.Charset_cp932{}), true
	case "ujis":
		return libraryRune(vitess.Charset_ujis{}), true
	case "eucjpms":
		return libraryRune(vitess.Charset_eucjpms{}), true
	case "euckr":
		return libraryRune(vitess.Charset_euckr{}), true
	}
	return nil, false
}

// libraryRune turns the library's sign of an error into noCode.
func libraryRune(cs vitess.Charset) func(raw []byte) (rune, int) {
	return func(raw []byte) (rune, int) {
		r, n := cs.DecodeRune(raw)
		if n > len(raw) || r == utf8.RuneError {
			return noCode, 0
		}
		return r, n
	}
}

// gb18030Rune knows two four-byte codes that the library can't tell: U+FFFD,
// which is its sign of an error, and one of the year 2005.
func gb18030Rune(raw []byte) (rune, int) {
	if len(raw) >= 4 {
		switch string(raw[:4]) {
		case "\x84\x31\xa4\x37":
			return utf8.RuneError, 4
		case "\x81\x35\xf4\x37":
			return '\ue7c7', 4
		}
	}
	return libraryRune(vitess.Charset_gb18030{})(raw)
}

// firstRune decodes one double byte.
func firstRune(decode func([]byte) ([]byte, error)) func([]byte) (rune, int) {
	return func(raw []byte) (rune, int) {
		if len(raw) < 2 {
			return noCode, 0
		}
		text, err := decode(raw[:2])
		r, n := utf8.DecodeRune(text)
		if err != nil || n != len(text) || r == utf8.RuneError {
			return noCode, 0
		}
		return r, 2
	}
}
