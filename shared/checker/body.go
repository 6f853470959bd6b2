// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Value is one column's value in Canal JSON: a text, or NULL.
type Value struct {
	Text string
	Null bool
}

// String shows the value for people; NULL is told from the text "NULL".
func (v Value) String() string {
	if v.Null {
		return "NULL"
	}
	const most = 200
	if len(v.Text) > most {
		return fmt.Sprintf("%q… (%d bytes)", v.Text[:most], len(v.Text))
	}
	return fmt.Sprintf("%q", v.Text)
}

// canalJSON is Canal's flat message, as much of it as is looked at.
type canalJSON struct {
	Data      []json.RawMessage `json:"data"`
	Database  *string           `json:"database"`
	ES        int64             `json:"es"`
	GTID      *string           `json:"gtid"`
	ID        json.RawMessage   `json:"id"`
	IsDDL     *bool             `json:"isDdl"`
	MySQLType json.RawMessage   `json:"mysqlType"`
	Old       []json.RawMessage `json:"old"`
	PKNames   []string          `json:"pkNames"`
	SQL       *string           `json:"sql"`
	SQLType   json.RawMessage   `json:"sqlType"`
	Table     *string           `json:"table"`
	TS        int64             `json:"ts"`
	Type      string            `json:"type"`
}

// field is one column of one row object.
type field struct {
	name  string
	value Value
}

// change is a message understood: properties, body and rows.
type change struct {
	header
	rid  rowID
	body canalJSON
	// columns of every row, in the order of `data`.
	columns []string
	// rows are the images of `data`; old, for an UPDATE, what changed, by column
	// index.
	rows [][]Value
	old  []map[int]Value
	// digests holds one hash per row of all that copies of a row share, however
	// they are packed; digest one of the whole body but `ts`.
	digests []uint64
	digest  uint64
}

var ddlTypes = []string{"CREATE", "ALTER", "ERASE", "TRUNCATE", "RENAME", "CINDEX", "DINDEX", "QUERY"}

// decoder reads bodies. It remembers column lists, which repeat in every message
// of a table; one goroutine owns it.
type decoder struct {
	// fullOld allows `old` to list columns that did not change.
	fullOld bool
	names   map[string][]string
}

// body fills the body's part of a change and lists what contradicts the
// properties or Canal's form. An error means that it can't be followed at all.
func (d *decoder) body(c *change, raw []byte) (wrong []string, err error) {
	if err := json.Unmarshal(raw, &c.body); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	fail := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	b := &c.body
	if b.IsDDL == nil || *b.IsDDL != c.ddl() {
		fail("isDdl does not fit op %s", c.op)
	}
	if b.Database == nil && c.database != "" || b.Database != nil && *b.Database != c.database {
		fail("database differs from the property %q", c.database)
	}
	if b.Table == nil && c.table != "" || b.Table != nil && *b.Table != c.table {
		fail("table differs from the property %q", c.table)
	}
	if !c.full() && c.rid.rows == 1 && c.rid.gtid != "" && (b.GTID == nil || *b.GTID != c.rid.given()) {
		fail("gtid differs from the id's")
	}
	if b.TS <= 0 || b.ES <= 0 {
		fail("ts or es is missing")
	}
	if c.ddl() {
		if !slices.Contains(ddlTypes, b.Type) {
			fail("type %q is no DDL type", b.Type)
		}
		if b.Data != nil || b.Old != nil {
			fail("a DDL with rows")
		}
		if c.rows0() != 0 && c.rows0() != 1 {
			fail("a DDL that counts %d rows", c.rows0())
		}
		if b.SQL == nil {
			fail("a DDL without sql")
		}
		c.hash()
		return wrong, nil
	}
	if b.Type != c.op {
		fail("type %q, but op %q", b.Type, c.op)
	}
	if b.SQL == nil || *b.SQL != "" {
		fail("sql of a row change is not empty")
	}
	if len(b.Data) != c.rows0() {
		fail("data holds %d rows, the property says %d", len(b.Data), c.rows0())
	}
	if err := d.rows(c, fail); err != nil {
		return wrong, err
	}
	c.hash()
	return wrong, nil
}

// rows0 is the property rows, which the field of decoded rows hides.
func (c *change) rows0() int { return c.header.rows }

