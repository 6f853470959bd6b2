// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"flag"
	"regexp"
	"strings"
	"testing"

	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

var update = flag.Bool("update", false, "write tables anew from the server")

// configOf says how to reach a server.
func configOf(t testing.TB, s *servertest.MySQLServer) mysql.Config {
	t.Helper()
	return mysql.Config{Addr: s.Addr, User: "root", TLS: s.TLS(t)}
}

func connect(t testing.TB) *mysql.Conn {
	t.Helper()
	c, err := mysql.Connect(t.Context(), configOf(t, servertest.MySQL(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// since is the version that brought what a test is about, as far as not all have it.
var since = map[string]int{
	"compressed": 80020,
	// With GTIDs.
	"CREATE TABLE AS SELECT": 80021, "DDL and rows at once": 80021,
	// Before, the server logged that it was dropped.
	"a temporary table": 80013,
	"SET SESSION binlog_row_value_options = PARTIAL_JSON": 80003,
}

// needs skips a test about what the shared server doesn't have yet.
func needs(t testing.TB, what string) {
	t.Helper()
	servertest.MySQL(t).Needs(t, since[what], what)
}

// query runs one statement and gives the rows as raw text.
func query(t testing.TB, c *mysql.Conn, sql string, args ...any) [][]string {
	t.Helper()
	r, err := c.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if r.Resultset == nil {
		return nil
	}
	rows := make([][]string, len(r.Values))
	for i := range r.Values {
		for j := range r.Values[i] {
			s, err := r.GetString(i, j)
			if err != nil {
				t.Fatal(err)
			}
			rows[i] = append(rows[i], s)
		}
	}
	return rows
}

var (
	vectorType  = regexp.MustCompile(`vector\(\d\)`)
	vectorValue = regexp.MustCompile(`TO_VECTOR\('.*?'\)`)
)

// forServer lets a test that has a VECTOR column run where there is none yet:
// a VARBINARY takes its place and bytes.
func forServer(c *mysql.Conn, sql string) string {
	if !strings.HasPrefix(c.Server().Version, "8.") && !strings.HasPrefix(c.Server().Version, "5.") {
		return sql
	}
	return vectorValue.ReplaceAllString(vectorType.ReplaceAllString(sql, "varbinary(12)"), "0x0000803f000000c00000003f")
}
