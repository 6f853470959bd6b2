// SPDX-License-Identifier: Apache-2.0

package change

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Kind is how a Value is stored; the column's Type says what it means.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	// Int: signed integers, YEAR.
	Int
	// Uint: unsigned integers, BIT, ENUM (1-based index, 0 the error value), SET (bitmask).
	Uint
	// Float32 and Float64: FLOAT and DOUBLE, exact bits.
	Float32
	Float64
	// Text: UTF-8 text, and all that has a canonical text: DECIMAL ("1.00", scale
	// kept), DATE ("2024-01-31"), TIME ("-12:00:00.000"), DATETIME and TIMESTAMP
	// ("2024-01-31 12:00:00.123", exactly the column's fractional digits;
	// TIMESTAMP in UTC), JSON (as a SELECT prints it).
	Text
	// Bytes: BINARY (padded to its length), VARBINARY, BLOBs, GEOMETRY (SRID and
	// WKB), VECTOR.
	Bytes
)

// Value is one column's value. The zero Value is NULL. Values are comparable
// with ==, except that NaN (which MySQL has not) never arises.
type Value struct {
	s    string
	n    uint64
	kind Kind
}

// Constructors, one per kind.

// NewInt returns a signed integer.
func NewInt(n int64) Value { return Value{kind: Int, n: uint64(n)} }

// NewUint returns an unsigned integer, bit field, enum index or set mask.
func NewUint(n uint64) Value { return Value{kind: Uint, n: n} }

// NewFloat32 returns a FLOAT.
func NewFloat32(f float32) Value { return Value{kind: Float32, n: uint64(math.Float32bits(f))} }

// NewFloat64 returns a DOUBLE.
func NewFloat64(f float64) Value { return Value{kind: Float64, n: math.Float64bits(f)} }

// NewText returns a text or canonical text.
func NewText(s string) Value { return Value{kind: Text, s: s} }

// NewBytes returns raw bytes, kept in a string because values never change.
func NewBytes(s string) Value { return Value{kind: Bytes, s: s} }

// Kind tells how the value is stored.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether the value is SQL NULL.
func (v Value) IsNull() bool { return v.kind == Null }

// Int returns the number of an Int.
func (v Value) Int() int64 { return int64(v.n) }

// Uint returns the number of a Uint.
func (v Value) Uint() uint64 { return v.n }

// Float32 returns the number of a Float32.
func (v Value) Float32() float32 { return math.Float32frombits(uint32(v.n)) }

// Float64 returns the number of a Float64.
func (v Value) Float64() float64 { return math.Float64frombits(v.n) }

// Str returns the text of a Text or the bytes of a Bytes, "" for other kinds.
func (v Value) Str() string { return v.s }

// String renders the value for people: logs and error messages, not formats.
func (v Value) String() string {
	switch v.kind {
	case Null:
		return "NULL"
	case Int:
		return strconv.FormatInt(v.Int(), 10)
	case Uint:
		return strconv.FormatUint(v.n, 10)
	case Float32:
		return strconv.FormatFloat(float64(v.Float32()), 'g', -1, 32)
	case Float64:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case Text:
		return strconv.Quote(v.s)
	case Bytes:
		return fmt.Sprintf("0x%x", v.s)
	}
	return "?"
}

// jsonValue is a Value in a state object: one member, named by kind; NULL is
// null. Floats are their bits, bytes are base64.
type jsonValue struct {
	Int     *int64  `json:"i,omitempty"`
	Uint    *uint64 `json:"u,omitempty"`
	Float32 *uint32 `json:"f,omitempty"`
	Float64 *uint64 `json:"d,omitempty"`
	Text    *string `json:"t,omitempty"`
	Bytes   *[]byte `json:"b,omitempty"`
}

// MarshalJSON writes the value as state objects hold it.
func (v Value) MarshalJSON() ([]byte, error) {
	var j jsonValue
	switch v.kind {
	case Null:
		return []byte("null"), nil
	case Int:
		n := v.Int()
		j.Int = &n
	case Uint:
		j.Uint = &v.n
	case Float32:
		n := uint32(v.n)
		j.Float32 = &n
	case Float64:
		j.Float64 = &v.n
	case Text:
		j.Text = &v.s
	case Bytes:
		b := []byte(v.s)
		j.Bytes = &b
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(b []byte) error {
	*v = Value{}
	if string(b) == "null" {
		return nil
	}
	var j jsonValue
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	switch {
	case j.Int != nil:
		*v = NewInt(*j.Int)
	case j.Uint != nil:
		*v = NewUint(*j.Uint)
	case j.Float32 != nil:
		*v = Value{kind: Float32, n: uint64(*j.Float32)}
	case j.Float64 != nil:
		*v = Value{kind: Float64, n: *j.Float64}
	case j.Text != nil:
		*v = NewText(*j.Text)
	case j.Bytes != nil:
		*v = NewBytes(string(*j.Bytes))
	default:
		return fmt.Errorf("value %s: expected one of i, u, f, d, t, b", b)
	}
	return nil
}
