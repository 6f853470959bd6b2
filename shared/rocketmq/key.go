// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxKeyBytes is the longest key or tag EncodeKey makes, in bytes.
const MaxKeyBytes = 128

const (
	hexDigits = "0123456789ABCDEF"
	// emptyKey stands for "", which RocketMQ refuses; no other key encodes to it.
	emptyKey = "%"
	// shortSuffix is what a shortened key ends in: "~" and 16 hex digits.
	shortSuffix = 17
)

// EncodeKey makes a message key or tag out of any bytes, so that a consumer
// who knows the value finds the message by encoding it likewise. What RocketMQ
// can't carry there is percent-encoded byte by byte: white space (keys are
// joined by it), "|" (tag expressions are), control characters and bytes that
// are not UTF-8, and "%" itself. More than MaxKeyBytes are cut, between
// characters, and end in "~" and the first 16 hex digits of the SHA-256 of the
// original bytes. "" becomes "%".
func EncodeKey(s string) string {
	if s == "" {
		return emptyKey
	}
	var b strings.Builder
	cut := 0 // the last boundary that leaves room for the suffix
	for i := 0; i < len(s) && b.Len() <= MaxKeyBytes; {
		r, n := utf8.DecodeRuneInString(s[i:])
		if plain(r, n) {
			b.WriteString(s[i : i+n])
		} else {
			for _, c := range []byte(s[i : i+n]) {
				b.WriteByte('%')
				b.WriteByte(hexDigits[c>>4])
				b.WriteByte(hexDigits[c&15])
			}
		}
		i += n
		if b.Len() <= MaxKeyBytes-shortSuffix {
			cut = b.Len()
		}
	}
	if b.Len() <= MaxKeyBytes {
		return b.String()
	}
	sum := sha256.Sum256([]byte(s))
	return b.String()[:cut] + "~" + hex.EncodeToString(sum[:8])
}

// plain tells whether a character of n bytes stands for itself in a key.
func plain(r rune, n int) bool {
	return (r != utf8.RuneError || n > 1) && r != '%' && r != '|' && !unicode.IsSpace(r) && !unicode.IsControl(r)
}

// encoded tells whether s may be an EncodeKey's result as far as RocketMQ is
// concerned.
func encoded(s string) bool {
	if len(s) > MaxKeyBytes {
		return false
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != '%' && !plain(r, n) {
			return false
		}
		i += n
	}
	return true
}
