// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
)

// The field types an opaque value can name that have a text of their own.
const (
	fieldTimestamp = 7
	fieldDate      = 10
	fieldTime      = 11
	fieldDateTime  = 12
	fieldDecimal   = 246
	fieldVarString = 253
)

// appendOpaque writes a value JSON has no type for: decimals and times as text,
// all else in base64 with its field type.
//
// Servers of late 8.0 and later store text that was UTF-16 or UTF-32 as it was,
// under the type that older ones had for bytes, and print it as if it were UTF-8.
func (j jsonText) appendOpaque(dst, data []byte) ([]byte, error) {
	if len(data) < 1 {
		return dst, errJSONTruncated
	}
	value, err := jsonLengthPrefixed(data[1:])
	if err != nil {
		return dst, err
	}
	switch data[0] {
	case fieldDecimal:
		return appendJSONDecimal(dst, value)
	case fieldDate, fieldTime, fieldDateTime, fieldTimestamp:
		return appendJSONTime(dst, data[0], value)
	case fieldVarString:
		if !j.old {
			return appendJSONString(dst, value), nil
		}
	}
	dst = append(dst, `"base64:type`...)
	dst = strconv.AppendInt(dst, int64(data[0]), 10)
	dst = append(dst, ':')
	dst = j.appendBase64(dst, value)
	return append(dst, '"'), nil
}

// base64Line is how many characters the server writes between line breaks.
const base64Line = 76

// appendBase64 breaks lines as the server does; servers before 8.0 forget that a
// line break needs an escape in JSON.
func (j jsonText) appendBase64(dst, value []byte) []byte {
	text, lineBreak := base64.StdEncoding.EncodeToString(value), `\n`
	if j.old {
		lineBreak = "\n"
	}
	for len(text) > base64Line {
		dst = append(append(dst, text[:base64Line]...), lineBreak...)
		text = text[base64Line:]
	}
	return append(dst, text...)
}

// appendJSONTime writes the packed form of a date and time: 24 bits of
// microseconds below, above them second, minute, hour, day, and year*13+month.
func appendJSONTime(dst []byte, field byte, value []byte) ([]byte, error) {
	if len(value) < 8 {
		return dst, errJSONTruncated
	}
	packed := int64(binary.LittleEndian.Uint64(value))
	sign := ""
	if packed < 0 {
		packed, sign = -packed, "-"
	}
	micro, rest := packed&(1<<24-1), packed>>24
	second, minute, hour := rest&63, rest>>6&63, rest>>12&31
	if field == fieldTime {
		return fmt.Appendf(dst, `"%s%02d:%02d:%02d.%06d"`, sign, rest>>12&1023, minute, second, micro), nil
	}
	day, month := rest>>17&31, rest>>22
	date := fmt.Appendf(append(dst, '"'), "%04d-%02d-%02d", month/13, month%13, day)
	if field == fieldDate {
		return append(date, '"'), nil
	}
	return fmt.Appendf(date, ` %02d:%02d:%02d.%06d"`, hour, minute, second, micro), nil
}

// decimalBytes is the room a group of 0 to 9 decimal digits takes.
const decimalBytes = "\x00\x01\x01\x02\x02\x03\x03\x04\x04\x04"

// appendJSONDecimal writes a packed decimal behind its precision and scale:
// big-endian groups of nine digits, the odd groups outermost, the sign in the
// first bit, all bits flipped when negative.
func appendJSONDecimal(dst, value []byte) ([]byte, error) {
	if len(value) < 2 || value[1] > value[0] {
		return dst, errJSONTruncated
	}
	scale := int(value[1])
	whole := int(value[0]) - scale
	packed := append([]byte(nil), value[2:]...)
	size := whole/9*4 + int(decimalBytes[whole%9]) + scale/9*4 + int(decimalBytes[scale%9])
	if len(packed) < size || size == 0 {
		return dst, errJSONTruncated
	}
	if packed[0]&0x80 == 0 {
		for i := range packed {
			packed[i] = ^packed[i]
		}
		dst = append(dst, '-')
	}
	packed[0] &= 0x7f
	from := len(dst)
	group := func(digits int) {
		var n uint64
		for _, b := range packed[:decimalBytes[digits]] {
			n = n<<8 | uint64(b)
		}
		packed = packed[decimalBytes[digits]:]
		if digits > 0 {
			dst = fmt.Appendf(dst, "%0*d", digits, n)
		}
	}
	group(whole % 9)
	for range whole / 9 {
		group(9)
	}
	if whole == 0 {
		dst = append(dst, '0')
	}
	dst = canonicalDecimal(dst, from)
	if scale == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	for range scale / 9 {
		group(9)
	}
	group(scale % 9)
	return dst, nil
}
