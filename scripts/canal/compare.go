// SPDX-License-Identifier: Apache-2.0

package canal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Difference is a place where a message of ours and canal's differ.
type Difference struct {
	// Field of the message; "value" for the texts in data and old.
	Field string
	// Column, or "" for the field as a whole: its keys, its number of rows.
	Column string
	// Ours and Canal are what is there, as JSON without needless escapes.
	Ours, Canal string
}

// Differences compares two messages key by key, in order, and text by text. id,
// ts and gtid are each writer's own (canal 1.1.4 has no gtid) and es is each
// server's clock: they don't count. Strings count by what they say, because
// canal 1.1.4 escapes characters that newer canals and we write as they are.
func Differences(ours, canal []byte) (found []Difference, err error) {
	a, err := members(ours)
	if err != nil {
		return nil, err
	}
	b, err := members(canal)
	if err != nil {
		return nil, err
	}
	for _, masked := range []string{"es", "gtid", "id", "ts"} {
		a, b = without(a, masked), without(b, masked)
	}
	if keys(a) != keys(b) {
		return []Difference{{Ours: keys(a), Canal: keys(b)}}, nil
	}
	for i := range a {
		more, err := fieldDifferences(a[i].key, a[i].value, b[i].value)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", a[i].key, err)
		}
		found = append(found, more...)
	}
	return found, nil
}

func fieldDifferences(field string, x, y json.RawMessage) ([]Difference, error) {
	switch {
	case bytes.HasPrefix(x, []byte("[{")) && bytes.HasPrefix(y, []byte("[{")):
		return rowDifferences(field, x, y)
	case x[0] == '{' && y[0] == '{':
		return objectDifferences(field, field, x, y)
	}
	p, q, err := plain(x, y)
	if err != nil || p == q {
		return nil, err
	}
	return []Difference{{Field: field, Ours: p, Canal: q}}, nil
}

func rowDifferences(field string, x, y json.RawMessage) (found []Difference, err error) {
	var a, b []json.RawMessage
	if err := json.Unmarshal(x, &a); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(y, &b); err != nil {
		return nil, err
	}
	if len(a) != len(b) {
		return []Difference{{Field: field, Ours: fmt.Sprint(len(a), " rows"), Canal: fmt.Sprint(len(b), " rows")}}, nil
	}
	for i := range a {
		more, err := objectDifferences(field, "value", a[i], b[i])
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// objectDifferences compares two objects: a difference of their keys is field's,
// one of their members inner's.
func objectDifferences(field, inner string, x, y json.RawMessage) (found []Difference, err error) {
	a, err := members(x)
	if err != nil {
		return nil, err
	}
	b, err := members(y)
	if err != nil {
		return nil, err
	}
	if keys(a) != keys(b) {
		return []Difference{{Field: field, Ours: keys(a), Canal: keys(b)}}, nil
	}
	for i := range a {
		p, q, err := plain(a[i].value, b[i].value)
		if err != nil {
			return nil, err
		}
		if p != q {
			found = append(found, Difference{Field: inner, Column: a[i].key, Ours: p, Canal: q})
		}
	}
	return found, nil
}

// member is one key of a JSON object with its value.
type member struct {
	key   string
	value json.RawMessage
}

// members lists a JSON object in its own order.
func members(object []byte) (list []member, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("want an object, not %.40q: %w", object, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: fmt.Sprint(key)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	_, err = d.Token()
	return list, err
}

func without(list []member, key string) (rest []member) {
	for _, m := range list {
		if m.key != key {
			rest = append(rest, m)
		}
	}
	return rest
}

func keys(list []member) string {
	var names []string
	for _, m := range list {
		names = append(names, m.key)
	}
	return strings.Join(names, " ")
}

// plain writes two values alike, with the fewest escapes.
func plain(x, y json.RawMessage) (p, q string, err error) {
	if p, err = rewrite(x); err != nil {
		return "", "", err
	}
	q, err = rewrite(y)
	return p, q, err
}

func rewrite(v json.RawMessage) (string, error) {
	var value any
	if err := json.Unmarshal(v, &value); err != nil {
		return "", err
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
