// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// chronicle runs statements at the server and keeps what the tables looked like
// after each that changed anything.
type chronicle struct {
	t      *testing.T
	src    *source
	conn   *mysql.Conn
	start  mysql.Schema
	states []map[change.TableName]*mysql.Definition
	sqls   []string
}

func newChronicle(t *testing.T) *chronicle {
	t.Helper()
	c := &chronicle{t: t, src: newSource(t, servertest.MySQL(t)), conn: connect(t)}
	query(t, c.conn, "USE "+c.src.name)
	return c
}

// begin makes the database what the statements say, and the chronicle empty.
func (c *chronicle) begin(statements ...string) {
	c.t.Helper()
	for name := range c.definitions() {
		query(c.t, c.conn, "DROP TABLE "+name.Name)
	}
	for _, sql := range statements {
		query(c.t, c.conn, sql)
	}
	c.src.cfg.From = c.src.executed(c.t)
	c.sqls, c.states = nil, nil
	c.start = mysql.Schema{Databases: map[string]string{c.src.name: query(c.t, c.conn, "SELECT @@collation_database")[0][0]}}
	for _, d := range c.definitions() {
		c.start.Tables = append(c.start.Tables, d)
	}
}

func (c *chronicle) definitions() map[change.TableName]*mysql.Definition {
	c.t.Helper()
	var names []change.TableName
	for _, row := range query(c.t, c.conn, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = '"+c.src.name+"'") {
		names = append(names, change.TableName{Database: c.src.name, Name: row[0]})
	}
	defs, err := mysql.LoadDefinitions(c.t.Context(), c.conn, names)
	if err != nil {
		c.t.Fatal(err)
	}
	return defs
}

// try runs a statement; one the server refuses leaves nothing.
func (c *chronicle) try(sql string) {
	c.t.Helper()
	if _, err := c.conn.Query(c.t.Context(), sql); err != nil {
		return
	}
	c.sqls = append(c.sqls, sql)
	c.states = append(c.states, c.definitions())
}

// verify reads the binlog and holds the history against what the server said
// after each statement.
func (c *chronicle) verify() error {
	dialect, err := mysql.LoadDialect(c.t.Context(), c.conn)
	if err != nil || len(c.sqls) == 0 {
		return err
	}
	h := mysql.NewHistory(dialect, c.start, func(database string) bool { return database == c.src.name })
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	n := 0
	err = mysql.NewReader(c.src.cfg).Run(ctx, func(e mysql.Event) error {
		if e.Kind != mysql.Statement || e.Query.Database != c.src.name || n == len(c.sqls) {
			return nil
		}
		h.Apply(e.Query)
		for name, want := range c.states[n] {
			got, why := h.Definition(name)
			if got == nil && (strings.Contains(why, "takes the place of one of another type") || strings.Contains(why, "made again in one statement") || strings.Contains(why, "converts the table")) {
				h.Set(want)
				continue
			}
			if got == nil {
				return fmt.Errorf("after %s: %s is unknown: %s", e.Query.SQL, name, why)
			}
			if d := cmp.Diff(comparable(want), comparable(got)); d != "" {
				return fmt.Errorf("after %s (statement %d), %s (-server +history):\n%s", e.Query.SQL, n, name, d)
			}
		}
		if got := h.Names(); len(got) != len(c.states[n]) {
			return fmt.Errorf("after %s: %d tables, want %d", e.Query.SQL, len(got), len(c.states[n]))
		}
		if n++; n == len(c.sqls) {
			stop()
		}
		return nil
	})
	if err == nil && n != len(c.sqls) {
		err = fmt.Errorf("%d of %d statements were read", n, len(c.sqls))
	}
	return err
}

// comparable leaves out what no key can be chosen of: indexes that aren't unique.
func comparable(d *mysql.Definition) *mysql.Definition {
	out := *d
	// With one unique index beside the primary key the catalog doesn't ask for the order.
	out.Indexes = slices.DeleteFunc(slices.Clone(d.Indexes), func(x mysql.Index) bool { return !x.Unique })
	if len(out.Indexes) <= 2 {
		slices.SortFunc(out.Indexes, func(x, y mysql.Index) int { return strings.Compare(x.Name, y.Name) })
	}
	if len(out.Indexes) == 0 {
		out.Indexes = nil
	}
	return &out
}

