// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// logged is a row of a table whose events these tests write as a server does:
//
//	CREATE TABLE d.t (id bigint PRIMARY KEY, n int unsigned, name varchar(255) CHARACTER SET utf8mb4, body blob, price double, at datetime(3), doc json)
//
// What is nil is NULL.
type logged struct {
	id    int64
	n     *uint32
	name  *string
	body  []byte
	price *float64
	at    *clock
	doc   *string // a text of up to 127 bytes
}

// clock is a date and time in milliseconds.
type clock struct{ year, month, day, hour, minute, second, millis int }

func (c clock) String() string {
	return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%03d", c.year, c.month, c.day, c.hour, c.minute, c.second, c.millis)
}

const loggedColumns = "id bigint PRIMARY KEY, n int unsigned, name varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, body blob, price double, at datetime(3), doc json"

// loggedMap is the body of its table map behind the table id: flags, names, types, what types need to know, what may be
// NULL, and then what binlog_row_metadata=FULL adds.
func loggedMap(database string) []byte {
	b := []byte{1, 0, byte(len(database))}
	b = append(append(b, database...), 0, 1, 't', 0)
	b = append(b, 7, 8, 3, 15, 252, 5, 18, 245)
	b = append(b, 6, 0xfc, 0x03, 2, 8, 3, 4, 0b1111110)
	b = append(b, 1, 1, 0b01000000) // n is unsigned
	b = append(b, 3, 2, 45, 63)     // collations of name and body
	var names []byte
	for _, name := range []string{"id", "n", "name", "body", "price", "at", "doc"} {
		names = append(append(names, byte(len(name))), name...)
	}
	b = append(append(b, 4, byte(len(names))), names...)
	b = append(b, 8, 1, 0)              // the primary key
	return append(b, 12, 1, 0b11111110) // all visible
}

// image is a row as it stands in a rows event.
func (l logged) image() []byte {
	nulls := byte(0)
	for i, null := range []bool{false, l.n == nil, l.name == nil, l.body == nil, l.price == nil, l.at == nil, l.doc == nil} {
		if null {
			nulls |= 1 << i
		}
	}
	le := binary.LittleEndian
	b := le.AppendUint64([]byte{nulls}, uint64(l.id))
	if l.n != nil {
		b = le.AppendUint32(b, *l.n)
	}
	if l.name != nil {
		b = append(le.AppendUint16(b, uint16(len(*l.name))), *l.name...)
	}
	if l.body != nil {
		b = append(le.AppendUint16(b, uint16(len(l.body))), l.body...)
	}
	if l.price != nil {
		b = le.AppendUint64(b, math.Float64bits(*l.price))
	}
	if c := l.at; c != nil {
		date := uint64(c.year*13+c.month)<<5 | uint64(c.day)
		packed := date<<17 | uint64(c.hour<<12|c.minute<<6|c.second) | 1<<39
		b = append(b, byte(packed>>32), byte(packed>>24), byte(packed>>16), byte(packed>>8), byte(packed))
		b = binary.BigEndian.AppendUint16(b, uint16(c.millis*10))
	}
	if l.doc != nil {
		b = append(le.AppendUint32(b, uint32(len(*l.doc)+2)), 12, byte(len(*l.doc)))
		b = append(b, *l.doc...)
	}
	return b
}

// row is what must be read from it.
func (l logged) row() change.Row {
	row := change.Row{change.NewInt(l.id), {}, {}, {}, {}, {}, {}}
	if l.n != nil {
		row[1] = change.NewUint(uint64(*l.n))
	}
	if l.name != nil {
		row[2] = change.NewText(*l.name)
	}
	if l.body != nil {
		row[3] = change.NewBytes(string(l.body))
	}
	if l.price != nil {
		row[4] = change.NewFloat64(*l.price)
	}
	if l.at != nil {
		row[5] = change.NewText(l.at.String())
	}
	if l.doc != nil {
		row[6] = change.NewText(strconv.Quote(*l.doc))
	}
	return row
}

// rowsBody is the body of a rows event behind the table id, with all columns in it.
func rowsBody(typ replication.EventType, images ...[]byte) []byte {
	b := []byte{1, 0, 2, 0, 7, 0xff}
	if typ == replication.UPDATE_ROWS_EVENTv2 {
		b = append(b, 0xff)
	}
	return append(b, bytes.Join(images, nil)...)
}

