// SPDX-License-Identifier: Apache-2.0

package task

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Pattern selects tables by database and table name: db.table, where * stands
// for any run of characters and ? for exactly one. A name in backticks is taken
// as it is, wildcards included, a doubled backtick being one; names that hold a
// dot, a space, a backtick or a wildcard character need them. The zero Pattern
// matches nothing.
type Pattern struct {
	db, table glob
}

// glob is one name with wildcards: characters, and star or any in their place.
// Runs of wildcards are normalised to ??…*, so that equal languages are equal
// globs and covers is exact for them.
type glob []rune

const (
	star rune = -1
	any1 rune = -2
)

// maxName is MySQL's limit for the characters of a database or table name.
const maxName = 64

// patternForm is looser than ParsePattern: two names with a dot between them.
var patternForm = regexp.MustCompile("^(`([^`]|``)+`|[^`.]+)\\.(`([^`]|``)+`|[^`.]+)$")

// ParsePattern reads db.table. Its error says what was expected.
func ParsePattern(text string) (Pattern, error) {
	db, rest, err := parseName(text)
	if err != nil {
		return Pattern{}, err
	}
	rest, ok := strings.CutPrefix(rest, ".")
	if !ok {
		return Pattern{}, errors.New(`expected database.table, such as shop.orders or "shop.*"`)
	}
	table, rest, err := parseName(rest)
	if err != nil {
		return Pattern{}, err
	}
	if rest != "" {
		return Pattern{}, errors.New("expected one dot, between database and table; quote a name that holds a dot with backticks")
	}
	return Pattern{db, table}, nil
}

// parseName reads one name up to the dot that ends it.
func parseName(text string) (name glob, rest string, err error) {
	if strings.HasPrefix(text, "`") {
		name, rest, err = parseQuoted(text[1:])
	} else {
		name, rest, err = parseBare(text)
	}
	switch {
	case err != nil:
		return nil, "", err
	case len(name) == 0:
		return nil, "", errors.New(`expected database.table, such as shop.orders or "shop.*"`)
	case name.minLength() > maxName:
		return nil, "", errors.New("expected names of at most 64 characters, as MySQL's are")
	}
	return name, rest, nil
}

func parseQuoted(text string) (glob, string, error) {
	var name glob
	for {
		part, rest, ok := strings.Cut(text, "`")
		if !ok {
			return nil, "", errors.New("expected a closing backtick")
		}
		name = append(name, []rune(part)...)
		if !strings.HasPrefix(rest, "`") {
			return name, rest, nil
		}
		name, text = append(name, '`'), rest[1:]
	}
}

func parseBare(text string) (glob, string, error) {
	bare, rest := text, ""
	if i := strings.IndexByte(text, '.'); i >= 0 {
		bare, rest = text[:i], text[i:]
	}
	var name glob
	for _, r := range bare {
		switch {
		case r == '*':
			name = append(name, star)
		case r == '?':
			name = append(name, any1)
		case r == '`' || unicode.IsSpace(r):
			return nil, "", errors.New("expected a name with a space or backtick to stand in backticks, such as shop.`old orders`")
		default:
			name = append(name, r)
		}
	}
	return name.normalise(), rest, nil
}

// normalise rewrites each run of wildcards as its ? first, then one *.
func (g glob) normalise() glob {
	var out glob
	starred := false
	for _, r := range g {
		switch {
		case r == star:
			starred = true
			continue
		case r != any1 && starred:
			out, starred = append(out, star), false
		}
		out = append(out, r)
	}
	if starred {
		out = append(out, star)
	}
	return out
}

// minLength is the length of the shortest name that matches.
func (g glob) minLength() int {
	n := 0
	for _, r := range g {
		if r != star {
			n++
		}
	}
	return n
}

func (g glob) wild() bool { return slices.Contains(g, star) || slices.Contains(g, any1) }

