// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// image is one row of a rows event.
type image struct {
	event replication.EventType
	row   change.Row
}

func logEnd(t testing.TB, c *mysql.Conn) mysql.LogPosition {
	t.Helper()
	end, err := c.LogEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// readBinlog hands out the events from a position up to now, parsed as
// ConfigureDecoding says.
func readBinlog(t testing.TB, c *mysql.Conn, from mysql.LogPosition, each func(*replication.BinlogEvent)) {
	t.Helper()
	end := logEnd(t, c)
	if end == from {
		return
	}
	source := configOf(t, servertest.MySQL(t))
	host, port, err := net.SplitHostPort(source.Addr)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	cfg := replication.BinlogSyncerConfig{
		ServerID: 90001, Flavor: gomysql.MySQLFlavor, Host: host, Port: uint16(n),
		User: source.User, Password: source.Password, TLSConfig: source.TLS, Logger: slog.New(slog.DiscardHandler),
	}
	mysql.ConfigureDecoding(&cfg)
	syncer := replication.NewBinlogSyncer(cfg)
	defer syncer.Close()
	stream, err := syncer.StartSync(gomysql.Position{Name: from.File, Pos: uint32(from.Pos)})
	if err != nil {
		t.Fatal(err)
	}
	for at := from; at.Compare(end) < 0; {
		e, err := stream.GetEvent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		each(e)
		at.Pos = max(at.Pos, uint64(e.Header.LogPos))
		if r, ok := e.Event.(*replication.RotateEvent); ok {
			at = mysql.LogPosition{File: string(r.NextLogName), Pos: r.Position}
		}
	}
}

// binlogImages decodes all row images since from with the table's definition.
func binlogImages(t testing.TB, c *mysql.Conn, from mysql.LogPosition, table *change.Table) []image {
	t.Helper()
	images, err := tryBinlogImages(t, c, from, table)
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// tryBinlogImages gives the last row's error.
func tryBinlogImages(t testing.TB, c *mysql.Conn, from mysql.LogPosition, table *change.Table) (images []image, failed error) {
	t.Helper()
	d, err := mysql.NewBinlogDecoder(table, c.Server().Version)
	if err != nil {
		t.Fatal(err)
	}
	readBinlog(t, c, from, func(e *replication.BinlogEvent) {
		rows, ok := e.Event.(*replication.RowsEvent)
		if !ok || string(rows.Table.Schema) != table.Database || string(rows.Table.Table) != table.Name {
			return
		}
		for _, raw := range rows.Rows {
			row, err := d.Decode(raw)
			if err != nil {
				failed = err
			}
			images = append(images, image{e.Header.EventType, row})
		}
	})
	return images, failed
}

func loadTable(t testing.TB, c *mysql.Conn, db, name string) *change.Table {
	t.Helper()
	table, err := mysql.LoadTable(t.Context(), c, db, name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// selectRows reads the table as a snapshot does, ordered by its first column.
func selectRows(t testing.TB, c *mysql.Conn, table *change.Table) []change.Row {
	t.Helper()
	rows, err := trySelectRows(t, c, table)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func trySelectRows(t testing.TB, c *mysql.Conn, table *change.Table) ([]change.Row, error) {
	t.Helper()
	exprs := make([]string, len(table.Columns))
	for i := range table.Columns {
		exprs[i] = mysql.SelectExpr(&table.Columns[i])
	}
	d, err := mysql.NewSelectDecoder(table)
	if err != nil {
		t.Fatal(err)
	}
	var rows []change.Row
	sql := fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", strings.Join(exprs, ", "), mysql.QuoteTable(table), mysql.QuoteName(table.Columns[0].Name))
	err = c.Stream(t.Context(), sql, nil, func(f []gomysql.FieldValue) error {
		row, err := d.Decode(f)
		rows = append(rows, row)
		return err
	})
	return rows, err
}

// mustEqualRows compares value by value and names the column that differs.
func mustEqualRows(t testing.TB, table *change.Table, what string, got, want change.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: %s %s: binlog %s, SELECT %s", what, table.Columns[i].Name, table.Columns[i].Declared, got[i], want[i])
		}
	}
}
