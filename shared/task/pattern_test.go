// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/task"
)

func pattern(t testing.TB, text string) task.Pattern {
	t.Helper()
	p, err := task.ParsePattern(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, db, table string
		want               bool
	}{
		{"shop.orders", "shop", "orders", true},
		{"shop.orders", "shop", "Orders", false},
		{"shop.orders", "shop", "orders2", false},
		{"shop.*", "shop", "a.b", true},
		{"shop.*", "shop2", "a", false},
		{"shop.tmp_*", "shop", "tmp_", true},
		{"shop.tmp_*", "shop", "tmpx", false},
		{"shop_??.*", "shop_01", "x", true},
		{"shop_??.*", "shop_1", "x", false},
		{"shop.?", "shop", "ü", true},
		{"*.*", "a", "b", true},
		{"shop.*a*b*", "shop", "xaxbxabx", true},
		{"shop.*a*b", "shop", "abba", false},
		{"`a.b`.`c d`", "a.b", "c d", true},
		{"`a``b`.c", "a`b", "c", true},
		{"shop.`*`", "shop", "*", true},
		{"shop.`*`", "shop", "x", false},
		{"shop.`o?`", "shop", "ox", false},
		{"a$b-c.ü", "a$b-c", "ü", true},
	} {
		if got := pattern(t, c.pattern).Matches(c.db, c.table); got != c.want {
			t.Errorf("%s on %s.%s: %v", c.pattern, c.db, c.table, got)
		}
	}
	if (task.Pattern{}).Matches("", "") {
		t.Error("the zero pattern matches")
	}
}

func TestPatternRefusals(t *testing.T) {
	long := strings.Repeat("x", 65)
	for _, text := range []string{"", ".", "a", "a.", ".a", "a.b.c", "a..b", "``.a", "a.``", "`a`b.c", "a`b.c", "a b.c", "`a.b", "a.b ", long + ".a", "a." + long} {
		if p, err := task.ParsePattern(text); err == nil {
			t.Errorf("%q is taken as %s", text, p)
		}
	}
	pattern(t, long[:64]+".*"+long[:64])
}

// piece is a generator of names and globs over few characters, so that random
// ones meet often.
func piece(alphabet ...rune) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom(alphabet), 1, 8, -1)
}

// naive is wildcard matching by its definition.
func naive(glob, name []rune) bool {
	switch {
	case len(glob) == 0:
		return len(name) == 0
	case glob[0] == '*':
		return naive(glob[1:], name) || len(name) > 0 && naive(glob, name[1:])
	case len(name) == 0:
		return false
	}
	return (glob[0] == '?' || glob[0] == name[0]) && naive(glob[1:], name[1:])
}

func TestPatternAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		glob := piece('a', 'b', 'é', '*', '?').Draw(t, "glob")
		name := piece('a', 'b', 'é').Draw(t, "name")
		p, err := task.ParsePattern("d." + glob)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.Matches("d", name), naive([]rune(glob), []rune(name)); got != want {
			t.Fatalf("%s on %s: %v, by definition %v", glob, name, got, want)
		}
		flipped, err := task.ParsePattern(glob + ".t")
		if err != nil {
			t.Fatal(err)
		}
		if flipped.Matches(name, "t") != p.Matches("d", name) {
			t.Fatalf("%s means another thing for a database", glob)
		}
	})
}

// Covers is never wrong when true, and exact when the inner one is a name or
// equal; Meets is exact: both against every name of up to five characters.
func TestPatternRelationsAgainstAllShortNames(t *testing.T) {
	names := []string{""}
	for from := 0; len(names[from]) < 5; from++ {
		for _, c := range "abc" {
			names = append(names, names[from]+string(c))
		}
	}
	names = names[1:]
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 1, 4, -1)
		one, err1 := task.ParsePattern("d." + short.Draw(t, "one"))
		two, err2 := task.ParsePattern("d." + short.Draw(t, "two"))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		meets, covers := false, true
		for _, name := range names {
			inOne, inTwo := one.Matches("d", name), two.Matches("d", name)
			meets = meets || inOne && inTwo
			covers = covers && (inOne || !inTwo)
		}
		if one.Covers(two) && !covers {
			t.Fatalf("%s doesn't cover %s", one, two)
		}
		if covers && !two.Wild() && !one.Covers(two) {
			t.Fatalf("%s covers the name %s", one, two)
		}
		if one.Equal(two) && !one.Covers(two) {
			t.Fatalf("%s covers itself", one)
		}
		// A name both match has at most the characters of the two together, and
		// names of up to five don't show them all: only claims made are checked.
		if meets && !one.Meets(two) {
			t.Fatalf("%s and %s meet", one, two)
		}
		if !meets && one.Meets(two) && len(one.String())+len(two.String())-4 <= 5 {
			t.Fatalf("%s and %s don't meet", one, two)
		}
		if one.Meets(two) != two.Meets(one) {
			t.Fatalf("%s and %s: meeting isn't mutual", one, two)
		}
	})
}

func TestPatternTextRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(
			piece('a', '*', '?', '$', 'é'),
			rapid.Map(piece('a', '.', ' ', '`', '*', '?'), func(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }),
		)
		text := name.Draw(t, "db") + "." + name.Draw(t, "table")
		p, err := task.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := task.ParsePattern(p.String())
		if err != nil || !again.Equal(p) || again.String() != p.String() {
			t.Fatalf("%q renders as %q, which reads as %q (%v)", text, p, again, err)
		}
	})
}
