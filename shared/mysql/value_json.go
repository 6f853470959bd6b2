// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The type bytes of MySQL's binary JSON.
const (
	jsonSmallObject = 0x00
	jsonLargeObject = 0x01
	jsonSmallArray  = 0x02
	jsonLargeArray  = 0x03
	jsonLiteral     = 0x04
	jsonInt16       = 0x05
	jsonUint16      = 0x06
	jsonInt32       = 0x07
	jsonUint32      = 0x08
	jsonInt64       = 0x09
	jsonUint64      = 0x0a
	jsonDouble      = 0x0b
	jsonString      = 0x0c
	jsonOpaque      = 0x0f
)

// jsonMaxDepth is the server's own limit on nesting.
const jsonMaxDepth = 100

var errJSONTruncated = errors.New("binary JSON ends early")

// jsonText renders binary JSON exactly as a SELECT prints the document: keys in
// stored order, ", " and ": " between, numbers as the server writes them.
type jsonText struct {
	// old is the way of servers before 8.0.
	old bool
}

// jsonTextOf is the way of the server with this version text.
func jsonTextOf(server string) jsonText { return jsonText{old: strings.HasPrefix(server, "5.")} }

func (j jsonText) append(dst, doc []byte) ([]byte, error) {
	if len(doc) == 0 {
		// INSERT IGNORE of NULL stores nothing; the server reads it as JSON null.
		return append(dst, "null"...), nil
	}
	return j.appendValue(dst, doc[0], doc[1:], 0)
}

func (j jsonText) appendValue(dst []byte, typ byte, data []byte, depth int) ([]byte, error) {
	if depth > jsonMaxDepth {
		return dst, fmt.Errorf("binary JSON nests deeper than %d", jsonMaxDepth)
	}
	switch typ {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		return j.appendContainer(dst, typ, data, depth)
	case jsonString:
		s, err := jsonLengthPrefixed(data)
		if err != nil {
			return dst, err
		}
		return appendJSONString(dst, s), nil
	case jsonOpaque:
		return j.appendOpaque(dst, data)
	}
	return j.appendScalar(dst, typ, data)
}

func (j jsonText) appendScalar(dst []byte, typ byte, data []byte) ([]byte, error) {
	width := jsonWidth(typ)
	if width == 0 {
		return dst, fmt.Errorf("binary JSON has the unknown type %d", typ)
	}
	if len(data) < width {
		return dst, errJSONTruncated
	}
	le := binary.LittleEndian
	switch typ {
	case jsonInt16:
		return strconv.AppendInt(dst, int64(int16(le.Uint16(data))), 10), nil
	case jsonUint16:
		return strconv.AppendUint(dst, uint64(le.Uint16(data)), 10), nil
	case jsonInt32:
		return strconv.AppendInt(dst, int64(int32(le.Uint32(data))), 10), nil
	case jsonUint32:
		return strconv.AppendUint(dst, uint64(le.Uint32(data)), 10), nil
	case jsonInt64:
		return strconv.AppendInt(dst, int64(le.Uint64(data)), 10), nil
	case jsonUint64:
		return strconv.AppendUint(dst, le.Uint64(data), 10), nil
	case jsonDouble:
		f := math.Float64frombits(le.Uint64(data))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return dst, fmt.Errorf("binary JSON has the double %v", f)
		}
		return j.appendDouble(dst, f), nil
	}
	switch data[0] {
	case 0:
		return append(dst, "null"...), nil
	case 1:
		return append(dst, "true"...), nil
	case 2:
		return append(dst, "false"...), nil
	}
	return dst, fmt.Errorf("binary JSON has the unknown literal %d", data[0])
}

// jsonWidth is a scalar's size in bytes, 0 for what has no fixed one.
func jsonWidth(typ byte) int {
	switch typ {
	case jsonLiteral:
		return 1
	case jsonInt16, jsonUint16:
		return 2
	case jsonInt32, jsonUint32:
		return 4
	case jsonInt64, jsonUint64, jsonDouble:
		return 8
	}
	return 0
}

// jsonContainer reads the table of contents at the head of an object or array:
// count, size in bytes, then key entries (offset, length) and value entries
// (type, offset or the value itself). Offsets count from the container's start.
type jsonContainer struct {
	data   []byte
	object bool
	width  int // of counts and offsets: 2 or 4
	count  int
}