func (d *decoder) rows(c *change, fail func(string, ...any)) error {
	var fields []field
	var err error
	for i, raw := range c.body.Data {
		if fields, err = parseObject(raw, fields[:0]); err != nil {
			return fmt.Errorf("data[%d]: %w", i, err)
		}
		if i == 0 {
			c.columns = make([]string, len(fields))
			for j := range fields {
				c.columns[j] = fields[j].name
			}
		}
		row := make([]Value, len(fields))
		for j := range fields {
			if j >= len(c.columns) || fields[j].name != c.columns[j] {
				return fmt.Errorf("data[%d] has other columns than data[0]", i)
			}
			row[j] = fields[j].value
		}
		if len(row) != len(c.columns) {
			return fmt.Errorf("data[%d] has other columns than data[0]", i)
		}
		c.rows = append(c.rows, row)
	}
	for _, name := range c.body.PKNames {
		if !slices.Contains(c.columns, name) {
			fail("pkNames lists %s, which data has not", name)
		}
	}
	for what, types := range map[string]json.RawMessage{"mysqlType": c.body.MySQLType, "sqlType": c.body.SQLType} {
		names, err := d.columnNames(types)
		if err != nil || !slices.Equal(names, c.columns) {
			fail("%s does not list the columns of data in their order", what)
		}
	}
	return d.old(c, fail)
}

func (d *decoder) old(c *change, fail func(string, ...any)) error {
	if c.op != "UPDATE" {
		if c.body.Old != nil {
			fail("old on an %s", c.op)
		}
		return nil
	}
	if len(c.body.Old) != len(c.rows) {
		return fmt.Errorf("old holds %d rows, data %d", len(c.body.Old), len(c.rows))
	}
	var fields []field
	var err error
	for i, raw := range c.body.Old {
		if fields, err = parseObject(raw, fields[:0]); err != nil {
			return fmt.Errorf("old[%d]: %w", i, err)
		}
		old := make(map[int]Value, len(fields))
		for _, f := range fields {
			j := slices.Index(c.columns, f.name)
			if j < 0 {
				return fmt.Errorf("old[%d] has column %s, which data has not", i, f.name)
			}
			if !d.fullOld && c.rows[i][j] == f.value {
				fail("old[%d] lists %s, which did not change", i, f.name)
			}
			old[j] = f.value
		}
		c.old = append(c.old, old)
	}
	return nil
}

// before gives the image row i had before the change: of an UPDATE the new one
// overlaid with the old values, of a DELETE its data.
func (c *change) before(i int) []Value {
	if c.op != "UPDATE" {
		return c.rows[i]
	}
	image := slices.Clone(c.rows[i])
	for j, v := range c.old[i] {
		image[j] = v
	}
	return image
}

// hash fills digests and digest. The first leave out what packing may change
// (es, gtid, id and ts are a message's, of its last row), the second only ts.
func (c *change) hash() {
	b := &c.body
	shared := strings.Join([]string{
		b.Type, c.name(), string(b.MySQLType), string(b.SQLType), strings.Join(b.PKNames, "\x00"), deref(b.SQL),
	}, "\x01")
	h := xxhash.New()
	count := max(len(b.Data), 1)
	for i := range count {
		h.Reset()
		_, _ = h.WriteString(shared)
		if i < len(b.Data) {
			_, _ = h.Write(b.Data[i])
		}
		if i < len(b.Old) {
			_, _ = h.WriteString("\x02")
			_, _ = h.Write(b.Old[i])
		}
		c.digests = append(c.digests, h.Sum64())
	}
	h.Reset()
	_, _ = fmt.Fprintf(h, "%d|%s|%s|%d", b.ES, deref(b.GTID), b.ID, len(b.Data))
	for _, d := range c.digests {
		_, _ = fmt.Fprintf(h, "|%x", d)
	}
	c.digest = h.Sum64()
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// columnNames is objectNames with a memory.
func (d *decoder) columnNames(raw json.RawMessage) ([]string, error) {
	if names, ok := d.names[string(raw)]; ok {
		return names, nil
	}
	names, err := objectNames(raw)
	if err != nil {
		return nil, err
	}
	const most = 10_000 // sqlType varies with the values; don't keep every variant
	if d.names == nil || len(d.names) > most {
		d.names = map[string][]string{}
	}
	d.names[string(raw)] = names
	return names, nil
}

var errNotObject = errors.New("not an object of texts and nulls")
