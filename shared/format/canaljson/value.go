// SPDX-License-Identifier: Apache-2.0

package canaljson

import (
	"strconv"
	"time"

	"slipway/shared/change"
)

// appendValue appends a value: null, or its text in quotes.
func (e *Encoder) appendValue(dst []byte, c *column, v change.Value) []byte {
	if v.IsNull() {
		return append(dst, `null`...)
	}
	dst = append(dst, '"')
	switch v.Kind() {
	case change.Int:
		if c.typ == change.TypeYear {
			dst = appendPadded(dst, int(v.Int()), 1000)
		} else {
			dst = strconv.AppendInt(dst, v.Int(), 10)
		}
	case change.Uint:
		dst = strconv.AppendUint(dst, v.Uint(), 10)
	case change.Float32:
		dst = appendJavaFloat(dst, float64(v.Float32()), 32)
	case change.Float64:
		dst = appendJavaFloat(dst, v.Float64(), 64)
	case change.Text:
		if c.typ == change.TypeTimestamp && e.location != nil {
			dst = appendShifted(dst, v.Str(), e.location)
		} else {
			dst = appendEscaped(dst, v.Str())
		}
	case change.Bytes:
		dst = appendLatin1(dst, v.Str())
	}
	return append(dst, '"')
}

// appendShifted appends a canonical UTC date and time as it is in loc. The
// fraction is kept digit by digit. The zero date names no instant and stays.
func appendShifted(dst []byte, s string, loc *time.Location) []byte {
	const shape = "2006-01-02 15:04:05"
	if len(s) < len(shape) {
		return appendEscaped(dst, s)
	}
	year, ok1 := number(s[0:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:10])
	hour, ok4 := number(s[11:13])
	minute, ok5 := number(s[14:16])
	sec, ok6 := number(s[17:19])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || month == 0 || day == 0 {
		return appendEscaped(dst, s)
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, 0, time.UTC).In(loc)
	y, m, d := t.Date()
	hour, minute, sec = t.Clock()
	dst = append(appendPadded(dst, y, 1000), '-')
	dst = append(appendPadded(dst, int(m), 10), '-')
	dst = append(appendPadded(dst, d, 10), ' ')
	dst = append(appendPadded(dst, hour, 10), ':')
	dst = append(appendPadded(dst, minute, 10), ':')
	dst = appendPadded(dst, sec, 10)
	return appendEscaped(dst, s[len(shape):])
}

// number reads a non-negative decimal number.
func number(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// appendPadded appends n >= 0 with leading zeros; full is the smallest number that
// needs none, 10 for two digits.
func appendPadded(dst []byte, n, full int) []byte {
	for ; full > 1 && n < full; full /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
