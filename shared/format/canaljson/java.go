// SPDX-License-Identifier: Apache-2.0

package canaljson

import (
	"math"
	"strconv"
)

// appendJavaFloat appends a FLOAT (size 32) or DOUBLE (size 64) as Java's
// Float.toString and Double.toString print it from JDK 19 on: the fewest digits
// that read back as the same number, at least two of them, plain from 10⁻³ up
// to below 10⁷ ("1.0", "123456.7"), in scientific notation beyond ("1.0E10").
//
// Older JDKs follow the same rules but print some numbers with digits too many
// (JDK-4511638: 2.0E23 comes out as 1.9999999999999998E23).
func appendJavaFloat(dst []byte, f float64, size int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0 && math.Signbit(f):
		return append(dst, "-0.0"...)
	case f == 0:
		return append(dst, "0.0"...)
	case f < 0:
		dst = append(dst, '-')
		f = -f
	}

	var buf [32]byte
	sci := strconv.AppendFloat(buf[:0], f, 'e', -1, size) // "1.25e+07"
	if sci[1] != '.' && f < coarse(size) {
		// So few bits are left here that one digit may read back and yet be far
		// off: 4.9E-324, not 5.0E-324.
		sci = twoDigits(sci, f, size)
	}
	return appendJavaDigits(dst, sci)
}

// coarse is the bound below which neighbouring numbers differ by several
// percent.
func coarse(size int) float64 {
	if size == 32 {
		return 1e-42
	}
	return 1e-320
}

// twoDigits returns the two digits nearest to f if they read back as f, else sci.
func twoDigits(sci []byte, f float64, size int) []byte {
	better := strconv.FormatFloat(f, 'e', 1, size)
	if back, err := strconv.ParseFloat(better, size); err == nil && back == f {
		return append(sci[:0], better...)
	}
	return sci
}

// appendJavaDigits rewrites "d.ddde±xx" in Java's notation.
func appendJavaDigits(dst, sci []byte) []byte {
	mark := len(sci) - 1
	for sci[mark] != 'e' {
		mark--
	}
	exp := 0
	for _, b := range sci[mark+2:] {
		exp = exp*10 + int(b-'0')
	}
	if sci[mark+1] == '-' {
		exp = -exp
	}
	digits := sci[:1] // all digits, without the point
	if mark > 2 {
		digits = append(digits, sci[2:mark]...)
	}

	switch {
	case exp >= 7 || exp < -3:
		dst = appendPoint(dst, digits, 1)
		dst = append(dst, 'E')
		return strconv.AppendInt(dst, int64(exp), 10)
	case exp < 0:
		dst = append(dst, "0.00"[:1-exp]...)
		return append(dst, digits...)
	}
	return appendPoint(dst, digits, exp+1)
}

// appendPoint appends the digits with a point after the first n of them, filled
// up with zeros so that a digit stands on either side.
func appendPoint(dst, digits []byte, n int) []byte {
	for i := range max(n+1, len(digits)) {
		if i == n {
			dst = append(dst, '.')
		}
		if i < len(digits) {
			dst = append(dst, digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	return dst
}
