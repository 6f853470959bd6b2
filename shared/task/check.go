// SPDX-License-Identifier: Apache-2.0

package task

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// check holds the value at path, and what is in it, to the rules.
func (v *validator) check(path string, value reflect.Value) {
	r := ruleOf(path)
	switch {
	case v.skip(path):
		return
	case !v.given(path):
		if beside := join(parent(path), r.with); r.required || r.with != "" && v.given(beside) && !v.skip(beside) {
			v.fail(path, "missing; expected %s", r.wanted())
		}
		return
	case (r.required || r.filled) && empty(value):
		v.unexpected(path, r)
		return
	}
	switch typed := value.Interface().(type) {
	case Secret, Pattern:
	case Size:
		v.within(path, r, int64(typed), "size", func(n int64) any { return Size(n) })
	case Duration:
		v.within(path, r, int64(typed), "duration", func(n int64) any { return Duration(n) })
	default:
		v.checkKind(path, r, value)
	}
}

func (v *validator) checkKind(path string, r rule, value reflect.Value) {
	switch value.Kind() {
	case reflect.Struct:
		fields := fieldsOf(value.Type())
		for _, name := range fields.names {
			v.check(join(path, name), value.Field(fields.index[name]))
		}
	case reflect.Slice:
		v.checkList(path, r, value)
	case reflect.Int:
		v.within(path, r, value.Int(), "number", func(n int64) any { return n })
	default:
		v.checkText(path, r, value.String())
	}
}

func (v *validator) checkList(path string, r rule, value reflect.Value) {
	var texts []string
	for i := range value.Len() {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.check(at, value.Index(i))
		if r.unique && slices.Contains(texts, value.Index(i).String()) {
			v.fail(at, "%s is already in the list", v.got(at))
		}
		texts = append(texts, value.Index(i).String())
	}
	if r.lists != nil && !slices.ContainsFunc(r.lists, func(l []string) bool { return slices.Equal(l, texts) }) {
		v.fail(path, "expected %s", r.wanted())
	}
}

func (v *validator) checkText(path string, r rule, text string) {
	later := slices.IndexFunc(r.later, func(s string) bool { return s == text || strings.HasSuffix(s, ":") && strings.HasPrefix(text, s) })
	switch {
	case r.values != nil && later >= 0:
		v.fail(path, "%q is not built yet; expected %s", r.later[later], r.wanted())
	case r.values != nil && !slices.Contains(r.values, text):
		v.unexpected(path, r)
	case r.pattern != nil && !r.pattern.MatchString(text) && !(r.blank && text == ""):
		v.unexpected(path, r)
	case r.most > 0 && int64(len(text)) > r.most:
		v.fail(path, "expected at most %d bytes, got %d", r.most, len(text))
	}
}

func (v *validator) within(path string, r rule, n int64, noun string, shown func(int64) any) {
	if r.most > 0 && (n < r.least || n > r.most) {
		v.fail(path, "expected a %s from %v to %v, got %v", noun, shown(r.least), shown(r.most), shown(n))
	}
}

// unexpected reports a value that isn't what its rule wants.
func (v *validator) unexpected(path string, r rule) {
	v.fail(path, "expected %s, got %s", r.wanted(), v.got(path))
}

// empty tells that a value is there and holds nothing.
func empty(value reflect.Value) bool {
	if value.Kind() == reflect.Slice {
		return value.Len() == 0
	}
	return value.IsZero()
}
