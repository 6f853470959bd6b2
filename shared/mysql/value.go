// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"errors"
	"fmt"
	"strings"

	"slipway/shared/change"
	"slipway/shared/fault"
)

// maxScratch is the buffer a decoder keeps between rows; one huge row must not
// pin its size for good.
const maxScratch = 1 << 20

// SelectExpr is the column as a SELECT list must name it for a SelectDecoder:
// quoted, ENUM and SET as the numbers the binlog has, so that labels and their
// charsets play no part.
func SelectExpr(col *change.Column) string {
	name := QuoteName(col.Name)
	if col.Type == change.TypeEnum || col.Type == change.TypeSet {
		return "CAST(" + name + " AS UNSIGNED)"
	}
	return name
}

// QuoteName quotes an identifier with backticks.
func QuoteName(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// columnDecoder knows what one column's raw bytes mean. It is the one place
// where SELECT and binlog meet (D1): both hand it the same bytes.
type columnDecoder struct {
	name   string
	typ    change.Type
	kind   change.Kind
	bits   int // of an integer
	length int
	scale  int
	signed bool
	text   textCharset
}

func newColumnDecoders(t *change.Table) ([]columnDecoder, error) {
	cols := make([]columnDecoder, len(t.Columns))
	for i := range t.Columns {
		col := &t.Columns[i]
		c := columnDecoder{
			name: col.Name, typ: col.Type, kind: kindOf(col), bits: integerBits(col.Type),
			length: col.Length, scale: col.Scale, signed: !col.Unsigned,
		}
		switch col.Type {
		case change.TypeUnknown:
			return nil, fmt.Errorf("%s: column %q has a type Slipway does not know: %q", t, col.Name, col.Declared)
		case change.TypeChar, change.TypeVarchar, change.TypeText:
			var err error
			if c.text, err = lookupCharset(col.Charset); err != nil {
				return nil, fmt.Errorf("%s: column %q: %w", t, col.Name, err)
			}
		}
		cols[i] = c
	}
	return cols, nil
}

// unreadable refuses a value. What the server itself can only show as '?' must be
// mended where it is; after says what has to be done then.
func (c *columnDecoder) unreadable(t *change.Table, err error, after string) error {
	remedy := ""
	if bad, ok := errors.AsType[*textError](err); ok {
		name := QuoteName(c.name)
		remedy = fmt.Sprintf("find such rows by SELECT * FROM %s WHERE HEX(CONVERT(CONVERT(%s USING utf8mb4) USING %s)) <> HEX(%s), mend their text or leave the table out (objects.exclude), and %s",
			QuoteTable(t), name, bad.charset, name, after)
	}
	return fault.New(fault.UnreadableEvent, remedy, "%s: column %q: %w", t, c.name, err)
}

func kindOf(col *change.Column) change.Kind {
	//exhaustive:enforce
	switch col.Type {
	case change.TypeTinyInt, change.TypeSmallInt, change.TypeMediumInt, change.TypeInt, change.TypeBigInt:
		if col.Unsigned {
			return change.Uint
		}
		return change.Int
	case change.TypeYear:
		return change.Int
	case change.TypeBit, change.TypeEnum, change.TypeSet:
		return change.Uint
	case change.TypeFloat:
		return change.Float32
	case change.TypeDouble:
		return change.Float64
	case change.TypeBinary, change.TypeVarbinary, change.TypeBlob, change.TypeGeometry, change.TypeVector:
		return change.Bytes
	case change.TypeUnknown, change.TypeDecimal, change.TypeDate, change.TypeTime, change.TypeDateTime, change.TypeTimestamp,
		change.TypeChar, change.TypeVarchar, change.TypeText, change.TypeJSON:
	}
	return change.Text
}

func integerBits(t change.Type) int {
	switch t {
	case change.TypeTinyInt:
		return 8
	case change.TypeSmallInt:
		return 16
	case change.TypeMediumInt:
		return 24
	case change.TypeInt:
		return 32
	}
	return 64
}

// arena gathers a row's bytes so that a row costs one string, whatever its
// number of columns.
type arena struct {
	buf, raw []byte
	ends     []int
}

func (a *arena) reset() {
	if cap(a.buf) > maxScratch {
		a.buf = nil
	}
	if cap(a.raw) > maxScratch {
		a.raw = nil
	}
	a.buf, a.ends = a.buf[:0], a.ends[:0]
}

// share cuts the gathered bytes into the values of the row that were given as
// empty Text or Bytes.
func (a *arena) share(row change.Row) {
	s, start := string(a.buf), 0
	for i, end := range a.ends {
		switch row[i].Kind() {
		case change.Text:
			row[i] = change.NewText(s[start:end])
		case change.Bytes:
			row[i] = change.NewBytes(s[start:end])
		}
		start = end
	}
}

// canonical turns the raw bytes that start at from into the column's canonical
// form, in place.
func (a *arena) canonical(c *columnDecoder, from int) error {
	switch c.typ {
	case change.TypeChar, change.TypeVarchar, change.TypeText:
		return a.toUTF8(c, from)
	case change.TypeDecimal:
		a.buf = canonicalDecimal(a.buf, from)
	case change.TypeTime, change.TypeDateTime, change.TypeTimestamp:
		a.buf = canonicalFraction(a.buf, from, c.scale)
	case change.TypeBinary:
		for len(a.buf)-from < c.length {
			a.buf = append(a.buf, 0)
		}
	}
	return nil
}

func (a *arena) toUTF8(c *columnDecoder, from int) error {
	raw := a.buf[from:]
	if c.text.sameAsUTF8(raw) {
		return nil
	}
	a.raw = append(a.raw[:0], raw...)
	var err error
	a.buf, err = c.text.appendUTF8(a.buf[:from], a.raw)
	return err
}

// canonicalDecimal drops what ZEROFILL and a negative zero add.
func canonicalDecimal(buf []byte, from int) []byte {
	digits := from
	if digits < len(buf) && buf[digits] == '-' {
		digits++
	}
	first := digits
	for first+1 < len(buf) && buf[first] == '0' && buf[first+1] != '.' {
		first++
	}
	if digits > from && isZero(buf[first:]) {
		digits = from
	}
	return append(buf[:digits], buf[first:]...)
}

func isZero(decimal []byte) bool {
	for _, c := range decimal {
		if c != '0' && c != '.' {
			return false
		}
	}
	return true
}

// canonicalFraction gives a time exactly the column's fractional digits: the
// drivers leave out a zero fraction, or print six digits always.
func canonicalFraction(buf []byte, from, scale int) []byte {
	dot := len(buf)
	for i := from; i < len(buf); i++ {
		if buf[i] == '.' {
			dot = i
			break
		}
	}
	if scale == 0 {
		return buf[:dot]
	}
	if dot == len(buf) {
		buf = append(buf, '.')
	}
	for len(buf) < dot+1+scale {
		buf = append(buf, '0')
	}
	return buf[:dot+1+scale]
}
