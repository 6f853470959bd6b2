// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/google/go-cmp/cmp"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// definitions are column and key lists; declared says where the table map alone
// cannot know the type's text.
var definitions = map[string]struct {
	columns  string
	key      string
	declared map[string]string
}{
	"primary key in another order": {columns: "a int, b varchar(20) NOT NULL, c int NOT NULL, PRIMARY KEY (c, b)", key: "c b primary"},
	"prefixed primary key":         {columns: "a text NOT NULL, b int, PRIMARY KEY (a(10))", key: "a primary"},
	"no key":                       {columns: "a int, b int, KEY (a)"},
	"unique key for a primary key": {columns: "c int, a int NOT NULL, b int NOT NULL, UNIQUE KEY x (c), UNIQUE KEY z (a, b), UNIQUE KEY y (b)", key: "a b"},
	"unique key over virtual":      {columns: "a int NOT NULL, v int AS (a + 1) VIRTUAL NOT NULL, UNIQUE KEY v (v), UNIQUE KEY f ((a + 2))"},
	"unique key over stored":       {columns: "a int NOT NULL, v int AS (a + 1) STORED NOT NULL, UNIQUE KEY v (v)", key: "v"},
	"unusable unique keys":         {columns: "a int, b varchar(50) NOT NULL, UNIQUE KEY n (a), UNIQUE KEY p (b(5)), UNIQUE KEY f ((a + 1))"},
	"partly nullable unique key":   {columns: "a int NOT NULL, b int, UNIQUE KEY n (a, b)"},
	"unsigned among signed": {columns: `a bigint unsigned, b bit(3), c year, d int, e decimal(5,2) unsigned, f date, g float unsigned, h double, i tinyint unsigned,
		j vector(4), k smallint, l mediumint unsigned, m json, n int unsigned, id int PRIMARY KEY`, key: "id primary", declared: map[string]string{"j": "vector"}},
	"charsets side by side": {columns: `id int PRIMARY KEY, a char(10) CHARACTER SET latin1, b varchar(300) CHARACTER SET gbk, c text CHARACTER SET utf16, v vector(3), d binary(7), e varbinary(700),
		f tinyblob, g tinytext, h mediumtext COLLATE utf8mb4_bin, i longblob, j char(255) COLLATE utf8mb4_0900_as_cs, k varchar(10) CHARACTER SET ujis, l char(200) CHARACTER SET gb18030,
		m varchar(10000), n geometry, o json, p char(0), q varchar(64) CHARACTER SET utf8mb3, r char(3) CHARACTER SET ucs2, s blob, t text, u longtext, w mediumblob, x binary(0), y char(9) COLLATE latin1_bin`, key: "id primary", declared: map[string]string{"v": "vector"}},
	"labels": {columns: `id int PRIMARY KEY, a enum('x','it''s','c,d','back\\slash','new\nline',''), b set('é','ÿ') CHARACTER SET latin1, c char(5) CHARACTER SET latin1,
		d enum('汉','字') CHARACTER SET gbk, e enum('a','b') CHARACTER SET utf16, f set('one'), g enum('a','B') COLLATE utf8mb4_bin`, key: "id primary"},
	"widths and zerofill": {
		columns: "id int(8) unsigned zerofill PRIMARY KEY, a tinyint(1), b float(7,2), c double(20,4) unsigned, d decimal(9,3) unsigned zerofill, e year, f bigint zerofill",
		key:     "id primary", declared: map[string]string{"id": "int unsigned", "a": "tinyint", "b": "float", "c": "double unsigned", "d": "decimal(9,3) unsigned", "f": "bigint unsigned"},
	},
	"times": {columns: "id int PRIMARY KEY, a time, b time(1), c time(6), d datetime, e datetime(3), f timestamp NULL, g timestamp(6) NULL, h date", key: "id primary"},
	"generated and invisible": {columns: `id int PRIMARY KEY, a int NOT NULL, b int AS (a + 1), c varchar(10) AS (CONCAT('x', a)) STORED NOT NULL, d int INVISIBLE,
		e timestamp DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY ((a * 2))`, key: "id primary"},
	"geometries": {
		columns: `id int PRIMARY KEY, a geometry, b point NOT NULL SRID 4326, c linestring, d polygon, e multipoint, f multilinestring, g multipolygon, h geometrycollection`,
		key:     "id primary",
	},
	"strange names": {columns: "`a b.c` int PRIMARY KEY, `" + strings.Repeat("ü", 64) + "` int, `back``tick` int, `quo'te\"` int, `PRIMARY` int", key: "a b.c primary"},
}

// tableMaps runs statements and gives the table maps they write in db.
func tableMaps(t testing.TB, c *mysql.Conn, db string, statements ...string) []*replication.TableMapEvent {
	t.Helper()
	start := logEnd(t, c)
	for _, s := range statements {
		query(t, c, s)
	}
	var maps []*replication.TableMapEvent
	readBinlog(t, c, start, func(e *replication.BinlogEvent) {
		if m, ok := e.Event.(*replication.TableMapEvent); ok && string(m.Schema) == db {
			maps = append(maps, m)
		}
	})
	return maps
}

func keyText(t *change.Table) string {
	var names []string
	for _, i := range t.Key {
		names = append(names, t.Columns[i].Name)
	}
	if t.Primary {
		names = append(names, "primary")
	}
	return strings.Join(names, " ")
}

// firstRow inserts a row with a value for what has no default.
func firstRow(name string) string {
	if name == "geometries" {
		return "INSERT INTO %s.t (id, b) VALUES (1, ST_GeomFromText('POINT(1 2)', 4326))"
	}
	if strings.HasPrefix(name, "unique key over") {
		return "INSERT INTO %s.t (a) VALUES (1)"
	}
	return "INSERT INTO %s.t () VALUES ()"
}