func TestT5HistoryFollowsStatements(t *testing.T) {
	const table = "CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b int NOT NULL, c enum('x','y') NOT NULL, UNIQUE KEY u (b, c), UNIQUE KEY n (a), KEY k (a))"
	for name, sqls := range map[string][]string{
		"add, drop, reorder": {
			table, "ALTER TABLE t ADD COLUMN d text, ADD e datetime(3) FIRST, ADD (f int, g int)", "ALTER TABLE t DROP a, DROP COLUMN b",
			"ALTER TABLE t MODIFY g bigint unsigned FIRST, MODIFY f int NOT NULL AFTER c", "ALTER TABLE t ADD z int AFTER d, ADD y int AFTER z, CHANGE f w int AFTER y",
		},
		"rename and swap": {
			table, "ALTER TABLE t CHANGE a b2 varchar(20), CHANGE b a int NOT NULL", "ALTER TABLE t CHANGE b2 a varchar(20), CHANGE a b2 int NOT NULL",
			"ALTER TABLE t RENAME COLUMN a TO b2, RENAME COLUMN b2 TO a", "ALTER TABLE t RENAME INDEX u TO uu, DROP INDEX n",
		},
		"keys": {
			table, "ALTER TABLE t DROP PRIMARY KEY", "ALTER TABLE t DROP KEY u", "ALTER TABLE t MODIFY a varchar(10) NOT NULL",
			"ALTER TABLE t ADD UNIQUE (id), ADD UNIQUE KEY p (a(3)), ADD UNIQUE (id, b)", "ALTER TABLE t DROP KEY n", "DROP INDEX id ON t",
			"CREATE UNIQUE INDEX id ON t (b)", "ALTER TABLE t ADD CONSTRAINT cu UNIQUE (c, b)", "ALTER TABLE t ADD PRIMARY KEY (b, a)", "ALTER TABLE t ADD q int UNIQUE",
			"ALTER TABLE t DROP COLUMN b",
		},
		"charsets": {
			"CREATE TABLE t (a varchar(10), b text, c tinytext, d enum('w','x'), e char(3) CHARACTER SET latin1, f char(3) BINARY, g text COLLATE utf8mb4_bin, h char(4) CHARACTER SET binary) CHARSET latin1",
			"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "ALTER TABLE t CONVERT TO CHARACTER SET latin1 COLLATE latin1_general_ci",
			"ALTER TABLE t DEFAULT CHARACTER SET gbk, ADD i varchar(5)", "ALTER TABLE t ADD j varchar(5), COLLATE utf8mb4_general_ci",
			"ALTER DATABASE CHARACTER SET big5", "CREATE TABLE u (a varchar(5), b text(100), c text(1000), d char)",
			"CREATE TABLE v (a char(3) ASCII, b char(3) UNICODE, c text CHARACTER SET utf8mb4) CHARACTER SET utf8mb4",
		},
		"types": {
			"CREATE TABLE t (a bool, b tinyint(1), c tinyint(1) unsigned, d int(5), e int(5) zerofill, f integer unsigned, g numeric, h decimal(7), i decimal(7,3) unsigned, j float, k float(30), l float(7,3), m double, n double(9,2), o real)",
			"CREATE TABLE u (a bit, b bit(7), c year, d date, e time, f time(6), g datetime(0), h timestamp(3) NULL, i char, j binary, k varbinary(9), l blob, m blob(20), n tinyblob, o longblob, p json, q geometry, r point, s geometrycollection, t multipolygon)",
			"CREATE TABLE v (a enum('it''s', 'b\\\\c', 'trail  ', ''), b set('x','y z'), c int AS (1) VIRTUAL, d int AS (2) STORED, e double precision, f dec(5,1), g int8, h long varchar, i character varying(9), j middleint)",
			"CREATE TABLE w LIKE u", "CREATE TABLE x (a timestamp, b timestamp NULL, c timestamp NOT NULL)",
		},
		"tables": {
			table, "RENAME TABLE t TO a", "RENAME TABLE a TO b", "CREATE TABLE a LIKE b", "RENAME TABLE a TO c, b TO a, c TO b", "ALTER TABLE a RENAME TO d, ADD extra int",
			"DROP TABLE b, d", table, "CREATE TABLE IF NOT EXISTS t (q int)", "TRUNCATE t", "CREATE VIEW v AS SELECT 1 AS one", "DROP VIEW v", "CREATE TABLE s SELECT id, a FROM t",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChronicle(t)
			c.begin()
			for _, sql := range sqls {
				c.try(sql)
			}
			if len(c.sqls) < len(sqls)-1 { // old servers lack RENAME COLUMN
				t.Logf("the server took only %d of %d statements: %q", len(c.sqls), len(sqls), c.sqls)
			}
			if err := c.verify(); err != nil {
				t.Error(err)
			}
		})
	}
}

