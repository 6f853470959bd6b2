// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
	"slipway/shared/typetest"
)

// TestD1EveryType: whatever the type and the value, a SELECT and the binlog give equal rows.
func TestD1EveryType(t *testing.T) {
	s := servertest.MySQL(t)
	c, db, version := connect(t), s.Database(t), s.VersionID(t)
	for _, m := range typetest.Tables(version) {
		t.Run(m.Name, func(t *testing.T) { sameBothWays(t, c, db, m) })
	}
	// Not in typetest: the server prints it as UTF-8, which it isn't, so that few clients can read it.
	t.Run("UTF-16 in JSON", func(t *testing.T) {
		sameBothWays(t, c, db, typetest.Table{Name: "json_utf16", Columns: []typetest.Column{
			{Declared: "json", Values: []string{`JSON_ARRAY(CONVERT('😀' USING utf16))`}},
		}})
	})
	t.Run("random", func(t *testing.T) { randomTables(t, c, db, version) })
	t.Run("random JSON", func(t *testing.T) { randomJSON(t, c, db) })
	t.Run("empty JSON", func(t *testing.T) { emptyJSON(t, c, db) })
	t.Run("hidden columns", func(t *testing.T) { hiddenColumns(t, c, db, version) })
	t.Run("catalog", func(t *testing.T) { catalogDeclares(t, c, db, version) })
}

// sameBothWays holds what a SELECT reads against what INSERT, UPDATE and DELETE leave in the log, value by value.
func sameBothWays(t *testing.T, c *mysql.Conn, db string, m typetest.Table) {
	t.Helper()
	start := logEnd(t, c)
	query(t, c, m.Create(db))
	rows := m.Rows()
	for r := range rows {
		query(t, c, m.Insert(db, r, r))
	}
	table := loadTable(t, c, db, m.Name)
	first := selectRows(t, c, table)
	for r := range rows {
		query(t, c, m.Update(db, (r+1)%rows, r))
	}
	second := selectRows(t, c, table)
	query(t, c, "DELETE FROM "+db+"."+m.Name+" ORDER BY id")

	images := binlogImages(t, c, start, table)
	if len(images) != 4*rows || len(first) != rows {
		t.Fatalf("%d row images of %d rows, want %d of %d", len(images), len(first), 4*rows, rows)
	}
	for r := range rows {
		mustEqualRows(t, table, "INSERT", images[r].row, first[r])
		mustEqualRows(t, table, "UPDATE before", images[rows+2*r].row, first[r])
		mustEqualRows(t, table, "UPDATE after", images[rows+2*r+1].row, second[r])
		mustEqualRows(t, table, "DELETE", images[3*rows+r].row, second[r])
	}
}

// randomTables are enough to meet every type in several forms; the seed, in the log, makes them again.
func randomTables(t *testing.T, c *mysql.Conn, db string, version int) {
	seed := int(time.Now().UnixNano() & 0x7fffffff)
	t.Logf("seed %d", seed)
	for i := range 25 {
		m := typetest.Random(fmt.Sprintf("random%d", i), version).Example(seed + i)
		sameBothWays(t, c, db, m)
		if t.Failed() {
			t.Fatalf("table %d: %s", i, m.Create(db))
		}
	}
}

// hiddenColumns: the generated invisible primary key is in the row, the columns behind indexes over expressions are not.
func hiddenColumns(t *testing.T, c *mysql.Conn, db string, version int) {
	for _, tc := range []struct {
		since           int
		columns, insert string
		want            int    // visible columns
		key             string // one column
	}{
		{80030, "a int, b int", "(a, b) VALUES (5, 6)", 3, "my_row_id"},
		{80013, "a int PRIMARY KEY, b json, KEY f ((a + 1)), UNIQUE KEY g ((a * 2), (a - 1))", "VALUES (5, '[1]')", 2, "a"},
		{80017, "a int PRIMARY KEY, b json, KEY m ((CAST(b->'$[*]' AS UNSIGNED ARRAY)))", "VALUES (5, '[1, 2]')", 2, "a"},
		{0, "a int PRIMARY KEY, b text, FULLTEXT KEY (b)", "VALUES (5, 'text')", 2, "a"},
		{0, "a int NOT NULL, b int AS (a + 1) VIRTUAL NOT NULL, c int AS (a + 2) STORED NOT NULL, UNIQUE KEY (b), UNIQUE KEY (c)", "(a) VALUES (5)", 3, "c"},
	} {
		if tc.since > version {
			continue
		}
		if version >= 80030 {
			query(t, c, fmt.Sprintf("SET sql_generate_invisible_primary_key = %v", tc.key == "my_row_id"))
		}
		query(t, c, "DROP TABLE IF EXISTS "+db+".hidden")
		query(t, c, "CREATE TABLE "+db+".hidden ("+tc.columns+")")
		start := logEnd(t, c)
		query(t, c, "INSERT INTO "+db+".hidden "+tc.insert)
		table := loadTable(t, c, db, "hidden")
		if len(table.Columns) != tc.want || len(table.Key) != 1 || table.Columns[table.Key[0]].Name != tc.key {
			t.Fatalf("%s: definition %+v", tc.columns, table)
		}
		images := binlogImages(t, c, start, table)
		if len(images) != 1 {
			t.Fatalf("%s: %d row images", tc.columns, len(images))
		}
		mustEqualRows(t, table, tc.columns, images[0].row, selectRows(t, c, table)[0])
	}
}