// rowsTypes are the events a row is written with.
var rowsTypes = []replication.EventType{replication.WRITE_ROWS_EVENTv2, replication.UPDATE_ROWS_EVENTv2, replication.DELETE_ROWS_EVENTv2}

// feed is a log that a test writes.
type feed struct {
	t testing.TB
	*mysql.Feed
	events []mysql.Event
}

// everything selects all tables. All that is known of any of them is this definition, nil for none.
type everything struct{ known *change.Table }

func (e everything) Selected(string, string) bool                               { return true }
func (e everything) Candidates(string, string) (*change.Table, []*change.Table) { return e.known, nil }

func (e everything) Contradicted(_, _ string, err error) error { return err }

func newFeed(t testing.TB, known *change.Table) *feed {
	t.Helper()
	f := &feed{t: t}
	var err error
	if f.Feed, err = mysql.NewFeed(everything{known}, func(e mysql.Event) error { f.events = append(f.events, e); return nil }); err != nil {
		t.Fatal(err)
	}
	format := make([]byte, 2+50+4+1+41+5) // without checksums
	format[0], format[56] = 4, replication.EventHeaderSize
	copy(format[2:], "9.7.4")
	if err := f.write(replication.FORMAT_DESCRIPTION_EVENT, format); err != nil {
		t.Fatal(err)
	}
	return f
}

// errLibrary is what go-mysql's parser ends with. Its panics end a connection, which is then tried again.
var errLibrary = errors.New("not parsed")

// write puts one event into the log.
func (f *feed) write(typ replication.EventType, body []byte) error {
	f.t.Helper()
	raw := make([]byte, replication.EventHeaderSize, replication.EventHeaderSize+len(body)+64) // there is memory behind it
	raw[4] = byte(typ)
	binary.LittleEndian.PutUint32(raw[9:], uint32(len(raw)+len(body)))
	e, err := f.parse(append(raw, body...))
	if err != nil {
		return fmt.Errorf("%w: %w", errLibrary, err)
	}
	err = f.Handle(e)
	if c, ok := errors.AsType[*fault.Error](err); ok && c.Class == fault.Internal {
		f.t.Fatalf("event %s %x: %v", typ, body, err)
	}
	return err
}

func (f *feed) parse(raw []byte) (e *replication.BinlogEvent, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f.Parse(raw)
}

// withID puts the table id before a body.
func withID(body []byte) []byte { return append([]byte{1, 0, 0, 0, 0, 0}, body...) }