func TestT5TableMapGivesTheDefinition(t *testing.T) {
	servertest.MySQL(t).NeedsFullMetadata(t)
	c := connect(t)
	for name, def := range definitions {
		t.Run(name, func(t *testing.T) {
			db := servertest.MySQL(t).Database(t)
			query(t, c, forServer(c, "CREATE TABLE "+db+".t ("+def.columns+")"))
			maps := tableMaps(t, c, db, fmt.Sprintf(firstRow(name), db))
			if len(maps) != 1 {
				t.Fatalf("%d table maps", len(maps))
			}
			known := loadTable(t, c, db, "t")
			if got := keyText(known); got != def.key {
				t.Errorf("key %q, want %q", got, def.key)
			}
			shared, err := mysql.Resolve(maps[0], known)
			if err != nil {
				t.Fatal(err)
			}
			if shared != known {
				t.Errorf("the known definition does not agree with its table map:\n%s", cmp.Diff(known, shared))
			}
			alone, err := mysql.Resolve(maps[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			want := withoutUnmapped(known, def.declared)
			if d := cmp.Diff(want, alone); d != "" {
				t.Errorf("from the table map alone (-catalog +map):\n%s", d)
			}
		})
	}
}

// withoutUnmapped is a definition less what table maps don't tell.
func withoutUnmapped(known *change.Table, declared map[string]string) *change.Table {
	want := *known
	want.Engine = ""
	want.Columns = append([]change.Column(nil), known.Columns...)
	for i := range want.Columns {
		col := &want.Columns[i]
		col.Generated = false
		if plain, ok := declared[col.Name]; ok && col.Type != change.TypeVarbinary {
			col.Declared = plain
		}
	}
	want.Primary = len(known.Key) > 0
	return &want
}

func TestT5OldRowsGetTheirOldDefinition(t *testing.T) {
	c, server := connect(t), servertest.MySQL(t)
	server.NeedsFullMetadata(t)
	db := server.Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int, a varchar(10), b tinyint(1), g int AS (id), UNIQUE KEY u (id))")
	query(t, c, "ALTER TABLE "+db+".t MODIFY id int NOT NULL")
	old := loadTable(t, c, db, "t")
	maps := tableMaps(t, c, db, "INSERT INTO "+db+".t (id) VALUES (1)",
		"ALTER TABLE "+db+".t DROP COLUMN b, MODIFY a varchar(20) CHARACTER SET latin1, ADD COLUMN n enum('x') FIRST",
		"INSERT INTO "+db+".t (id) VALUES (2)")
	current := loadTable(t, c, db, "t")

	got, err := mysql.Resolve(maps[0], current)
	if err != nil {
		t.Fatal(err)
	}
	want := *old
	want.Columns = append([]change.Column(nil), old.Columns...)
	want.Columns[want.Column("b")].Declared = "tinyint" // nobody knows the width any more
	if d := cmp.Diff(&want, got); d != "" {
		t.Errorf("old rows by the current definition (-want +got):\n%s", d)
	}
	if got, err := mysql.Resolve(maps[0], current, old); err != nil || got != old {
		t.Errorf("old rows with both definitions: %v, %v", got, err)
	}
	if got, err := mysql.Resolve(maps[1], old, current); err != nil || got != current {
		t.Errorf("new rows with both definitions: %v, %v", got, err)
	}
}

// A table map without names is believed only where nothing it says contradicts
// the definition.
func TestT5MinimalMetadataIsHeldAgainstTheDefinition(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	create := func(columns string) *change.Table {
		query(t, c, "DROP TABLE IF EXISTS "+db+".t")
		query(t, c, "CREATE TABLE "+db+".t ("+columns+")")
		return loadTable(t, c, db, "t")
	}
	const columns = "a varchar(10) CHARACTER SET latin1, b int unsigned, c decimal(5,2), d datetime(3), e enum('x','y'), f char(4), g text, h bit(9)"
	wrong := map[string]*change.Table{}
	for what, columns := range map[string]string{
		"columns": columns + ", i int",
		"order":   "b int unsigned, a varchar(10) CHARACTER SET latin1, c decimal(5,2), d datetime(3), e enum('x','y'), f char(4), g text, h bit(9)",
		"size":    strings.Replace(columns, "varchar(10)", "varchar(11)", 1),
		"sign":    strings.Replace(columns, "unsigned", "", 1),
		"digits":  strings.Replace(columns, "(5,2)", "(6,2)", 1),
		"seconds": strings.Replace(columns, "datetime(3)", "datetime", 1),
		"charset": strings.Replace(columns, "latin1", "latin2", 1),
		"text":    strings.Replace(columns, "text", "mediumtext", 1),
		"bits":    strings.Replace(columns, "bit(9)", "bit(10)", 1),
		"kind":    strings.Replace(columns, "enum", "set", 1),
	} {
		wrong[what] = create(columns)
	}
	if servertest.MySQL(t).VersionID(t) < 80001 { // table maps don't say it yet
		delete(wrong, "sign")
		delete(wrong, "charset")
	}
	known := create(columns)
	m := tableMaps(t, c, db, "INSERT INTO "+db+".t VALUES ()")[0]
	m.ColumnName = nil
	m.EnumStrValue, m.SetStrValue = nil, nil
	if got, err := mysql.Resolve(m, known); err != nil || got != known {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := mysql.Resolve(m, nil); !errors.Is(err, mysql.ErrMinimalMetadata) {
		t.Errorf("without a definition: %v, want ErrMinimalMetadata", err)
	}
	for what, table := range wrong {
		if _, err := mysql.Resolve(m, table); err == nil {
			t.Errorf("another %s is taken", what)
		}
	}
}
