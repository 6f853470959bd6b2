// SPDX-License-Identifier: Apache-2.0

// Package pipeline turns a Change into what a topic holds: it decides which
// tables are delivered, in which topic and lane, splits updates that move a
// key, and builds the message.
//
// It keeps rule D1: a row's lane follows from its source key alone, so that
// everything that ever happens to a key goes one way, whether a snapshot or
// the binlog tells it.
package pipeline

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/format/canaljson"
	"slipway/shared/mysql"
	"slipway/shared/task"
)

// Pipeline holds what a task says about its tables. It is safe for concurrent
// use.
type Pipeline struct {
	task    *task.Task
	encoder *canaljson.Encoder
	routes  sync.Map // *change.Table → *Route
}

// New makes the pipeline of a task.
func New(t *task.Task) *Pipeline {
	return &Pipeline{task: t, encoder: canaljson.New(canaljson.Options{Location: t.Location()})}
}

// Lanes is the number of lanes in use.
func (p *Pipeline) Lanes() int {
	if p.task.Order == task.OrderGlobal {
		return 1
	}
	return p.task.Lanes
}

// Selected tells whether rows of the table are delivered. A conflict between
// two entries of the task file is the precheck's to report; here it selects
// nothing.
func (p *Pipeline) Selected(database, name string) bool {
	_, ok, err := p.task.Select(database, name)
	return ok && err == nil
}

// Concerns tells whether tables of the database may be selected.
func (p *Pipeline) Concerns(database string) bool { return p.task.Concerns(database) }

// Topic is where the rows of a selected table go; "" for any other.
func (p *Pipeline) Topic(database, name string) string {
	rule, ok, err := p.task.Select(database, name)
	if !ok || err != nil {
		return ""
	}
	return rule.Topic
}

// Route is where the rows of one table definition go.
type Route struct {
	Topic string
	// Key compares source keys. Nil for a keyless table.
	Key *mysql.KeyOrder

	table    *change.Table
	lanes    int
	laneKey  *mysql.KeyOrder // nil: one lane for the table
	laneCols []int
	lane     int // when laneKey is nil
}

// Route finds where the rows of a definition go. It fails when the task's
// keyColumns don't fit the table.
func (p *Pipeline) Route(t *change.Table) (*Route, error) {
	if r, ok := p.routes.Load(t); ok {
		return r.(*Route), nil
	}
	rule, ok, err := p.task.Select(t.Database, t.Name)
	if err != nil {
		return nil, fault.New(fault.Config, "", "%w", err)
	}
	if !ok {
		return nil, fmt.Errorf("table %s is not selected", t)
	}
	r := &Route{Topic: rule.Topic, table: t, lanes: p.Lanes()}
	if p.task.Order == task.OrderTable {
		r.lane = int(xxhash.Sum64String(t.String()) % uint64(r.lanes))
	}
	if len(t.Key) > 0 {
		r.Key = mysql.NewKeyOrder(t, t.Key)
	}
	if r.laneCols, err = laneColumns(t, rule.KeyColumns); err != nil {
		return nil, err
	}
	if p.task.Order == task.OrderKey {
		if k := mysql.NewKeyOrder(t, r.laneCols); k.Canonical() {
			r.laneKey = k
		} else {
			r.lane = int(xxhash.Sum64String(t.String()) % uint64(r.lanes))
		}
	}
	actual, _ := p.routes.LoadOrStore(t, r)
	return actual.(*Route), nil
}

// laneColumns resolves keyColumns. They must be columns of the row's key: a
// lane that could change while the key stays would send two changes of one row
// along two ways at once.
func laneColumns(t *change.Table, names []string) ([]int, error) {
	if len(names) == 0 {
		return t.Key, nil
	}
	inKey := make(map[int]bool, len(t.Key))
	for _, i := range t.Key {
		inKey[i] = true
	}
	cols := make([]int, len(names))
	for i, n := range names {
		c := t.Column(n)
		if c < 0 || !inKey[c] {
			return nil, fault.New(fault.Config, "name columns of the table's primary key (or of its unique key), or leave keyColumns out",
				"objects: keyColumns of %s: %q is not a column of its key", t, n)
		}
		cols[i] = c
	}
	return cols, nil
}

// Lane is the lane of a row.
func (r *Route) Lane(row change.Row) int {
	if r.laneKey == nil {
		return r.lane
	}
	var buf [64]byte
	key := make(change.Row, len(r.laneCols))
	for i, c := range r.laneCols {
		key[i] = row[c]
	}
	return int(xxhash.Sum64(r.laneKey.Append(buf[:0], key)) % uint64(r.lanes))
}

// KeyText is the row's canonical key, for maps; only for tables with a
// canonical key.
func (r *Route) KeyText(row change.Row) string {
	return string(r.Key.Append(nil, r.table.KeyOf(row)))
}

// Moves tells whether an update moves the row to another key as the server
// compares keys (rule S6).
func (r *Route) Moves(before, after change.Row) bool {
	if r.Key == nil {
		return false
	}
	same := true
	for _, c := range r.table.Key {
		same = same && before[c] == after[c]
	}
	if same {
		return false
	}
	if !r.Key.Canonical() {
		return true
	}
	return r.KeyText(before) != r.KeyText(after)
}

// DDLLane is the lane of statements. Its messages are barriers, so which one
// matters little; it never changes.
const DDLLane = 0

// Group is the message group of a lane. Groups of two tasks never meet.
func Group(taskName string, lane int) string {
	return taskName + "/" + strconv.Itoa(lane)
}
