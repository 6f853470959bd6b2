// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/charset"
	"vitess.io/vitess/go/mysql/collations/colldata"

	"slipway/shared/change"
)

// KeyOrder compares and canonicalises the keys of one table as its server
// does. Keys are Rows in the order of Table.Key. It is safe for concurrent
// use.
type KeyOrder struct {
	cols []keyColumn
	// ordered: every column has an order we can reproduce (rule S7);
	// canonical: equal keys give equal bytes (rule D1).
	ordered, canonical bool
}

type keyColumn struct {
	typ       change.Type
	collation colldata.Collation // nil for columns without one
	utf8      bool               // the collation works on UTF-8 as it is
	space     []byte             // PAD SPACE: the weight of a space; nil for NO PAD
	ordered   bool
	canonical bool
}

// NewKeyOrder looks at the key of t. A keyless table is neither ordered nor
// canonical.
func NewKeyOrder(t *change.Table, key []int) *KeyOrder {
	o := &KeyOrder{ordered: len(key) > 0, canonical: len(key) > 0}
	env := collations.MySQL8()
	for _, i := range key {
		k := newKeyColumn(env, &t.Columns[i])
		o.ordered = o.ordered && k.ordered && !t.Columns[i].Nullable
		o.canonical = o.canonical && k.canonical
		o.cols = append(o.cols, k)
	}
	return o
}

func newKeyColumn(env *collations.Environment, c *change.Column) keyColumn {
	k := keyColumn{typ: c.Type}
	switch c.Type {
	case change.TypeTinyInt, change.TypeSmallInt, change.TypeMediumInt, change.TypeInt, change.TypeBigInt, change.TypeYear, change.TypeBit,
		change.TypeDecimal, change.TypeDate, change.TypeTime, change.TypeDateTime, change.TypeTimestamp, change.TypeBinary, change.TypeVarbinary:
		k.ordered, k.canonical = true, true
	case change.TypeFloat, change.TypeDouble, change.TypeEnum, change.TypeSet:
		k.canonical = true
	case change.TypeChar, change.TypeVarchar:
		id := env.LookupByName(utf8Collation(c.Collation))
		if id == collations.Unknown {
			return k
		}
		if k.collation = colldata.Lookup(id); k.collation == nil {
			return k
		}
		cs := k.collation.Charset()
		k.utf8 = cs.Name() == "utf8mb4" || cs.Name() == "utf8mb3"
		if !strings.Contains(c.Collation, "_0900_") {
			k.space = k.collation.WeightString(nil, k.encode(" "), 0)
		}
		k.ordered, k.canonical = true, true
	}
	return k
}

// utf8Collation names the twin of a collation of UTF-16 and its like: they
// weigh characters, however those are encoded. (vitess takes U+FFFD in UTF-16
// for the end of the text.)
func utf8Collation(name string) string {
	for _, charset := range []string{"utf16le", "utf16", "utf32", "ucs2"} {
		if rest, ok := strings.CutPrefix(name, charset+"_"); ok {
			return "utf8mb4_" + rest
		}
	}
	return name
}

// Ordered tells whether chunks may be cut along the key (rule S7).
func (o *KeyOrder) Ordered() bool { return o.ordered }

// Canonical tells whether equal keys give equal bytes; else the table is one
// lane (rule D1).
func (o *KeyOrder) Canonical() bool { return o.canonical }

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
	case k.collation != nil:
		return k.collate(a.Str(), b.Str())
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

// collate compares two texts. PAD SPACE collations take the shorter one as
// filled with spaces.
func (k *keyColumn) collate(a, b string) int {
	if a == b {
		return 0
	}
	if k.space == nil {
		return k.collation.Collate(k.encode(a), k.encode(b), false)
	}
	x, y := k.collation.WeightString(nil, k.encode(a), 0), k.collation.WeightString(nil, k.encode(b), 0)
	n := min(len(x), len(y))
	if c := bytes.Compare(x[:n], y[:n]); c != 0 {
		return c
	}
	return k.besideSpaces(x[n:]) - k.besideSpaces(y[n:])
}

// besideSpaces compares weights with those of as many spaces.
func (k *keyColumn) besideSpaces(weights []byte) int {
	for ; len(weights) >= len(k.space); weights = weights[len(k.space):] {
		if c := bytes.Compare(weights[:len(k.space)], k.space); c != 0 {
			return c
		}
	}
	return 0
}

// encode gives the text in the collation's own charset.
func (k *keyColumn) encode(s string) []byte {
	if k.utf8 {
		return []byte(s)
	}
	b, err := charset.Convert(nil, k.collation.Charset(), []byte(s), charset.Charset_utf8mb4{})
	if err != nil {
		return []byte(s) // can't happen: the text was decoded from that charset
	}
	return b
}

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
	s := v.Str()
	if k.collation == nil {
		return append(dst, s...)
	}
	at := len(dst)
	dst = k.collation.WeightString(dst, k.encode(s), 0)
	if k.space != nil {
		// Of weights, not of the text: a character without weight may stand behind.
		for bytes.HasSuffix(dst[at:], k.space) {
			dst = dst[:len(dst)-len(k.space)]
		}
	}
	return dst
}
