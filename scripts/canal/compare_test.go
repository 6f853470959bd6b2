// SPDX-License-Identifier: Apache-2.0

package canal_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/scripts/canal"
)

// theirs is a message as canal 1.1.4 writes it.
const theirs = `{"data":[{"id":"1","note":"\u007F\u2028"}],"database":"d","es":1,"id":2,"isDdl":false,` +
	`"mysqlType":{"id":"int","note":"text"},"old":[{"note":null}],"pkNames":["id"],"sql":"","sqlType":{"id":4,"note":2005},"table":"t","ts":3,"type":"UPDATE"}`

// ours is the same message as Slipway writes it.
const ours = `{"data":[{"id":"1","note":"` + "\u007f\u2028" + `"}],"database":"d","es":7,"gtid":"x","id":8,"isDdl":false,` +
	`"mysqlType":{"id":"int","note":"text"},"old":[{"note":null}],"pkNames":["id"],"sql":"","sqlType":{"id":4,"note":2005},"table":"t","ts":9,"type":"UPDATE"}`

func differs(field, column, ours, theirs string) canal.Difference {
	return canal.Difference{Field: field, Column: column, Ours: ours, Canal: theirs}
}

func TestDifferences(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           []canal.Difference
	}{
		{"none", "", "", nil},
		{"a value", `"id":"1"`, `"id":"2"`, []canal.Difference{differs("value", "id", `"2"`, `"1"`)}},
		{"NULL", `{"note":null}`, `{"note":"null"}`, []canal.Difference{differs("value", "note", `"null"`, `null`)}},
		{"a code", `"note":2005}`, `"note":12}`, []canal.Difference{differs("sqlType", "note", `12`, `2005`)}},
		{"columns in another order", `{"id":4,"note":2005}`, `{"note":2005,"id":4}`, []canal.Difference{differs("sqlType", "", `note id`, `id note`)}},
		{"more of old", `{"note":null}`, `{"id":"1","note":null}`, []canal.Difference{differs("old", "", `id note`, `note`)}},
		{"another number of rows", `[{"note":null}]`, `[{"note":null},{}]`, []canal.Difference{differs("old", "", `2 rows`, `1 rows`)}},
		{"no rows", `"old":[{"note":null}]`, `"old":null`, []canal.Difference{differs("old", "", `null`, `[{"note":null}]`)}},
		{"another type", `"UPDATE"`, `"INSERT"`, []canal.Difference{differs("type", "", `"INSERT"`, `"UPDATE"`)}},
		{"a missing key", `"sql":"",`, ``, []canal.Difference{{
			Ours:  "data database isDdl mysqlType old pkNames sqlType table type",
			Canal: "data database isDdl mysqlType old pkNames sql sqlType table type",
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := canal.Differences([]byte(strings.Replace(ours, tt.old, tt.new, 1)), []byte(theirs))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := canal.Differences([]byte(ours), []byte(`[]`)); err == nil {
		t.Error("compared with an array")
	}
}
