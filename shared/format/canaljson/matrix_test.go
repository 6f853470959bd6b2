// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slipway/scripts/canal"
	"slipway/shared/apptest"
	"slipway/shared/checker"
	"slipway/shared/servertest"
	"slipway/shared/typetest"
)

// stored are the rows that the snapshot reads: those with an id from here on.
const stored = 1000

// TestD1EveryTypeOnEveryServer moves every type of every server version with all
// its values, by snapshot, INSERT, UPDATE and DELETE, while canal reads the same
// binlog. A value has one text, whichever way it came; the goldens have each
// text, and each place where canal writes another, which are the same on all
// servers.
func TestD1EveryTypeOnEveryServer(t *testing.T) {
	for _, version := range []string{"5.7.22", "8.0.31", ""} {
		t.Run("MySQL "+version, func(t *testing.T) {
			server, broker := servertest.StartMySQLVersion(t, version, canal.Flags()...), servertest.RocketMQ(t)
			number, _, _ := strings.Cut(server.Version(t), "-")
			m := newMatrix(t, server, broker)
			c := canal.Run(t, canal.Config{
				DB: m.DB, Address: server.Addr, ServerID: 7002, NameServer: broker.NameServer, Topic: broker.Topic(t, 1),
				Filter: m.Database + "[.](" + strings.Join(m.judged(), "|") + "|fence)",
			})
			m.run()
			goldenLines(t, "types-"+number, m.texts(t))
			goldenLines(t, "canal", m.deviations(t, c.Messages(`"table":"fence"`)))
		})
	}
}

// matrix is the migration of the types' tables.
type matrix struct {
	*apptest.Migration
	tables   []typetest.Table // the last is what canal can't read
	messages []checker.Message
}

func newMatrix(t *testing.T, server *servertest.MySQLServer, broker *servertest.Broker) *matrix {
	t.Helper()
	m := &matrix{Migration: apptest.On(t, server, broker, "CREATE TABLE fence (id int PRIMARY KEY)")}
	m.YAML += "packing: {maxRows: 1}\n"
	stalling := typetest.Table{Name: "stalling"}
	for _, table := range typetest.Tables(server.VersionID(t)) {
		readable := table.ForCanal()
		for _, c := range table.Columns {
			if c.Stalls != "" {
				stalling.Columns = append(stalling.Columns, c)
			}
		}
		m.tables = append(m.tables, readable)
	}
	m.tables = append(m.tables, stalling)
	m.each(m.tables, func(table typetest.Table) []string { return []string{table.Create(m.Database)} })
	m.each(m.tables, func(table typetest.Table) (list []string) {
		for r := range table.Rows() {
			list = append(list, table.Insert(m.Database, r, stored+r))
		}
		return list
	})
	return m
}

// each runs statements for some tables in one session at UTC without sql_mode.
func (m *matrix) each(tables []typetest.Table, statements func(typetest.Table) []string) {
	m.T.Helper()
	all := []string{"SET time_zone = '+00:00', sql_mode = ''"}
	for _, table := range tables {
		all = append(all, statements(table)...)
	}
	conn, err := m.DB.Conn(m.T.Context())
	m.Must(err)
	defer conn.Close()
	for _, s := range all {
		if _, err := conn.ExecContext(m.T.Context(), s); err != nil {
			m.T.Fatalf("%.300s: %v", s, err)
		}
	}
}

func (m *matrix) names() (names []string) {
	for _, table := range m.tables {
		names = append(names, table.Name)
	}
	return names
}

// judged are the tables that canal can read.
func (m *matrix) judged() []string { return m.names()[:len(m.tables)-1] }

