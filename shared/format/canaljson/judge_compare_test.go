// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// difference is a place where two messages differ.
type difference struct {
	field  string // of the message; "value" for texts in data and old
	column string // "" for the field as a whole
	ours   string // as JSON
	canal  string
}

// difference of two messages. Strings count by what they say: canal 1.1.4
// escapes characters that newer canals and we write as they are.
func differences(t *testing.T, ours, theirs []byte) (found []difference) {
	t.Helper()
	a, b := members(t, ours), members(t, theirs)
	// id, ts and gtid are each writer's own (canal 1.1.4 has no gtid); es is the
	// server's clock, which the test doesn't know.
	for _, masked := range []string{"es", "gtid", "id", "ts"} {
		a, b = without(a, masked), without(b, masked)
	}
	if keys(a) != keys(b) {
		t.Fatalf("keys %s, canal's %s", keys(a), keys(b))
	}
	for i := range a {
		field, x, y := a[i].key, a[i].value, b[i].value
		switch {
		case isRows(x) && isRows(y):
			found = append(found, diffRows(t, field, x, y)...)
		case x[0] == '{' && y[0] == '{':
			found = append(found, diffObjects(t, field, field, x, y)...)
		case plain(t, x) != plain(t, y):
			found = append(found, difference{field: field, ours: plain(t, x), canal: plain(t, y)})
		}
	}
	return found
}

func isRows(v json.RawMessage) bool { return bytes.HasPrefix(v, []byte("[{")) }

func diffRows(t *testing.T, field string, x, y json.RawMessage) (found []difference) {
	t.Helper()
	a, b := elements(t, x), elements(t, y)
	if len(a) != len(b) {
		return []difference{{field: field, ours: fmt.Sprint(len(a), " rows"), canal: fmt.Sprint(len(b), " rows")}}
	}
	for i := range a {
		found = append(found, diffObjects(t, field, "value", a[i], b[i])...)
	}
	return found
}

// diffObjects compares two objects: their keys in order as field, their members
// as inner.
func diffObjects(t *testing.T, field, inner string, x, y json.RawMessage) (found []difference) {
	t.Helper()
	a, b := members(t, x), members(t, y)
	if keys(a) != keys(b) {
		return []difference{{field: field, ours: keys(a), canal: keys(b)}}
	}
	for i := range a {
		if p, q := plain(t, a[i].value), plain(t, b[i].value); p != q {
			found = append(found, difference{field: inner, column: a[i].key, ours: p, canal: q})
		}
	}
	return found
}

// member is one key of a JSON object with its value, in the object's order.
type member struct {
	key   string
	value json.RawMessage
}

func members(t *testing.T, object []byte) (list []member) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatalf("%v in %s", err, object)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, object)
		}
		m := member{key: key.(string)}
		if err := d.Decode(&m.value); err != nil {
			t.Fatalf("%v in %s", err, object)
		}
		list = append(list, m)
	}
	return list
}

func elements(t *testing.T, array []byte) (list []json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(array, &list); err != nil {
		t.Fatalf("%v in %s", err, array)
	}
	return list
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

// plain writes a value with the fewest escapes.
func plain(t *testing.T, v json.RawMessage) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(v, &value); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