// Whatever the bytes of a table map and of rows are, and whether the table is known: they are refused, or read as rows of
// the table that they are said to be of.
func FuzzRows(f *testing.F) {
	n, name, price, doc := uint32(1<<31), "ä日😀", -0.5, "x"
	full := logged{id: -1, n: &n, name: &name, body: []byte{0, 255}, price: &price, at: &clock{2026, 11, 25, 15, 30, 1, 7}, doc: &doc}
	learnt := newFeed(f, nil)
	err := errors.Join(learnt.write(replication.TABLE_MAP_EVENT, withID(loggedMap("d"))), learnt.write(rowsTypes[0], withID(rowsBody(rowsTypes[0], full.image()))))
	if err != nil {
		f.Fatal(err)
	}
	known := learnt.events[0].Table
	minimal, _, _ := bytes.Cut(loggedMap("d"), []byte{3, 2, 45, 63})
	for i, typ := range rowsTypes {
		f.Add(minimal, byte(i), rowsBody(typ, full.image(), full.image()))
		images := [][]byte{full.image(), logged{}.image()}
		f.Add(loggedMap("d"), byte(i), rowsBody(typ, images...))
		f.Add(loggedMap("d"), byte(i), rowsBody(typ))
	}
	// The other types, with what each needs to know: decimal(10,2), bit(10), year, date, time(6), timestamp(2), char(10),
	// an enum, a set, geometry, and the integers between.
	others := []byte{1, 0, 1, 'd', 0, 1, 't', 0, 12, 246, 16, 13, 10, 19, 17, 254, 254, 254, 255, 2, 9}
	others = append(others, 14, 10, 2, 2, 1, 6, 2, 0xee, 0x28, 247, 1, 248, 1, 4, 0xff, 0x0f)
	others = append(others, 3, 1, 45, 11, 2, 45, 45, 5, 3, 1, 1, 'a', 6, 4, 1, 2, 1, 'x', 7, 1, 1)
	names := []byte{}
	for c := range byte(12) {
		names = append(names, 1, 'a'+c)
	}
	others = append(append(others, 4, byte(len(names))), names...)
	f.Add(others, byte(0), []byte{1, 0, 2, 0, 12, 0xff, 0x0f, 0xff, 0x0f})
	f.Add(others, byte(0), []byte{1, 0, 2, 0, 12, 0xff, 0x0f, 0, 0, 0x80, 0, 0, 1, 5, 1, 2, 126, 1, 2, 3, 128, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 1, 'x', 1, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5})

	f.Fuzz(func(t *testing.T, tableMap []byte, typ byte, rows []byte) {
		for _, known := range []*change.Table{nil, known} {
			log := newFeed(t, known)
			if log.write(replication.TABLE_MAP_EVENT, withID(tableMap)) != nil {
				continue
			}
			err := log.write(rowsTypes[int(typ)%len(rowsTypes)], withID(rows))
			if err != nil && len(log.events) > 0 {
				t.Fatalf("rows beside an error: %v", err)
			}
			for _, e := range log.events {
				for _, r := range e.Rows {
					checkImage(t, e, r.Before, e.Op != change.OpInsert)
					checkImage(t, e, r.After, e.Op != change.OpDelete)
				}
			}
		}
	})
}

// checkImage holds a row image to its table and its operation.
func checkImage(t *testing.T, e mysql.Event, row change.Row, there bool) {
	t.Helper()
	if (row != nil) != there || there && len(row) != len(e.Table.Columns) {
		t.Fatalf("%s %s: image %v", e.Op, e.Table, row)
	}
	for i, v := range row {
		if v.Kind() == change.Text && !utf8.ValidString(v.Str()) && e.Table.Columns[i].Type != change.TypeJSON {
			t.Fatalf("%s %s: text %q", e.Table, e.Table.Columns[i].Name, v.Str())
		}
	}
}

// What is written is read: every value, row by row; and of an event that was cut nothing is.
func FuzzRowsAreReadAsWritten(f *testing.F) {
	f.Add(int64(-1), uint32(1<<31), "ä日😀", []byte{0, 255}, -0.5, uint64(1<<40+12345), "x", byte(0), byte(1), uint16(3))
	f.Add(int64(math.MaxInt64), uint32(0), "", []byte{}, math.Inf(1), uint64(0), "\"\\", byte(0b1010101), byte(2), uint16(0))
	f.Add(int64(0), uint32(7), strings.Repeat("a", 300), []byte("b"), 0.0, uint64(1<<63), "", byte(0xff), byte(0), uint16(500))
	f.Add(int64(0), uint32(0), "", []byte("b"), 0.0, uint64(0), "x", byte(0b10011), byte(0), uint16(9)) // cut in the first row's last value
	f.Fuzz(func(t *testing.T, id int64, n uint32, name string, body []byte, price float64, at uint64, doc string, nulls, typ byte, cut uint16) {
		name, doc = strings.ToValidUTF8(name, "?"), strings.ToValidUTF8(doc, "?")
		if len(name) > 1020 || len(body) > math.MaxUint16 || len(doc) > 127 || strings.ContainsFunc(doc, func(r rune) bool { return strconv.Quote(string(r)) != `"`+string(r)+`"` }) || math.IsNaN(price) {
			return
		}
		part := func(size int) int { p := int(at % uint64(size)); at /= uint64(size); return p }
		c := clock{part(10000), part(13), part(32), part(24), part(60), part(60), part(1000)}
		row := logged{id: id, n: &n, name: &name, body: append([]byte{}, body...), price: &price, at: &c, doc: &doc}
		for i, null := range []func(){func() { row.n = nil }, func() { row.name = nil }, func() { row.body = nil }, func() { row.price = nil }, func() { row.at = nil }, func() { row.doc = nil }} {
			if nulls&(1<<i) != 0 {
				null()
			}
		}
		second := logged{id: id + 1}
		rowsType := rowsTypes[int(typ)%len(rowsTypes)]
		whole := withID(rowsBody(rowsType, row.image(), second.image()))

		log := newFeed(t, nil)
		if err := log.write(replication.TABLE_MAP_EVENT, withID(loggedMap("d"))); err != nil {
			t.Fatal(err)
		}
		if err := log.write(rowsType, whole); err != nil {
			t.Fatal(err)
		}
		var got []change.Row
		for _, r := range log.events[0].Rows {
			got = append(got, r.Before, r.After)
		}
		want := map[change.Op][]change.Row{
			change.OpInsert: {nil, row.row(), nil, second.row()}, change.OpUpdate: {row.row(), second.row()}, change.OpDelete: {row.row(), nil, second.row(), nil},
		}[log.events[0].Op]
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("%s: got %v, want %v", rowsType, got, want)
		}
		checkCut(t, rowsType, whole, 1+int(cut), len(second.image()))
	})
}