func newJSONContainer(typ byte, data []byte) (jsonContainer, error) {
	c := jsonContainer{data: data, object: typ == jsonSmallObject || typ == jsonLargeObject, width: 2}
	if typ == jsonLargeObject || typ == jsonLargeArray {
		c.width = 4
	}
	if len(data) < 2*c.width {
		return c, errJSONTruncated
	}
	c.count = c.number(0)
	size := c.number(c.width)
	if size > len(data) || c.valueEntry(c.count) > size {
		return c, errJSONTruncated
	}
	c.data = data[:size]
	return c, nil
}

func (c *jsonContainer) number(at int) int {
	if c.width == 2 {
		return int(binary.LittleEndian.Uint16(c.data[at:]))
	}
	return int(binary.LittleEndian.Uint32(c.data[at:]))
}

func (c *jsonContainer) keyEntry(i int) int { return 2*c.width + i*(c.width+2) }

func (c *jsonContainer) valueEntry(i int) int {
	keys := 0
	if c.object {
		keys = c.count
	}
	return c.keyEntry(keys) + i*(1+c.width)
}

func (c *jsonContainer) key(i int) ([]byte, error) {
	at := c.keyEntry(i)
	from, n := c.number(at), int(binary.LittleEndian.Uint16(c.data[at+c.width:]))
	if from+n > len(c.data) {
		return nil, errJSONTruncated
	}
	return c.data[from : from+n], nil
}

func (c *jsonContainer) value(i int) (typ byte, data []byte, err error) {
	at := c.valueEntry(i)
	typ = c.data[at]
	inlined := typ == jsonLiteral || typ == jsonInt16 || typ == jsonUint16 ||
		c.width == 4 && (typ == jsonInt32 || typ == jsonUint32)
	if inlined {
		return typ, c.data[at+1 : at+1+c.width], nil
	}
	from := c.number(at + 1)
	// A value lies behind the table of contents; anything else would let a
	// damaged document nest in itself.
	if from < c.valueEntry(c.count) || from > len(c.data) {
		return 0, nil, errJSONTruncated
	}
	return typ, c.data[from:], nil
}

func (j jsonText) appendContainer(dst []byte, typ byte, data []byte, depth int) ([]byte, error) {
	c, err := newJSONContainer(typ, data)
	if err != nil {
		return dst, err
	}
	open, closing := byte('['), byte(']')
	if c.object {
		open, closing = '{', '}'
	}
	dst = append(dst, open)
	for i := range c.count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if c.object {
			key, err := c.key(i)
			if err != nil {
				return dst, err
			}
			dst = append(appendJSONString(dst, key), ": "...)
		}
		typ, value, err := c.value(i)
		if err != nil {
			return dst, err
		}
		if dst, err = j.appendValue(dst, typ, value, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, closing), nil
}

// jsonLengthPrefixed is what a variable-length size (7 bits per byte, low first)
// stands before.
func jsonLengthPrefixed(data []byte) ([]byte, error) {
	n := 0
	for i := range min(5, len(data)) {
		n |= int(data[i]&0x7f) << (7 * i)
		if data[i]&0x80 == 0 {
			data = data[i+1:]
			if n > len(data) {
				break
			}
			return data[:n], nil
		}
	}
	return nil, errJSONTruncated
}

func appendJSONString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}

// appendDouble writes a double as the server does: the shortest digits that
// read back the same, plain between 1e-15 and 1e15, and from 8.0 on never an
// integer's look.
func (j jsonText) appendDouble(dst []byte, f float64) []byte {
	var scratch [32]byte
	sci := strconv.AppendFloat(scratch[:0], f, 'e', -1, 64)
	e := len(sci) - 1
	for sci[e] != 'e' {
		e--
	}
	exp, _ := strconv.Atoi(string(sci[e+1:])) // strconv wrote it
	digits := 0
	for _, c := range sci[:e] {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	point := exp + 1 // of the digits, where the decimal point stands
	if f == 0 || (point >= -14 && (point <= 15 || digits > point)) {
		from := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if slices.Contains(dst[from:], '.') {
			return dst
		}
		if j.old {
			return dst
		}
		return append(dst, ".0"...)
	}
	return strconv.AppendInt(append(dst, sci[:e+1]...), int64(exp), 10)
}