// catalogDeclares: a column's type is the text that SHOW CREATE TABLE has.
func catalogDeclares(t *testing.T, c *mysql.Conn, db string, version int) {
	for _, m := range typetest.Tables(version) {
		m.Name = "declared_" + m.Name
		query(t, c, m.Create(db))
		create := query(t, c, "SHOW CREATE TABLE "+db+"."+m.Name)[0][1]
		for _, col := range loadTable(t, c, db, m.Name).Columns {
			if !strings.Contains(create, mysql.QuoteName(col.Name)+" "+col.Declared) {
				t.Errorf("%s %s is not in\n%s", col.Name, col.Declared, create)
			}
		}
	}
}

// TestT4TextNobodyCanConvertIsRefused: the server shows it as '?', which would be silently wrong; the remedy's SELECT
// finds it.
func TestT4TextNobodyCanConvertIsRefused(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	for charset, code := range map[string]string{"gbk": "A2A0", "big5": "A3C0", "sjis": "81AD", "hebrew": "A1"} {
		query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (id int PRIMARY KEY, `a text` varchar(9) CHARACTER SET %[2]s)", db, charset))
		start := logEnd(t, c)
		query(t, c, fmt.Sprintf("INSERT INTO %s.%s VALUES (1, 'fine'), (2, _%[2]s X'%s')", db, charset, code))
		table := loadTable(t, c, db, charset)
		_, ofSelect := trySelectRows(t, connect(t), table) // an error ends its session
		_, ofBinlog := tryBinlogImages(t, c, start, table)
		for _, err := range []error{ofSelect, ofBinlog} {
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Class != fault.UnreadableEvent {
				t.Fatalf("%s: %v", charset, err)
			}
			find := regexp.MustCompile("SELECT .*HEX\\(`a text`\\)").FindString(f.Remedy)
			if found := query(t, connect(t), find); len(found) != 1 || found[0][0] != "2" {
				t.Errorf("%s: %q finds %v", charset, find, found)
			}
		}
	}
}

// unmapped is what a table map leaves out of a type: display widths, a FLOAT's digits, a VECTOR's dimensions.
var unmapped = regexp.MustCompile(`^((?:tiny|small|medium|big)?int|float|double|year|vector)\([0-9,]+\)`)

func TestT5TableMapGivesEveryType(t *testing.T) {
	c, server := connect(t), servertest.MySQL(t)
	server.NeedsFullMetadata(t)
	db := server.Database(t)
	for _, m := range typetest.Tables(server.VersionID(t)) {
		query(t, c, m.Create(db))
		maps := tableMaps(t, c, db, m.Insert(db, 0, 1))
		known := loadTable(t, c, db, m.Name)
		if shared, err := mysql.Resolve(maps[0], known); err != nil || shared != known {
			t.Errorf("the known definition does not agree with its table map (%v):\n%s", err, cmp.Diff(known, shared))
		}
		alone, err := mysql.Resolve(maps[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		plain := map[string]string{}
		for _, col := range known.Columns {
			plain[col.Name] = strings.TrimSuffix(unmapped.ReplaceAllString(col.Declared, "$1"), " zerofill")
		}
		if d := cmp.Diff(withoutUnmapped(known, plain), alone); d != "" {
			t.Errorf("%s from the table map alone (-catalog +map):\n%s", m.Name, d)
		}
	}
}
