// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/shared/change"
)

// between gives a key about num/den of the way from first to last, of which
// first must be the lesser: not below first, and below last. It is cut off behind
// the first column in which the two differ.
func (o *KeyOrder) between(first, last change.Row, num, den int64) change.Row {
	i := 0
	for i < len(o.cols)-1 && o.cols[i].compare(first[i], last[i]) == 0 {
		i++
	}
	k := &o.cols[i]
	v := k.between(first[i], last[i], num, den)
	if k.compare(v, first[i]) < 0 || k.compare(v, last[i]) >= 0 {
		v = first[i]
	}
	return append(slices.Clone(first[:i]), v)
}

// between gives a where it knows no better.
func (k *keyColumn) between(a, b change.Value, num, den int64) change.Value {
	switch a.Kind() {
	case change.Int:
		if k.typ == change.TypeYear && a.Int() == 0 { // the server knows no year between 0 and 1901
			return a
		}
		return change.NewInt(part(big.NewInt(a.Int()), big.NewInt(b.Int()), num, den).Int64())
	case change.Uint:
		return change.NewUint(part(new(big.Int).SetUint64(a.Uint()), new(big.Int).SetUint64(b.Uint()), num, den).Uint64())
	case change.Bytes:
		return change.NewBytes(string(spell([]byte(a.Str()), []byte(b.Str()), byteOrder{}, num, den)))
	default:
	}
	switch k.typ {
	case change.TypeDecimal:
		return betweenDecimals(a, b, num, den)
	case change.TypeDate, change.TypeDateTime, change.TypeTimestamp:
		return betweenMoments(a, b, num, den)
	case change.TypeTime:
		return betweenTimes(a, b, num, den)
	}
	if k.text != nil {
		return change.NewText(string(spell([]rune(a.Str()), []rune(b.Str()), newLetters(k.text, a.Str()+b.Str()), num, den)))
	}
	return a
}

// part is a + (b-a)*num/den.
func part(a, b *big.Int, num, den int64) *big.Int {
	d := new(big.Int).Sub(b, a)
	d.Mul(d, big.NewInt(num))
	return d.Add(a, d.Quo(d, big.NewInt(den)))
}

func betweenDecimals(a, b change.Value, num, den int64) change.Value {
	_, fraction, _ := strings.Cut(a.Str(), ".")
	x, ok := new(big.Int).SetString(strings.ReplaceAll(a.Str(), ".", ""), 10)
	y, also := new(big.Int).SetString(strings.ReplaceAll(b.Str(), ".", ""), 10)
	if !ok || !also {
		return a
	}
	n := part(x, y, num, den)
	sign, digits := "", fmt.Sprintf("%0*s", len(fraction)+1, new(big.Int).Abs(n))
	if n.Sign() < 0 {
		sign = "-"
	}
	point := len(digits) - len(fraction)
	if fraction == "" {
		return change.NewText(sign + digits)
	}
	return change.NewText(sign + digits[:point] + "." + digits[point:])
}

// betweenMoments knows no months without days: zero dates, which come first where
// there are any, are cut off by value.
func betweenMoments(a, b change.Value, num, den int64) change.Value {
	x, ok := moment(a.Str())
	y, also := moment(b.Str())
	if !ok || !also {
		return a
	}
	micros := part(big.NewInt(x.UnixMicro()), big.NewInt(y.UnixMicro()), num, den).Int64()
	return change.NewText(time.UnixMicro(micros).UTC().Format(time.DateTime + ".000000")[:len(a.Str())])
}

// moment takes 31 February for the 28th.
func moment(text string) (time.Time, bool) {
	layout := time.DateTime
	if len(text) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	t, err := time.Parse(layout, text)
	if err != nil && text[8:10] > "28" {
		t, err = time.Parse(layout, text[:8]+"28"+text[10:])
	}
	return t, err == nil
}

