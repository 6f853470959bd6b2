// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/fault"
	"slipway/shared/servertest"
)

// eachMetadata runs f against sources that say in the binlog what the columns of
// rows are, and against those that don't (rule T5).
func eachMetadata(t *testing.T, f func(t *testing.T, server *servertest.MySQLServer)) {
	t.Helper()
	for _, metadata := range []string{"FULL", "MINIMAL"} {
		t.Run(metadata, func(t *testing.T) {
			t.Parallel()
			f(t, servertest.StartMySQL(t, "--loose-binlog-row-metadata="+metadata))
		})
	}
}

// journal writes rows and keeps, for each image, what the server says it is.
type journal struct {
	m      *apptest.Migration
	writes int
	// images by the number that each write puts into column w.
	images map[string]string
}

type column struct{ name, declared string }

// columns gives the columns of a table; none for one that isn't there.
func (j *journal) columns(table string) (list []column) {
	j.m.T.Helper()
	rows, err := j.m.DB.QueryContext(j.m.T.Context(), "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", table)
	j.m.Must(err)
	defer rows.Close()
	for rows.Next() {
		var c column
		j.m.Must(rows.Scan(&c.name, &c.declared))
		list = append(list, c)
	}
	j.m.Must(rows.Err())
	return list
}

// value is one that the column can hold and hardly any other column has.
func (j *journal) value(c column, i int) string {
	switch n := j.writes*100 + i; {
	case c.name == "w":
		return fmt.Sprint(j.writes)
	case strings.HasPrefix(c.declared, "enum"), strings.HasPrefix(c.declared, "set"):
		labels := strings.Split(c.declared[strings.Index(c.declared, "(")+1:len(c.declared)-1], ",")
		return labels[n%len(labels)]
	case strings.HasPrefix(c.declared, "datetime"):
		return fmt.Sprintf("'2024-01-01' + INTERVAL %d SECOND", n)
	case strings.Contains(c.declared, "int"), strings.HasPrefix(c.declared, "decimal"):
		return fmt.Sprint(n)
	default:
		return fmt.Sprintf("'é%d'", n)
	}
}

// write inserts a row into the table and changes the one written before.
func (j *journal) write(table string) {
	j.m.T.Helper()
	columns := j.columns(table)
	if columns == nil {
		return
	}
	j.writes++
	var names, values []string
	for i, c := range columns {
		names, values = append(names, "`"+c.name+"`"), append(values, j.value(c, i))
	}
	j.m.Exec(fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ","), strings.Join(values, ",")))
	j.keep(table, columns)
	var sets []string
	written := j.writes
	j.writes++
	for i, c := range columns {
		if c.name != "id" {
			sets = append(sets, names[i]+"="+j.value(c, i))
		}
	}
	j.m.Exec(fmt.Sprintf("UPDATE %s SET %s WHERE w = %d", table, strings.Join(sets, ","), written))
	j.keep(table, columns)
}

// keep reads what was just written.
func (j *journal) keep(table string, columns []column) {
	j.m.T.Helper()
	texts := make([]sql.NullString, len(columns))
	var into []any
	for i := range texts {
		into = append(into, &texts[i])
	}
	var texted []string
	for _, c := range columns {
		if strings.HasPrefix(c.declared, "enum") || strings.HasPrefix(c.declared, "set") { // canal gives their numbers
			c.name += " + 0"
		}
		texted = append(texted, "CONCAT("+c.name+")")
	}
	row := j.m.DB.QueryRowContext(j.m.T.Context(), fmt.Sprintf("SELECT %s FROM %s WHERE w = %d", strings.Join(texted, ","), table, j.writes))
	j.m.Must(row.Scan(into...))
	image := map[string]string{}
	for i, c := range columns {
		image[c.name] = c.declared + "=" + texts[i].String
	}
	j.images[fmt.Sprint(j.writes)] = describe(table, image)
}

func describe(table string, image map[string]string) string {
	s := table
	for _, name := range slices.Sorted(maps.Keys(image)) {
		s += " " + name + ":" + image[name]
	}
	return s
}

// verify holds what the topic says of each image against the journal.
func (j *journal) verify(t *testing.T) {
	t.Helper()
	got := map[string]string{}
	for _, msg := range messages(j.m) {
		b := parsed(t, msg)
		if b.IsDdl || b.Type == "DELETE" || msg.Properties["phase"] == "full" {
			continue
		}
		for _, row := range b.Data {
			image := map[string]string{}
			for name, declared := range b.MysqlType {
				text := ""
				if row[name] != nil {
					text = *row[name]
				}
				image[name] = declared + "=" + text
			}
			got[*row["w"]] = describe(b.Table, image)
		}
	}
	wrong := 0
	for _, w := range slices.Sorted(maps.Keys(j.images)) {
		if got[w] != j.images[w] && wrong < 5 {
			wrong++
			t.Errorf("write %s:\n got %s\nwant %s", w, got[w], j.images[w])
		}
	}
}

const shopTable = "(w INT NOT NULL, id INT NOT NULL PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), c INT, d INT, e ENUM('x','y','z') NOT NULL, f TEXT, g DATETIME)"

