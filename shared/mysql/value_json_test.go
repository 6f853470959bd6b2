// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/typetest"
)

// emptyJSON: a document of no bytes is what INSERT IGNORE makes of NULL.
func emptyJSON(t *testing.T, c *mysql.Conn, db string) {
	query(t, c, "CREATE TABLE "+db+".empty (id int PRIMARY KEY, j json NOT NULL)")
	table := loadTable(t, c, db, "empty")
	start := logEnd(t, c)
	query(t, c, "INSERT IGNORE INTO "+db+".empty SELECT 1, NULL")
	compareJSON(t, c, start, table)
}

func randomJSON(t *testing.T, c *mysql.Conn, db string) {
	query(t, c, "CREATE TABLE "+db+".random_json (id int PRIMARY KEY AUTO_INCREMENT, j json)")
	table := loadTable(t, c, db, "random_json")
	start := logEnd(t, c)
	rapid.Check(t, func(rt *rapid.T) {
		query(t, c, "INSERT INTO "+db+".random_json (j) VALUES (?)", typetest.Document(rt, 3))
	})
	compareJSON(t, c, start, table)
}

func compareJSON(t testing.TB, c *mysql.Conn, start mysql.LogPosition, table *change.Table) {
	t.Helper()
	want := selectRows(t, c, table)
	images := binlogImages(t, c, start, table)
	if len(images) != len(want) || len(want) == 0 {
		t.Fatalf("%d row images, %d rows", len(images), len(want))
	}
	for i := range want {
		mustEqualRows(t, table, fmt.Sprintf("document %d", i), images[i].row, want[i])
	}
}

func FuzzJSONDocument(f *testing.F) {
	f.Add([]byte{0, 1, 0, 12, 0, 11, 0, 1, 0, 5, 1, 0, 'a'})
	f.Add([]byte{2, 2, 0, 10, 0, 4, 1, 0, 5, 1, 0})
	f.Add([]byte{15, 246, 4, 4, 2, 0x81, 0x32})
	f.Add([]byte{12, 3, 'a', 'b', 'c'})
	f.Add([]byte{11, '0', '0', '0', '0', '0', '0', 0xff, 0xff}) // no number
	d, err := mysql.NewBinlogDecoder(&change.Table{Columns: []change.Column{{Name: "j", Type: change.TypeJSON}}}, "9")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		row, err := d.Decode([]any{doc})
		if err == nil && row[0].Kind() != change.Text {
			t.Errorf("%x gives %s", doc, row[0])
		}
	})
}