// run moves all and reads the topic.
func (m *matrix) run() {
	m.T.Helper()
	m.Plan()
	m.Snapshot()
	tail := m.Tail(m.Settle())
	writes := func(table typetest.Table) (list []string) {
		for r := range table.Rows() {
			list = append(list, table.Insert(m.Database, r, r), table.Update(m.Database, next(table, r), r),
				fmt.Sprintf("DELETE FROM %s.%s WHERE id = %d", m.Database, table.Name, r))
		}
		return list
	}
	judged := len(m.tables) - 1
	m.each(m.tables[:judged], writes)
	m.Exec("INSERT INTO fence VALUES (1)")
	m.each(m.tables[judged:], writes) // a VECTOR stops canal wherever it is in the binlog
	tail.Check(append(m.names(), "fence")...)
	tail.Stop()
	var err error
	m.messages, err = checker.Read(m.T.Context(), m.Broker.NameServer, []string{m.Topic})
	m.Must(err)
}

// next is the row whose values an UPDATE gives to row r.
func next(table typetest.Table, r int) int { return (r + 1) % table.Rows() }

// texts gives a line for each value: its column, its SQL, its text. It fails where
// a value's text depends on the way it came.
func (m *matrix) texts(t *testing.T) (lines []string) {
	t.Helper()
	type place struct {
		table, column string
		row           int
	}
	seen := map[place]string{}
	images := 0
	tables := map[string]typetest.Table{}
	for _, table := range m.tables {
		tables[table.Name] = table
	}
	for _, msg := range m.messages {
		var b struct {
			Type, Table string
			Data        []map[string]*string
		}
		m.Must(json.Unmarshal(msg.Body, &b))
		table, ok := tables[b.Table]
		if !ok {
			continue
		}
		images++
		id, err := strconv.Atoi(*b.Data[0]["id"])
		m.Must(err)
		row := id % stored
		if b.Type != "INSERT" {
			row = next(table, row)
		}
		for _, c := range table.Columns {
			if len(c.Values) == 0 {
				continue
			}
			text := "NULL"
			if v := b.Data[0][c.Label()]; v != nil {
				text = strconv.Quote(*v)
			}
			if was := seen[place{b.Table, c.Label(), row}]; was != "" && was != text {
				t.Errorf("%s %s = %s: %s of %s gives %s, elsewhere it is %s", b.Table, c.Label(), table.Value(c, row), b.Type, *b.Data[0]["id"], text, was)
			}
			seen[place{b.Table, c.Label(), row}] = text
		}
	}
	for _, table := range m.tables {
		images -= 4 * table.Rows()
		for _, c := range table.Columns {
			for r := range min(len(c.Values), table.Rows()) {
				lines = append(lines, fmt.Sprintf("%s = %s\t%s", c.Label(), short(c.Values[r]), short(seen[place{table.Name, c.Label(), r}])))
			}
		}
	}
	if images != 0 {
		t.Errorf("%d images more than rows were written", images)
	}
	return lines
}

// short is a text of which a golden line has the beginning and a digest.
func short(text string) string {
	if len(text) <= 300 {
		return text
	}
	return fmt.Sprintf("%.60s… %d bytes, SHA-256 %.12x", strings.ToValidUTF8(text[:60], ""), len(text), sha256.Sum256([]byte(text)))
}

// deviations gives a line for each thing that canal says otherwise.
func (m *matrix) deviations(t *testing.T, theirs [][]byte) (lines []string) {
	t.Helper()
	var ours []checker.Message
	for _, msg := range m.messages {
		if msg.Properties["phase"] != "full" && slices.Contains(m.judged(), msg.Properties["table"]) {
			ours = append(ours, msg)
		}
	}
	slices.SortFunc(ours, func(a, b checker.Message) int { return int(seq(m, a) - seq(m, b)) })
	if len(ours) != len(theirs) {
		t.Fatalf("canal sent %d messages, we %d", len(theirs), len(ours))
	}
	for i := range ours {
		found, err := canal.Differences(ours[i].Body, theirs[i])
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, ours[i].Body, theirs[i])
		}
		for _, d := range found {
			lines = append(lines, fmt.Sprintf("%s %s\t%s\tcanal: %s", d.Field, d.Column, short(d.Ours), short(d.Canal)))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func seq(m *matrix, msg checker.Message) int64 {
	n, err := strconv.ParseInt(msg.Properties["seq"], 10, 64)
	m.Must(err)
	return n
}
