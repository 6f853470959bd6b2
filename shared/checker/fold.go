// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// fold is a consumer that follows rule D6 to the letter: per (lane, table) the
// highest seq applied, per row its seq. Whatever the interleaving of queues, it
// must end with the same rows; that is what Digest is for.
type fold struct {
	keys    map[string][]string
	highest map[laneTable]int64
	tables  map[string]*table
}

// laneTable is where D6 keeps a highest seq. Lanes of different topics are
// different streams.
type laneTable struct{ topic, lane, table string }

// table is one table at the consumer.
type table struct {
	name string
	rows map[string]*stored
	// copies counts equal rows of a table without a key.
	copies map[string]int
	// key names the columns that identify a row; keyless tables are bags of rows.
	key     []string
	keyless bool
	layouts map[string]*layout
	// marks are the DDL statements about the table, by seq.
	marks []mark
}

// layout is a list of columns, shared by the rows that have it.
type layout struct{ columns []string }

// stored is a row at the consumer, its image packed by encode.
type stored struct {
	seq    int64
	layout *layout
	image  string
	// seen belongs to Compare: the row was found at the source.
	seen bool
}

// doubt is a row change that did not fit the image before it. It is excused if
// a DDL of the table, perhaps still to come in another queue, lies in between.
type doubt struct {
	table string
	// absent: there was no image before. bag: the table has no key.
	absent, bag bool
	from, to    int64
	row         int // in its message
	detail      string
}

func newFold(keys map[string][]string) *fold {
	return &fold{keys: keys, highest: map[laneTable]int64{}, tables: map[string]*table{}}
}

func (f *fold) table(name string) *table {
	t := f.tables[name]
	if t == nil {
		t = &table{name: name, rows: map[string]*stored{}, copies: map[string]int{}, layouts: map[string]*layout{}}
		f.tables[name] = t
	}
	return t
}

// outcome says what became of a message.
type outcome struct {
	// dropped: by its seq; removed: by a TRUNCATE, DROP or reset with a later seq.
	dropped, removed bool
	// straddles: the message has rows on both sides of such a statement.
	straddles bool
	doubts    []doubt
}

// apply is D6 for one message.
func (f *fold) apply(c *change, topic string) outcome {
	at := laneTable{topic, c.lane, c.name()}
	highest, known := f.highest[at]
	if known && (c.lastSeq < highest || c.lastSeq == highest && !c.full()) {
		return outcome{dropped: true}
	}
	f.highest[at] = c.lastSeq
	if c.ddl() {
		f.statement(c)
		return outcome{}
	}
	first, alive := f.resolve(c.name(), c.seq)
	last, lastAlive := f.resolve(c.name(), c.lastSeq)
	if !lastAlive {
		return outcome{removed: true}
	}
	o := outcome{straddles: first != last || !alive}
	t := f.table(last)
	t.setKey(f.keys[last], c.body.PKNames)
	l := t.layoutOf(c.columns)
	for i := range c.rows {
		if d, ok := t.row(c, i, l); !ok {
			o.doubts = append(o.doubts, d)
		}
	}
	return o
}

// setKey fixes what identifies a row: what the caller says, else the message's
// pkNames. When an ALTER changes the primary key, stored rows are keyed anew.
func (t *table) setKey(named, primary []string) {
	key := named
	if key == nil {
		key = primary
	}
	if t.key != nil && slices.Equal(t.key, key) || t.keyless && key == nil {
		return
	}
	t.key, t.keyless = slices.Clone(key), key == nil
	t.rekey()
}

// rekey gives every row its place anew; a bag of rows needs it when rows were
// taken out of its middle.
func (t *table) rekey() {
	old := t.rows
	t.rows, t.copies = make(map[string]*stored, len(old)), map[string]int{}
	for _, r := range old {
		t.rows[t.keyOf(r.layout, decode(r.image), r.image, true)] = r
	}
}

