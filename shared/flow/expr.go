// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expr is a compiled expression. It is immutable and safe for concurrent use.
type expr interface {
	eval(vars) (any, error)
}

// vars is what an expression may look at. JSON values only: nil, bool, float64, string, []any, map[string]any.
type vars struct {
	input, output any
	context       map[string]any
}

// where says which variables the place of an expression offers, so that a misplaced one is refused at load.
type where struct{ output, failure bool }

type lexer struct {
	src   string
	pos   int
	place where
}

// compile parses a whole expression; place limits what it may refer to.
func compile(src string, place where) (expr, error) {
	l := &lexer{src: src, place: place}
	e, err := l.or(0)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", src, err)
	}
	l.space()
	if l.pos < len(src) {
		return nil, fmt.Errorf("expression %q: unexpected %q at column %d", src, src[l.pos:], l.pos+1)
	}
	return e, nil
}

func (l *lexer) space() {
	for l.pos < len(l.src) && (l.src[l.pos] == ' ' || l.src[l.pos] == '\t' || l.src[l.pos] == '\n') {
		l.pos++
	}
}

// take consumes the token if it is next.
func (l *lexer) take(token string) bool {
	l.space()
	if !strings.HasPrefix(l.src[l.pos:], token) {
		return false
	}
	l.pos += len(token)
	return true
}

func (l *lexer) or(depth int) (expr, error) { return l.chain(depth, "||", (*lexer).and) }

func (l *lexer) and(depth int) (expr, error) { return l.chain(depth, "&&", (*lexer).comparison) }

func (l *lexer) chain(depth int, op string, operand func(*lexer, int) (expr, error)) (expr, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	left, err := operand(l, depth)
	if err != nil {
		return nil, err
	}
	for l.take(op) {
		right, err := operand(l, depth)
		if err != nil {
			return nil, err
		}
		left = logical{op: op, left: left, right: right}
	}
	return left, nil
}

func (l *lexer) comparison(depth int) (expr, error) {
	left, err := l.operand(depth)
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if l.take(op) {
			right, err := l.operand(depth)
			if err != nil {
				return nil, err
			}
			return comparison{op: op, left: left, right: right}, nil
		}
	}
	return left, nil
}

func (l *lexer) operand(depth int) (expr, error) {
	l.space()
	if l.pos >= len(l.src) {
		return nil, fmt.Errorf("it ends where a value is expected")
	}
	switch c := l.src[l.pos]; {
	case c == '(':
		l.pos++
		return closing(l, ")", func() (expr, error) { return l.or(depth + 1) })
	case c == '$':
		return l.reference()
	case c == '"':
		return l.text()
	case c == '[':
		l.pos++
		args, err := l.list("]", depth+1)
		return array(args), err
	case c == '-' || c >= '0' && c <= '9':
		return l.number()
	}
	return l.word(depth)
}

func closing(l *lexer, token string, inner func() (expr, error)) (expr, error) {
	e, err := inner()
	if err != nil {
		return nil, err
	}
	if !l.take(token) {
		return nil, fmt.Errorf("missing %q at column %d", token, l.pos+1)
	}
	return e, nil
}

func (l *lexer) number() (expr, error) {
	start := l.pos
	for l.pos < len(l.src) && strings.IndexByte("+-.eE0123456789", l.src[l.pos]) >= 0 {
		l.pos++
	}
	f, err := strconv.ParseFloat(l.src[start:l.pos], 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no number", l.src[start:l.pos])
	}
	return literal{f}, nil
}

func (l *lexer) text() (expr, error) {
	quoted, err := strconv.QuotedPrefix(l.src[l.pos:])
	if err != nil {
		return nil, fmt.Errorf("unfinished string at column %d", l.pos+1)
	}
	l.pos += len(quoted)
	s, err := strconv.Unquote(quoted)
	if err != nil {
		return nil, fmt.Errorf("string %s: %w", quoted, err)
	}
	return literal{s}, nil
}

func (l *lexer) name() string {
	start := l.pos
	for l.pos < len(l.src) {
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		l.pos += size
	}
	return l.src[start:l.pos]
}

// word is true, false, null or a function call.
func (l *lexer) word(depth int) (expr, error) {
	at := l.pos
	name := l.name()
	switch name {
	case "true", "false":
		return literal{name == "true"}, nil
	case "null":
		return literal{nil}, nil
	case "":
		return nil, fmt.Errorf("unexpected %q at column %d", l.src[at:], at+1)
	}
	if !slices.Contains(functionNames(), name) || !l.take("(") {
		return nil, fmt.Errorf("unknown word %q at column %d: expected a value, $Input, $Output, $Context or one of %s",
			name, at+1, strings.Join(functionNames(), ", "))
	}
	args, err := l.list(")", depth+1)
	if err != nil {
		return nil, err
	}
	return newCall(name, args)
}

func (l *lexer) list(end string, depth int) ([]expr, error) {
	var args []expr
	if l.take(end) {
		return args, nil
	}
	for {
		e, err := l.or(depth)
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		if l.take(end) {
			return args, nil
		}
		if !l.take(",") {
			return nil, fmt.Errorf("expected \",\" or %q at column %d", end, l.pos+1)
		}
	}
}

// reference is $Input, $Output or $Context with a path of .name and [index].
func (l *lexer) reference() (expr, error) {
	start := l.pos
	l.pos++
	ref := reference{root: l.name()}
	for l.pos < len(l.src) && (l.src[l.pos] == '.' || l.src[l.pos] == '[') {
		dot := l.src[l.pos] == '.'
		l.pos++
		step := l.name()
		if step == "" {
			return nil, fmt.Errorf("a name or index is missing at column %d", l.pos+1)
		}
		if dot {
			ref.path = append(ref.path, step)
			continue
		}
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 {
			return nil, fmt.Errorf("%q is no index", step)
		}
		if !l.take("]") {
			return nil, fmt.Errorf("missing \"]\" at column %d", l.pos+1)
		}
		ref.path = append(ref.path, i)
	}
	ref.text = l.src[start:l.pos]
	return ref, ref.check(l.place)
}
