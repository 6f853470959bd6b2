// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"slipway/shared/change"
)

// KeyOrder compares and canonicalises the keys of one table as its server
// does. Keys are Rows in the order of Table.Key. It is safe for concurrent
// use.
type KeyOrder struct {
	cols []keyColumn
	// Why not, for people; "" when nothing is in the way. See the methods.
	unordered, uncanonical, ambiguous string
}

type keyColumn struct {
	typ  change.Type
	text *textOrder // of a column of text whose collation we know
}

// NewKeyOrder looks at the key of t. A keyless table is neither ordered nor
// canonical.
func NewKeyOrder(t *change.Table, key []int) *KeyOrder {
	o := &KeyOrder{}
	if len(key) == 0 {
		o.unordered, o.uncanonical = "there is no key", "there is no key"
	}
	for _, i := range key {
		o.add(&t.Columns[i])
	}
	return o
}

func (o *KeyOrder) add(c *change.Column) {
	k := keyColumn{typ: c.Type}
	switch c.Type {
	case change.TypeTinyInt, change.TypeSmallInt, change.TypeMediumInt, change.TypeInt, change.TypeBigInt, change.TypeYear, change.TypeBit,
		change.TypeDecimal, change.TypeDate, change.TypeTime, change.TypeDateTime, change.TypeTimestamp, change.TypeBinary, change.TypeVarbinary:
	case change.TypeFloat, change.TypeDouble, change.TypeEnum, change.TypeSet, change.TypeBlob:
		o.unordered = fmt.Sprintf("column %s is %s", c.Name, c.Declared)
	case change.TypeChar, change.TypeVarchar, change.TypeText:
		k.text = newTextOrder(c.Charset, c.Collation)
		switch {
		case k.text == nil:
			o.uncanonical = fmt.Sprintf("column %s has the collation %s", c.Name, c.Collation)
			o.unordered = o.uncanonical
		case ambiguousCharset(c.Charset):
			o.ambiguous = fmt.Sprintf("column %s has the character set %s", c.Name, c.Charset)
			o.unordered = o.ambiguous
		case k.text.collation == nil:
			o.unordered = fmt.Sprintf("column %s has the collation %s", c.Name, c.Collation)
		case c.Type == change.TypeText:
			o.unordered = fmt.Sprintf("column %s is %s", c.Name, c.Declared)
		}
	default:
		o.uncanonical = fmt.Sprintf("column %s is %s", c.Name, c.Declared)
		o.unordered = o.uncanonical
	}
	if c.Nullable {
		o.unordered = fmt.Sprintf("column %s may be NULL", c.Name)
	}
	o.cols = append(o.cols, k)
}

// Ordered tells whether our order of the keys is the server's (rule S7).
func (o *KeyOrder) Ordered() bool { return o.unordered == "" }

// Canonical tells whether equal keys give equal bytes; else the table is one
// lane (rule D1).
func (o *KeyOrder) Canonical() bool { return o.uncanonical == "" }

// Unordered names what is in the way of Ordered, for people.
func (o *KeyOrder) Unordered() string { return o.unordered }

// Uncanonical names what is in the way of Canonical, for people.
func (o *KeyOrder) Uncanonical() string { return o.uncanonical }

// Ambiguous names, for people, a column whose character set has two codes for
// one character: two of its keys can be one text, and become one key here.
func (o *KeyOrder) Ambiguous() string { return o.ambiguous }

// Compare orders two keys as ORDER BY at the server does.
func (o *KeyOrder) Compare(a, b change.Row) int {
	for i := range o.cols {
		if c := o.cols[i].compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Append appends the key's canonical bytes: equal for keys the server holds
// equal, different otherwise. Each column is preceded by its length, so that
// no two keys run into each other.
func (o *KeyOrder) Append(dst []byte, key change.Row) []byte {
	for i := range o.cols {
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = o.cols[i].canonicalBytes(dst, key[i])
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst
}

func (k *keyColumn) compare(a, b change.Value) int {
	switch a.Kind() {
	case change.Null:
		if b.IsNull() {
			return 0
		}
		return -1
	case change.Int:
		return cmp.Compare(a.Int(), b.Int())
	case change.Uint:
		return cmp.Compare(a.Uint(), b.Uint())
	case change.Float32:
		return cmp.Compare(a.Float32(), b.Float32())
	case change.Float64:
		return cmp.Compare(a.Float64(), b.Float64())
	case change.Bytes:
		return strings.Compare(a.Str(), b.Str())
	}
	if b.IsNull() {
		return 1
	}
	switch {
	case k.typ == change.TypeDecimal || k.typ == change.TypeTime:
		return compareSigned(a.Str(), b.Str())
	case k.text != nil:
		return k.text.compare(a.Str(), b.Str())
	}
	return strings.Compare(a.Str(), b.Str())
}

// compareSigned orders texts of numbers with equally many digits behind the
// point or colon: DECIMALs of one scale, TIMEs of one precision.
func compareSigned(a, b string) int {
	an, bn := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	a, b = strings.TrimPrefix(a, "-"), strings.TrimPrefix(b, "-")
	c := cmp.Compare(len(a), len(b))
	if c == 0 {
		c = strings.Compare(a, b)
	}
	switch {
	case !an && !bn:
		return c
	case an && bn:
		return -c
	case isZeroText(a) && isZeroText(b):
		return 0
	case an:
		return -1
	}
	return 1
}

func isZeroText(s string) bool { return strings.Trim(s, "0.:") == "" }

func (k *keyColumn) canonicalBytes(dst []byte, v change.Value) []byte {
	switch v.Kind() {
	case change.Null:
		return append(dst, 0)
	case change.Int:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Int()))
	case change.Uint:
		return binary.BigEndian.AppendUint64(dst, v.Uint())
	case change.Float32:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(float64(v.Float32())+0)) // +0: -0 and 0 are one key
	case change.Float64:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Float64()+0))
	}
	if k.text == nil {
		return append(dst, v.Str()...)
	}
	return k.text.appendCanonical(dst, v.Str())
}