// betweenTimes counts in the column's own fraction of a second.
func betweenTimes(a, b change.Value, num, den int64) change.Value {
	_, fraction, point := strings.Cut(a.Str(), ".")
	unit := int64(math.Pow10(len(fraction)))
	ticks := func(v change.Value) int64 {
		text, negative := strings.CutPrefix(v.Str(), "-")
		var h, m, s, f int64
		if n, _ := fmt.Sscanf(text, "%d:%d:%d.%d", &h, &m, &s, &f); n < 3 {
			return 0
		}
		n := ((h*60+m)*60+s)*unit + f
		if negative {
			return -n
		}
		return n
	}
	n := part(big.NewInt(ticks(a)), big.NewInt(ticks(b)), num, den).Int64()
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	s := n / unit
	text := fmt.Sprintf("%s%02d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	if point {
		text += fmt.Sprintf(".%0*d", len(fraction), n%unit)
	}
	return change.NewText(text)
}

// An alphabet numbers symbols from 1 on, in their order.
type alphabet[S byte | rune] interface {
	size() int64
	number(S) int64
	symbol(int64) S
	equal(a, b S) bool
}

// depth is how many symbols behind those that two words share are looked at.
const depth = 8

// spell gives a word num/den of the way from a to b, as numbers whose digits are
// the symbols; 0 stands behind a word's end.
func spell[S byte | rune](a, b []S, of alphabet[S], num, den int64) []S {
	shared := 0
	for shared < min(len(a), len(b)) && of.equal(a[shared], b[shared]) {
		shared++
	}
	base := big.NewInt(of.size() + 1)
	value := func(word []S) *big.Int {
		n := new(big.Int)
		for i := range depth {
			n.Mul(n, base)
			if i < len(word) {
				n.Add(n, big.NewInt(of.number(word[i])))
			}
		}
		return n
	}
	n := part(value(a[shared:]), value(b[shared:]), num, den)
	var digits [depth]int64
	for i := depth - 1; i >= 0; i-- {
		digit := new(big.Int)
		n.QuoRem(n, base, digit)
		digits[i] = digit.Int64()
	}
	word := slices.Clone(a[:shared])
	for _, d := range digits {
		if d == 0 {
			break
		}
		word = append(word, of.symbol(d))
	}
	return word
}

// byteOrder is the alphabet of all bytes.
type byteOrder struct{}

func (byteOrder) size() int64          { return 256 }
func (byteOrder) number(b byte) int64  { return int64(b) + 1 }
func (byteOrder) symbol(n int64) byte  { return byte(n - 1) }
func (byteOrder) equal(a, b byte) bool { return a == b }

// letters is the alphabet of a collation: what is known in its order, and behind
// that what is beyond ASCII by code point. Not every collation has it so: then a
// cut falls elsewhere, or at the very first word.
type letters struct {
	order *textOrder
	known []rune
	more  int64 // letters beyond those known
}

func newLetters(o *textOrder, words string) letters {
	l := letters{order: o}
	for r := ' '; r < utf8.RuneSelf-1; r++ {
		l.known = append(l.known, r)
	}
	if strings.ContainsFunc(words, func(r rune) bool { return r >= utf8.RuneSelf }) {
		switch o.charset {
		case "utf8mb4", "utf16", "utf16le", "utf32":
			l.more = utf8.MaxRune - utf8.RuneSelf + 1
		case "utf8mb3", "ucs2":
			l.more = math.MaxUint16 - utf8.RuneSelf + 1
		default: // the server refuses what the charset lacks
			l.known = append(l.known, []rune(words)...)
		}
	}
	slices.SortStableFunc(l.known, l.compare)
	l.known = slices.CompactFunc(l.known, l.equal)
	return l
}

func (l letters) compare(a, b rune) int { return l.order.compare(string(a), string(b)) }
func (l letters) equal(a, b rune) bool  { return a == b || l.compare(a, b) == 0 }
func (l letters) size() int64           { return int64(len(l.known)) + l.more }

func (l letters) number(r rune) int64 {
	i, found := slices.BinarySearchFunc(l.known, r, l.compare)
	n := int64(i) + 1
	if !found && i == len(l.known) {
		n += int64(r) - utf8.RuneSelf
	}
	return min(n, l.size())
}

func (l letters) symbol(n int64) rune {
	if n <= int64(len(l.known)) {
		return l.known[n-1]
	}
	return rune(n - int64(len(l.known)) - 1 + utf8.RuneSelf)
}
