// SPDX-License-Identifier: Apache-2.0

package canaljson

import "unicode/utf8"

const hex = "0123456789abcdef"

// escapes has for each byte 0 if it stands for itself in a JSON string, 'u' if
// it needs \u00xx, and else the letter behind its backslash. Bytes from 0x80 on
// are marked too, because they want a look at the whole character.
//
// It is the least that JSON asks for, and what canal's library (fastjson2)
// does: `/`, `<`, `>`, `&`, U+007F and U+2028 are written as they are.
var escapes = func() (t [256]byte) {
	for b := range 0x20 {
		t[b] = 'u'
	}
	for b := 0x80; b < 0x100; b++ {
		t[b] = 'x'
	}
	t['\b'], t['\t'], t['\n'], t['\f'], t['\r'] = 'b', 't', 'n', 'f', 'r'
	t['"'], t['\\'] = '"', '\\'
	return t
}()

// latin1Sizes has for each byte the length of its rendering by appendLatin1.
var latin1Sizes = func() (t [256]uint8) {
	for b := range t {
		switch escapes[b] {
		case 0:
			t[b] = 1
		case 'u':
			t[b] = 6
		default:
			t[b] = 2
		}
	}
	return t
}()

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	return append(appendEscaped(append(dst, '"'), s), '"')
}

// appendEscaped appends s as the inside of a JSON string. Each byte that is not
// UTF-8 becomes U+FFFD, so that the message always is valid JSON.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		e := escapes[s[i]]
		if e == 0 {
			i++
			continue
		}
		if e != 'x' {
			dst = appendEscape(append(dst, s[start:i]...), s[i], e)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(append(dst, s[start:i]...), "\uFFFD"...)
			start = i + 1
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// appendEscape appends byte b by its entry e in escapes.
func appendEscape(dst []byte, b, e byte) []byte {
	if e == 'u' {
		return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
	}
	return append(dst, '\\', e)
}

// appendLatin1 appends raw bytes as the inside of a JSON string, each byte as
// the character of its number (ISO-8859-1), which loses nothing.
func appendLatin1(dst []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		e := escapes[s[i]]
		if e == 0 {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		if e == 'x' {
			dst = utf8.AppendRune(dst, rune(s[i]))
		} else {
			dst = appendEscape(dst, s[i], e)
		}
	}
	return append(dst, s[start:]...)
}

// latin1Size is the number of bytes appendLatin1 appends.
func latin1Size(s string) (n int) {
	for i := range len(s) {
		n += int(latin1Sizes[s[i]])
	}
	return n
}