// checkCut writes an event without its end. All that may be read is the first of two rows, when the second is gone whole.
func checkCut(t *testing.T, typ replication.EventType, whole []byte, cut, second int) {
	t.Helper()
	if cut > len(whole) {
		return
	}
	log := newFeed(t, nil)
	if err := log.write(replication.TABLE_MAP_EVENT, withID(loggedMap("d"))); err != nil {
		t.Fatal(err)
	}
	err := log.write(typ, whole[:len(whole)-cut])
	header := len(withID(rowsBody(typ)))
	switch {
	case cut == second && typ != replication.UPDATE_ROWS_EVENTv2:
		if err != nil || len(log.events) != 1 || len(log.events[0].Rows) != 1 {
			t.Fatalf("%s with one row: %v, %v", typ, log.events, err)
		}
	case len(whole)-cut == header:
		if err != nil || len(log.events) > 0 {
			t.Fatalf("%s without a row: %v, %v", typ, log.events, err)
		}
	case err == nil:
		t.Fatalf("%s without its last %d bytes is read: %v", typ, cut, log.events)
	}
}

// The events that these tests write are byte for byte a server's.
func TestLoggedRowsAreAServers(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t ("+loggedColumns+")")
	start := logEnd(t, c)
	n, name, price, doc := uint32(1<<31), "ä日😀", -0.5, "x"
	full := logged{id: -1, n: &n, name: &name, body: []byte{0, 255}, price: &price, at: &clock{2026, 11, 25, 15, 30, 1, 7}, doc: &doc}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	query(t, c, "INSERT INTO "+db+".t VALUES (?, ?, ?, ?, ?, ?, ?), (2, NULL, NULL, NULL, NULL, NULL, NULL)", full.id, n, name, full.body, price, full.at.String(), string(asJSON))
	query(t, c, "UPDATE "+db+".t SET id = 3 WHERE id = 2")
	query(t, c, "DELETE FROM "+db+".t WHERE id = -1")
	want := [][]byte{
		rowsBody(rowsTypes[0], full.image(), logged{id: 2}.image()),
		rowsBody(rowsTypes[1], logged{id: 2}.image(), logged{id: 3}.image()), rowsBody(rowsTypes[2], full.image()),
	}
	readBinlog(t, c, start, func(e *replication.BinlogEvent) {
		raw := e.RawData[replication.EventHeaderSize:]
		raw = raw[min(8, len(raw)) : len(raw)-replication.BinlogChecksumLength] // behind table id and flags
		switch ev := e.Event.(type) {
		case *replication.TableMapEvent:
			if string(ev.Schema) == db && !bytes.Equal(raw, loggedMap(db)[2:]) {
				t.Errorf("table map\n got %x\nwant %x", raw, loggedMap(db)[2:])
			}
		case *replication.RowsEvent:
			if string(ev.Table.Schema) != db {
				return
			}
			if len(want) == 0 || !bytes.Equal(raw, want[0][2:]) {
				t.Fatalf("%s\n got %x\nwant %x", e.Header.EventType, raw, want)
			}
			want = want[1:]
		}
	})
	if len(want) > 0 {
		t.Errorf("%d events are missing", len(want))
	}
}