// randomDDL draws a statement; the server refuses many.
func randomDDL(t *rapid.T) string {
	column := func() string { return rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "`f g`"}).Draw(t, "column") }
	table := func() string { return rapid.SampledFrom([]string{"t", "u"}).Draw(t, "table") }
	definition := func() string {
		typ := rapid.SampledFrom([]string{
			"int", "int unsigned", "tinyint(1)", "bigint(7) zerofill", "varchar(20)", "varchar(8) CHARACTER SET latin1", "char(5) COLLATE utf8mb4_bin", "text", "tinytext CHARACTER SET gbk",
			"decimal(9,2)", "float(7,2)", "datetime(3)", "timestamp NULL", "enum('x','y')", "set('p','q') CHARACTER SET utf8mb4", "json", "blob", "binary(4)", "varbinary(9)", "bit(3)", "year", "point",
			"int AS (1 + 1)", "int AS (2 + 1) STORED",
		}).Draw(t, "type")
		return typ + rapid.SampledFrom([]string{"", "", " NOT NULL", " UNIQUE", " NOT NULL UNIQUE"}).Draw(t, "rest")
	}
	place := func() string {
		return rapid.SampledFrom([]string{"", "", " FIRST", " AFTER " + column()}).Draw(t, "place")
	}
	clause := func() string {
		switch rapid.IntRange(0, 11).Draw(t, "clause") {
		case 0, 1:
			return "ADD " + column() + " " + definition() + place()
		case 2:
			return "DROP COLUMN " + column()
		case 3:
			return "CHANGE " + column() + " " + column() + " " + definition() + place()
		case 4:
			return "MODIFY " + column() + " " + definition() + place()
		case 5:
			return "RENAME COLUMN " + column() + " TO " + column()
		case 6:
			return "ADD UNIQUE (" + column() + ")"
		case 7:
			return "ADD UNIQUE KEY k" + column()[:1] + " (" + column() + "(2), " + column() + ")"
		case 8:
			return "DROP KEY " + column()
		case 9:
			return rapid.SampledFrom([]string{"ADD PRIMARY KEY (" + column() + ")", "DROP PRIMARY KEY"}).Draw(t, "primary")
		case 10:
			return rapid.SampledFrom([]string{"CONVERT TO CHARACTER SET utf8mb4", "CONVERT TO CHARACTER SET latin1", "CHARACTER SET gbk", "COLLATE utf8mb4_general_ci"}).Draw(t, "charset")
		default:
			return "ADD KEY (" + column() + ")"
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "statement") {
	case 0:
		return fmt.Sprintf("CREATE TABLE %s (%s %s, %s %s, %s %s)", table(), "a", definition(), "b", definition(), "c", definition())
	case 1:
		return fmt.Sprintf("RENAME TABLE %s TO %s", table(), table())
	}
	var clauses []string
	for range rapid.IntRange(1, 3).Draw(t, "clauses") {
		clauses = append(clauses, clause())
	}
	return "ALTER TABLE " + table() + " " + strings.Join(clauses, ", ")
}

func TestT5HistoryFollowsRandomStatements(t *testing.T) {
	c := newChronicle(t)
	rapid.Check(t, func(rt *rapid.T) {
		sqls := rapid.SliceOfN(rapid.Custom(randomDDL), 12, 40).Draw(rt, "statements")
		c.begin("CREATE TABLE t (a int NOT NULL, b varchar(10) NOT NULL, c text, d int, UNIQUE KEY a (a), UNIQUE KEY bb (b))")
		for _, sql := range sqls {
			c.try(sql)
		}
		if err := c.verify(); err != nil {
			rt.Fatal(err)
		}
	})
}