// covers reports whether g matches whatever other matches. A plain name is a
// glob too, so this is also how a name is matched. True is certain; between two
// globs that both hold wildcards false may be wrong.
func (g glob) covers(other glob, fold bool) bool {
	gi, oi := 0, 0
	backG, backO := -1, 0 // where to go on when the last star must take one more
	for oi < len(other) {
		switch {
		case gi < len(g) && g[gi] == star:
			backG, backO = gi, oi
			gi++
		case gi < len(g) && (g[gi] == any1 && other[oi] != star || same(g[gi], other[oi], fold)):
			gi++
			oi++
		case backG >= 0:
			backO++
			gi, oi = backG+1, backO
		default:
			return false
		}
	}
	for gi < len(g) && g[gi] == star {
		gi++
	}
	return gi == len(g)
}

// meets reports whether some name matches both globs, case aside: it is used
// before the server's rule for case is known, where yes is the safe answer.
func (g glob) meets(other glob) bool {
	// reach[j] says whether g[i:] and other[j:] can match one name.
	reach := make([]bool, len(other)+1)
	for i := len(g); i >= 0; i-- {
		next := slices.Clone(reach)
		for j := len(other); j >= 0; j-- {
			switch {
			case i == len(g) && j == len(other):
				reach[j] = true
			case i < len(g) && g[i] == star:
				reach[j] = next[j] || j < len(other) && reach[j+1]
			case j < len(other) && other[j] == star:
				reach[j] = reach[j+1] || i < len(g) && next[j]
			case i < len(g) && j < len(other):
				reach[j] = (g[i] == any1 || other[j] == any1 || same(g[i], other[j], true)) && next[j+1]
			default:
				reach[j] = false
			}
		}
	}
	return reach[0]
}

func same(a, b rune, fold bool) bool {
	return a == b || fold && a >= 0 && b >= 0 && unicode.ToLower(a) == unicode.ToLower(b)
}

// Wild reports whether the pattern holds a wildcard; without one it names a
// single table.
func (p Pattern) Wild() bool { return p.db.wild() || p.table.wild() }

// IsZero reports whether p is the zero Pattern.
func (p Pattern) IsZero() bool { return len(p.db) == 0 && len(p.table) == 0 }

// Equal reports whether both select the same names by the same wildcards.
func (p Pattern) Equal(other Pattern) bool {
	return slices.Equal(p.db, other.db) && slices.Equal(p.table, other.table)
}

// Matches reports whether the pattern selects the table, comparing with case.
// It knows nothing of system schemas; Task.Select does.
func (p Pattern) Matches(db, table string) bool { return p.matches(db, table, false) }

func (p Pattern) matches(db, table string, fold bool) bool {
	return !p.IsZero() && p.db.covers(glob(db), fold) && p.table.covers(glob(table), fold)
}

func (p Pattern) matchesDatabase(db string, fold bool) bool {
	return !p.IsZero() && p.db.covers(glob(db), fold)
}

func (p Pattern) covers(other Pattern) bool {
	return p.db.covers(other.db, false) && p.table.covers(other.table, false)
}

func (p Pattern) meets(other Pattern) bool {
	return p.db.meets(other.db) && p.table.meets(other.table)
}

// UnmarshalText is ParsePattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	parsed, err := ParsePattern(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// MarshalText is String.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String is the canonical text of the pattern, with backticks only where they
// are needed; ParsePattern reads it back.
func (p Pattern) String() string {
	if p.IsZero() {
		return ""
	}
	return p.db.String() + "." + p.table.String()
}

// String writes one name.
func (g glob) String() string {
	var bare, quoted strings.Builder
	needsQuotes := false
	for _, r := range g {
		switch r {
		case star:
			bare.WriteByte('*')
		case any1:
			bare.WriteByte('?')
		default:
			bare.WriteRune(r)
			needsQuotes = needsQuotes || strings.ContainsRune("*?.`", r) || unicode.IsSpace(r)
		}
	}
	if !needsQuotes {
		return bare.String()
	}
	quoted.WriteByte('`')
	quoted.WriteString(strings.ReplaceAll(bare.String(), "`", "``"))
	quoted.WriteByte('`')
	return quoted.String()
}