// changes are made one after the other, with writes to t and u between them.
func changes(t *testing.T, server *servertest.MySQLServer) []string {
	swap := "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a"
	if strings.HasPrefix(server.Version(t), "5.7") {
		swap = "ALTER TABLE t CHANGE a b VARCHAR(20), CHANGE b a VARCHAR(20)"
	}
	return []string{
		"ALTER TABLE t ADD h INT UNSIGNED, ADD i VARCHAR(30) AFTER a, ADD j DECIMAL(9,2) FIRST",
		"ALTER TABLE t DROP h, DROP COLUMN j",
		"ALTER TABLE t MODIFY d INT AFTER a, MODIFY b VARCHAR(20) FIRST",
		"ALTER TABLE t CHANGE c c2 INT, CHANGE d c INT", "ALTER TABLE t CHANGE c2 d INT",
		swap,
		"ALTER TABLE t CHANGE c d INT, CHANGE d c INT",
		"ALTER TABLE t MODIFY c BIGINT UNSIGNED, MODIFY d DECIMAL(12,3)", "ALTER TABLE t MODIFY c INT, MODIFY d INT",
		"ALTER TABLE t MODIFY a VARCHAR(20) CHARACTER SET latin1, MODIFY f TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		"ALTER TABLE t CONVERT TO CHARACTER SET latin1", "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
		"ALTER TABLE t MODIFY e ENUM('new','x','y','z') NOT NULL", "ALTER TABLE t MODIFY e ENUM('z','y','x','new') NOT NULL",
		"ALTER TABLE t MODIFY e SET('new','x','y','z') NULL", "ALTER TABLE t DROP e", "ALTER TABLE t ADD e ENUM('x','y','z') NOT NULL",
		"TRUNCATE TABLE t",
		"RENAME TABLE t TO v", "RENAME TABLE v TO t", "RENAME TABLE t TO x, u TO t, x TO u",
		"ALTER TABLE u RENAME TO u2, ADD k INT", "ALTER TABLE u2 RENAME u, DROP k",
		"DROP TABLE u", "CREATE TABLE u LIKE t", "ALTER TABLE u CHANGE a b VARCHAR(20), CHANGE b a VARCHAR(20)",
		"DROP TABLE t", "CREATE TABLE t " + strings.Replace(shopTable, "c INT, d INT", "d INT, c INT", 1),
		"ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (c, id)", "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id), ADD UNIQUE KEY ab (a, b)",
		"ALTER TABLE t DROP COLUMN a, ADD a VARCHAR(20) FIRST", "ALTER TABLE t DROP KEY ab, DROP a, DROP b", "ALTER TABLE t ADD b VARCHAR(20), ADD a VARCHAR(20)",
		"DROP TABLE t, u", "CREATE TABLE t " + shopTable, "CREATE TABLE u " + shopTable,
	}
}

// Whatever changes tables, before a tail ran, while it is away and while it runs:
// each image has the columns it was written with, by name, type and value.
func TestT5ImagesHaveTheColumnsTheyWereWrittenWith(t *testing.T) {
	t.Parallel()
	eachMetadata(t, func(t *testing.T, server *servertest.MySQLServer) {
		m := apptest.On(t, server, servertest.RocketMQ(t), "CREATE TABLE t "+shopTable, "CREATE TABLE u "+shopTable)
		j := &journal{m: m, images: map[string]string{}}
		run := func() {
			for _, change := range changes(t, server) {
				m.Exec(change)
				j.write("t")
				j.write("u")
				j.write("t")
			}
			m.Exec("DELETE FROM t", "DELETE FROM u") // columns come again that consumers keep of old rows
		}
		epoch := ready(m)
		run()
		tail := m.Tail(epoch)
		tail.Check("t", "u")
		tail.Stop()
		run()
		tail = m.Tail(0)
		run()
		tail.Check("t", "u")
		tail.Stop()
		j.verify(t)
	})
}

// Without metadata in the binlog, a change that isn't there either is found by
// what the table map does say, or at the tip, and never guessed at.
func TestT5UnseenChangesStopATail(t *testing.T) {
	t.Parallel()
	server := servertest.StartMySQL(t, "--loose-binlog-row-metadata=MINIMAL")
	for name, change := range map[string]string{
		"another type":    "ALTER TABLE t MODIFY v BIGINT",
		"a column more":   "ALTER TABLE t ADD x INT",
		"swapped columns": "ALTER TABLE t CHANGE v u INT, CHANGE u v INT",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := apptest.On(t, server, servertest.RocketMQ(t), "CREATE TABLE t (id INT PRIMARY KEY, u INT, v INT)", "INSERT INTO t (id, u, v) VALUES (1, 1, 2)")
			tail := m.Tail(ready(m))
			tail.Check("t")
			tail.Stop()
			m.Exec("SET sql_log_bin = 0; "+change+"; SET sql_log_bin = 1", "UPDATE t SET v = 3")
			fails(t, m.Tail(0), fault.SchemaMismatch, m.Database+".t", "take a new snapshot")
		})
	}
}
