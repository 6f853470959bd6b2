// SPDX-License-Identifier: Apache-2.0

package mysql

// LibraryRune decodes one character by the library alone, for the test that
// writes what must be corrected; ok is false for a charset no library knows.
func LibraryRune(charset string, raw []byte) (r rune, n int, ok bool) {
	next, ok := multiByte(charset)
	if !ok {
		return 0, 0, false
	}
	if len(raw) == 1 && raw[0] < 0x80 {
		return rune(raw[0]), 1, true
	}
	r, n = next(raw)
	return r, n, true
}

// ModernName gives charsets and collations of old servers the names of today.
func ModernName(name string) string { return modernName(name) }
