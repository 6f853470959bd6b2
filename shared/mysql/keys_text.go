// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/charset"
	"vitess.io/vitess/go/mysql/collations/colldata"
)

// textOrder compares and canonicalises the texts of one collation.
type textOrder struct {
	charset string
	// collation is nil where only equality is known: then two texts are equal
	// when they are the same, folded and without trailing spaces.
	collation colldata.Collation
	fold      *strings.Replacer // nil folds nothing
	utf8      bool              // the collation works on UTF-8 as it is
	space     []byte            // PAD SPACE: the weight of a space; nil for NO PAD
	noFFFF    bool              // the library takes U+FFFF for a character without weight
}

// newTextOrder gives nil for a collation whose equality we don't know.
func newTextOrder(charsetName, name string) *textOrder {
	env := collations.MySQL8()
	o := &textOrder{charset: charsetName}
	if id := env.LookupByName(utf8Collation(name)); id != collations.Unknown {
		o.collation = colldata.Lookup(id)
	}
	if o.collation == nil {
		return equalityOnly(charsetName, name)
	}
	cs := o.collation.Charset().Name()
	o.utf8 = cs == "utf8mb4" || cs == "utf8mb3"
	if !strings.Contains(name, "_0900_") {
		o.space = o.collation.WeightString(nil, o.encode(" "), 0)
	}
	o.noFFFF = o.utf8 && len(o.collation.WeightString(nil, []byte(notACharacter), 0)) == 0
	return o
}

// utf8Collation names the twin of a collation of UTF-16 and its like: they
// weigh characters, however those are encoded. (vitess takes U+FFFD in UTF-16
// for the end of the text, and knows GB 18030 of 2005 only.)
func utf8Collation(name string) string {
	if name == "gb18030_unicode_520_ci" {
		return "utf8mb4_unicode_520_ci"
	}
	for _, charset := range []string{"utf16le", "utf16", "utf32", "ucs2"} {
		if rest, ok := strings.CutPrefix(name, charset+"_"); ok {
			return "utf8mb4_" + rest
		}
	}
	return name
}

// equalityOnly knows collations that the library lacks, as far as what they
// hold equal is plain: the binary ones, and the one that only folds ASCII (and
// a tilde to a Y, which is the server's own slip).
func equalityOnly(charsetName, name string) *textOrder {
	switch name {
	case charsetName + "_bin":
		return &textOrder{}
	case "gbk_chinese_ci":
		pairs := []string{"~", "Y"}
		for c := 'a'; c <= 'z'; c++ {
			pairs = append(pairs, string(c), string(c-'a'+'A'))
		}
		return &textOrder{fold: strings.NewReplacer(pairs...)}
	}
	return nil
}

// ambiguousCharset tells whether the server converts two codes of the charset
// to one character, so that two keys can become one.
func ambiguousCharset(name string) bool {
	switch name {
	case "armscii8", "cp932", "eucjpms", "sjis", "ujis":
		return true
	}
	return false
}

// compare orders two texts. PAD SPACE collations take the shorter one as
// filled with spaces.
func (o *textOrder) compare(a, b string) int {
	if a == b {
		return 0
	}
	if o.collation == nil {
		return strings.Compare(o.folded(a), o.folded(b))
	}
	if o.space == nil {
		return o.collation.Collate(o.encode(a), o.encode(b), false)
	}
	x, y := o.weigh(nil, a), o.weigh(nil, b)
	n := min(len(x), len(y))
	if c := bytes.Compare(x[:n], y[:n]); c != 0 {
		return c
	}
	return o.besideSpaces(x[n:]) - o.besideSpaces(y[n:])
}

// besideSpaces compares weights with those of as many spaces.
func (o *textOrder) besideSpaces(weights []byte) int {
	for ; len(weights) >= len(o.space); weights = weights[len(o.space):] {
		if c := bytes.Compare(weights[:len(o.space)], o.space); c != 0 {
			return c
		}
	}
	return 0
}

// appendCanonical appends bytes that are equal for texts the server holds
// equal, and only for those.
func (o *textOrder) appendCanonical(dst []byte, s string) []byte {
	if o.collation == nil {
		return append(dst, o.folded(s)...)
	}
	at := len(dst)
	dst = o.weigh(dst, s)
	if o.space != nil {
		// Of weights, not of the text: a character without weight may stand behind.
		for bytes.HasSuffix(dst[at:], o.space) {
			dst = dst[:len(dst)-len(o.space)]
		}
	}
	return dst
}

func (o *textOrder) folded(s string) string {
	if o.fold != nil {
		s = o.fold.Replace(s)
	}
	return strings.TrimRight(s, " ")
}

const (
	notACharacter = "\uffff"
	weightOfFFFF  = "\xfb\xc1\xff\xff" // in UCA 4.0.0, as the server has it
)

// weigh appends the text's weights.
func (o *textOrder) weigh(dst []byte, s string) []byte {
	for o.noFFFF {
		before, after, found := strings.Cut(s, notACharacter)
		if !found {
			break
		}
		dst = append(o.collation.WeightString(dst, []byte(before), 0), weightOfFFFF...)
		s = after
	}
	return o.collation.WeightString(dst, o.encode(s), 0)
}

// encode gives the text in the collation's own charset.
func (o *textOrder) encode(s string) []byte {
	if o.utf8 {
		return []byte(s)
	}
	b, err := charset.Convert(nil, o.collation.Charset(), []byte(s), charset.Charset_utf8mb4{})
	if err != nil {
		return []byte(s) // can't happen: the text was decoded from that charset
	}
	return b
}