// keyOf gives a row's place in rows. Of a keyless table that is its image and a
// number: the next free one to store, the last used one to find.
func (t *table) keyOf(l *layout, row []Value, image string, store bool) string {
	if t.keyless {
		n := t.copies[image]
		if store {
			n++
			t.copies[image] = n
		}
		return image + "\x00" + strconv.Itoa(n)
	}
	key := make([]Value, 0, len(t.key))
	for _, name := range t.key {
		if i := slices.Index(l.columns, name); i >= 0 {
			key = append(key, row[i])
		}
	}
	return encode(key)
}

// row applies row i of a message and tells whether it fitted what was there.
func (t *table) row(c *change, i int, l *layout) (doubt, bool) {
	fits, d := true, doubt{table: t.name, bag: t.keyless, to: c.lastSeq, row: i}
	say := func(r *stored, format string, a ...any) {
		fits, d.absent, d.from = false, r == nil, -1
		if r != nil {
			d.from = r.seq
		}
		d.detail = fmt.Sprintf("row %d: ", i) + fmt.Sprintf(format, a...)
	}
	image := encode(c.rows[i])
	if c.op == "UPDATE" || c.op == "DELETE" {
		before := c.before(i)
		was := encode(before)
		key := t.keyOf(l, before, was, false)
		switch r := t.rows[key]; {
		case r == nil:
			say(nil, "%s of a row that is not there, key %s", c.op, t.show(l, before))
		case r.image != was || !slices.Equal(r.layout.columns, l.columns):
			say(r, "%s of a row whose image before differs from the last one delivered, key %s%s", c.op, t.show(l, before), firstDifference(r, l, before))
		}
		t.remove(key, was)
	}
	if c.op == "DELETE" {
		return d, fits
	}
	key := t.keyOf(l, c.rows[i], image, true)
	if r := t.rows[key]; r != nil && (!c.full() || r.seq >= c.lastSeq) {
		say(r, "%s makes a row that is there already, key %s", c.op, t.show(l, c.rows[i]))
	}
	t.rows[key] = &stored{seq: c.lastSeq, layout: l, image: image}
	return d, fits
}

func (t *table) remove(key, image string) {
	if _, ok := t.rows[key]; !ok {
		return
	}
	delete(t.rows, key)
	if t.keyless {
		if t.copies[image]--; t.copies[image] == 0 {
			delete(t.copies, image)
		}
	}
}

// show names a row for people.
func (t *table) show(l *layout, row []Value) string {
	key := t.key
	if t.keyless {
		key = l.columns
	}
	var b strings.Builder
	for _, name := range key {
		if i := slices.Index(l.columns, name); i >= 0 {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(name + "=" + row[i].String())
		}
	}
	return b.String()
}

func firstDifference(r *stored, l *layout, before []Value) string {
	if !slices.Equal(r.layout.columns, l.columns) {
		return ": other columns"
	}
	for i, v := range decode(r.image) {
		if v != before[i] {
			return fmt.Sprintf(", column %s: was %s, says %s", l.columns[i], v, before[i])
		}
	}
	return ""
}

func (t *table) layoutOf(columns []string) *layout {
	id := strings.Join(columns, "\x00")
	l := t.layouts[id]
	if l == nil {
		l = &layout{columns: columns}
		t.layouts[id] = l
	}
	return l
}

// encode packs values into one string: a million rows are kept, so a row is one
// allocation. decode undoes it.
func encode(row []Value) string {
	size := 0
	for _, v := range row {
		size += len(v.Text) + 3
	}
	b := make([]byte, 0, size)
	for _, v := range row {
		if v.Null {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(v.Text))+1)
		b = append(b, v.Text...)
	}
	return string(b)
}

func decode(image string) []Value {
	var row []Value
	for b := []byte(image); len(b) > 0; {
		n, w := binary.Uvarint(b)
		b = b[w:]
		if n == 0 {
			row = append(row, Value{Null: true})
			continue
		}
		row = append(row, Value{Text: string(b[:n-1])})
		b = b[n-1:]
	}
	return row
}

// digest hashes all rows, whatever the order, without their seqs.
func (f *fold) digest() uint64 {
	var sum uint64
	for _, name := range slices.Sorted(maps.Keys(f.tables)) {
		for key, r := range f.tables[name].rows {
			sum += xxhash.Sum64String(name + "\x00" + key + "\x00" + r.image)
		}
	}
	return sum
}
