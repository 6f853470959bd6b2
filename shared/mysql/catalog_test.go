// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

func TestCatalogMissingTableIsErrNoTable(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int)")
	query(t, c, "CREATE VIEW "+db+".v AS SELECT 1 AS one")
	for _, name := range []string{"missing", "v", "T"} {
		_, err := mysql.LoadTable(t.Context(), c, db, name)
		if !errors.Is(err, mysql.ErrNoTable) || !strings.Contains(err.Error(), db+"."+name) {
			t.Errorf("%s: error %v, want ErrNoTable naming it", name, err)
		}
	}
}

func TestCatalogLoadsManyTablesInOrder(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	names := make([]change.TableName, 250)
	for i := range names {
		names[i] = change.TableName{Database: db, Name: fmt.Sprintf("t%d", (i*97)%250)}
		query(t, c, fmt.Sprintf("CREATE TABLE %s.%s (c%d int PRIMARY KEY)", db, names[i].Name, i))
	}
	names = append(names, change.TableName{Database: "mysql", Name: "user"})
	tables, err := mysql.LoadTables(t.Context(), c, names)
	if err != nil {
		t.Fatal(err)
	}
	for i, table := range tables[:250] {
		if table.Name != names[i].Name || table.Columns[0].Name != fmt.Sprintf("c%d", i) || !table.Primary || table.Engine != "InnoDB" {
			t.Errorf("%s: %+v", names[i], table)
		}
	}
}

func TestCatalogListsBaseTablesOnly(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".b (id int)")
	query(t, c, "CREATE TABLE "+db+".a (id int) ENGINE = MyISAM")
	query(t, c, "CREATE VIEW "+db+".v AS SELECT 1 AS one")
	query(t, c, "INSERT INTO "+db+".a VALUES (1), (2)")
	if servertest.MySQL(t).VersionID(t) >= 80003 {
		query(t, c, "SET information_schema_stats_expiry = 0")
	}
	infos, err := mysql.ListTables(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var mine []mysql.TableInfo
	for _, info := range infos {
		switch info.Database {
		case db:
			mine = append(mine, info)
		case "mysql", "sys", "information_schema", "performance_schema":
			t.Errorf("lists %s", info)
		}
	}
	if len(mine) != 2 || mine[0].Name != "a" || mine[0].Engine != "MyISAM" || mine[0].Rows != 2 || mine[0].Bytes == 0 || mine[1].Name != "b" {
		t.Errorf("tables %+v", mine)
	}
}

// alteringQuerier changes the table between the catalog's queries.
type alteringQuerier struct {
	*mysql.Conn
	t        *testing.T
	alter    func(n int) string
	calls    int
	altering *mysql.Conn
}

func (q *alteringQuerier) Query(ctx context.Context, sql string, args ...any) (*gomysql.Result, error) {
	r, err := q.Conn.Query(ctx, sql, args...)
	q.calls++
	if s := q.alter(q.calls); s != "" {
		query(q.t, q.altering, s)
	}
	return r, err
}

func TestCatalogDefinitionIsOfOneMoment(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (a int, b int)")
	once := &alteringQuerier{Conn: c, t: t, altering: connect(t), alter: func(n int) string {
		if n == 1 { // between columns and keys
			return "ALTER TABLE " + db + ".t DROP COLUMN a, MODIFY b int NOT NULL, ADD PRIMARY KEY (b)"
		}
		return ""
	}}
	table, err := mysql.LoadTable(t.Context(), once, db, "t")
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Columns) != 1 || keyText(table) != "b primary" {
		t.Errorf("definition %+v", table)
	}

	always := &alteringQuerier{Conn: c, t: t, altering: connect(t), alter: func(n int) string {
		return fmt.Sprintf("ALTER TABLE %s.t ADD COLUMN x%d int", db, n)
	}}
	if table, err := mysql.LoadTable(t.Context(), always, db, "t"); err == nil {
		t.Errorf("a table that never holds still gives %+v", table)
	}
}
