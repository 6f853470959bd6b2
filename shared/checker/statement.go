// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// mark is a DDL statement in a table's history. Rows of the table with a lower
// seq meet it, even if they arrive later in another queue.
type mark struct {
	seq int64
	// ends: TRUNCATE, DROP or reset: the rows before it are gone.
	ends bool
	// renamedTo: the rows before it live on under this name.
	renamedTo string
}

// add keeps marks ordered by seq; among equals the first to arrive stays first.
func (t *table) add(m mark) {
	i := len(t.marks)
	for i > 0 && t.marks[i-1].seq > m.seq {
		i--
	}
	t.marks = slices.Insert(t.marks, i, m)
}

// resolve follows a row written under a name at a seq to the name it has now.
// alive is false if a TRUNCATE, DROP or reset with a higher seq removed it.
func (f *fold) resolve(name string, seq int64) (now string, alive bool) {
	for t := f.tables[name]; t != nil; t = f.tables[name] {
		i := slices.IndexFunc(t.marks, func(m mark) bool { return m.seq > seq && (m.ends || m.renamedTo != "") })
		if i < 0 {
			break
		}
		if t.marks[i].ends {
			return name, false
		}
		name, seq = t.marks[i].renamedTo, t.marks[i].seq
	}
	return name, true
}

// statement is D6 for a DDL message. RENAME is no part of D6: a consumer keeps
// its own names. To compare with the source, rows before it move to the new
// name, and so do those that arrive later with a lower seq. What can't be told
// without keeping every deleted key for ever is a row that arrives under its
// old name, from another queue, after its deletion under the new one.
func (f *fold) statement(c *change) {
	t := f.table(c.name())
	sql := deref(c.body.SQL)
	switch {
	case c.reset || c.body.Type == "TRUNCATE" || c.body.Type == "ERASE":
		f.end(t, c.seq)
	case c.body.Type == "RENAME":
		f.rename(c, sql)
	case c.body.Type == "QUERY" && dropDatabase.MatchString(sql):
		for name, other := range f.tables {
			if strings.HasPrefix(name, c.database+".") {
				f.end(other, c.seq)
			}
		}
	default:
		t.add(mark{seq: c.seq})
	}
}

func (f *fold) end(t *table, seq int64) {
	t.add(mark{seq: seq, ends: true})
	for key, r := range t.rows {
		if r.seq < seq {
			delete(t.rows, key)
		}
	}
	t.closeGaps()
}

func (t *table) closeGaps() {
	if t.keyless {
		t.rekey()
	}
}

func (f *fold) rename(c *change, sql string) {
	from, ok := renamedFrom(sql, c.database, c.name())
	if !ok || from == c.name() {
		f.table(c.name()).add(mark{seq: c.seq})
		return
	}
	old := f.table(from)
	old.add(mark{seq: c.seq, renamedTo: c.name()})
	f.table(c.name()).add(mark{seq: c.seq})
	for key, r := range old.rows {
		if r.seq >= c.seq {
			continue
		}
		delete(old.rows, key)
		name, alive := f.resolve(c.name(), c.seq)
		if !alive {
			continue
		}
		t := f.table(name)
		if t.key == nil && !t.keyless {
			t.setKey(old.key, nil)
		}
		to := t.keyOf(r.layout, decode(r.image), r.image, true)
		if there := t.rows[to]; there == nil || there.seq < r.seq {
			t.rows[to] = r
		}
	}
	old.closeGaps()
}

// excused tells whether a DDL lies between the image a doubt is about and the
// change that did not fit it. An absent row can only be explained by a RENAME.
func (f *fold) excused(d doubt) bool {
	t := f.tables[d.table]
	if t == nil {
		return false
	}
	if d.absent {
		for _, other := range f.tables {
			for _, m := range other.marks {
				if m.renamedTo == d.table && m.seq <= d.to {
					return true
				}
			}
		}
		return false
	}
	return slices.ContainsFunc(t.marks, func(m mark) bool { return m.seq > d.from && m.seq <= d.to })
}

// lastStatement is the seq of a table's last DDL, below any seq without one.
func (t *table) lastStatement() int64 {
	if len(t.marks) == 0 {
		return math.MinInt64
	}
	return t.marks[len(t.marks)-1].seq
}

const identifier = "(?:`(?:[^`]|``)+`|[\\pL\\pN_$]+)"

var (
	dropDatabase = regexp.MustCompile(`(?is)^\s*(?:/\*.*?\*/\s*)*drop\s+(?:database|schema)\b`)
	renamePair   = regexp.MustCompile(`(?is)(` + identifier + `(?:\s*\.\s*` + identifier + `)?)\s+to\s+(` + identifier + `(?:\s*\.\s*` + identifier + `)?)`)
	alterRename  = regexp.MustCompile(`(?is)\balter\s+table\s+(` + identifier + `(?:\s*\.\s*` + identifier + `)?).*\brename\s+(?:to\s+|as\s+|=\s*)?(` + identifier + `(?:\s*\.\s*` + identifier + `)?)\s*$`)
	dot          = regexp.MustCompile("^(" + identifier + `)\s*\.\s*(` + identifier + ")$")
)

// renamedFrom finds the old name of the table a RENAME message is about: each
// message of a multi-table RENAME names one of the new names and has the whole
// statement.
func renamedFrom(sql, database, to string) (from string, ok bool) {
	pairs := alterRename.FindAllStringSubmatch(sql, 1)
	if pairs == nil {
		pairs = renamePair.FindAllStringSubmatch(sql, -1)
	}
	for _, p := range pairs {
		if qualified(p[2], database) == to {
			return qualified(p[1], database), true
		}
	}
	return "", false
}

func qualified(name, database string) string {
	if m := dot.FindStringSubmatch(name); m != nil {
		return bare(m[1]) + "." + bare(m[2])
	}
	return database + "." + bare(name)
}

func bare(name string) string {
	if s, ok := strings.CutPrefix(name, "`"); ok {
		return strings.ReplaceAll(strings.TrimSuffix(s, "`"), "``", "`")
	}
	return name
}
