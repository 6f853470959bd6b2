// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/format/canaljson"
)

func TestParseRefuses(t *testing.T) {
	good := string(packed(update(shop(), 1, order(1, "a", "1.00"), order(1, "b", "1.00"))))
	parse(t, []byte(good))
	for _, tt := range []struct{ name, old, new string }{
		{"a missing key", `"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1",`, ``},
		{"an unknown key", `"gtid":`, `"gtidx":`},
		{"a repeated key", `"es":`, `"database":"x","es":`},
		{"another order", `"isDdl":false,`, ``},
		{"an unknown type", `"type":"UPDATE"`, `"type":"UPSERT"`},
		{"an INSERT with old", `"type":"UPDATE"`, `"type":"INSERT"`},
		{"a statement with rows", `"isDdl":false`, `"isDdl":true`},
		{"no rows", `"data":[{"id":"1","note":"b","region":"7","price":"1.00"}]`, `"data":[]`},
		{"fewer rows of old", `"old":[{"note":"a"}]`, `"old":[]`},
		{"an untyped column", `"sqlType":{"id":-5,`, `"sqlType":{"ix":-5,`},
		{"an untyped column of old", `"old":[{"note"`, `"old":[{"nota"`},
		{"a number as a value", `"price":"1.00"`, `"price":1.00`},
		{"broken UTF-8", `"note":"b"`, "\"note\":\"\xff\""},
		{"something behind it", `"UPDATE"}`, `"UPDATE"} 1`},
		{"half a message", `,"type":"UPDATE"}`, ``},
		{"another value", good, `[1]`},
		{"nothing", good, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatal("nothing replaced")
			}
			if _, err := canaljson.Parse([]byte(bad)); err == nil {
				t.Errorf("accepted %s", bad)
			}
		})
	}
}

// FuzzParse feeds what no encoder wrote; what is accepted must keep its meaning
// when written again.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		f.Fatal("no goldens to start from", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f.Add([]byte(line))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := canaljson.Parse(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, parse(t, again)); diff != "" {
			t.Error(diff)
		}
	})
}
