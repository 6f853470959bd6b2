// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"slipway/shared/change"
)

func itoa(n int64) string        { return strconv.FormatInt(n, 10) }
func utoa(n uint64) string       { return strconv.FormatUint(n, 10) }
func hexLiteral(s string) string { return fmt.Sprintf("X'%x'", s) }

// quote writes a text as MySQL reads it under the default sql_mode.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// now is the encoding time of all goldens.
var now = time.UnixMilli(1_700_000_000_123)

// typesTable is the table of all types; id is its primary key.
func typesTable() *change.Table {
	t := &change.Table{
		Database: "judge", Name: "types", Engine: "InnoDB", Key: []int{0}, Primary: true,
		Columns: []change.Column{{Name: "id", Type: change.TypeInt, Declared: "int"}},
	}
	for _, c := range sampleColumns() {
		t.Columns = append(t.Columns, c.Column)
	}
	return t
}

// typesRow is the n-th row of samples; a column with fewer of them repeats its
// last one.
func typesRow(id int64, n int) change.Row {
	row := change.Row{change.NewInt(id)}
	for _, c := range sampleColumns() {
		row = append(row, c.samples[min(n, len(c.samples)-1)].value)
	}
	return row
}

// nullRow has NULL wherever it can.
func nullRow(id int64) change.Row {
	row := make(change.Row, 1+len(sampleColumns()))
	row[0] = change.NewInt(id)
	return row
}

// sampleRows is the number of rows that show every sample.
func sampleRows() (n int) {
	for _, c := range sampleColumns() {
		n = max(n, len(c.samples))
	}
	return n
}

// insert, update and remove make changes as the tail has them.
func insert(t *change.Table, seq int64, after change.Row) *change.Change {
	return dml(change.OpInsert, t, seq, nil, after)
}

func update(t *change.Table, seq int64, before, after change.Row) *change.Change {
	return dml(change.OpUpdate, t, seq, before, after)
}

func remove(t *change.Table, seq int64, before change.Row) *change.Change {
	return dml(change.OpDelete, t, seq, before, nil)
}

func dml(op change.Op, t *change.Table, seq int64, before, after change.Row) *change.Change {
	return &change.Change{
		Op: op, Phase: change.PhaseIncremental, Table: t, Before: before, After: after, Seq: seq,
		Time: 1_699_999_999_000 + seq*1000, GTID: fmt.Sprintf("3e11fa47-71ca-11e1-9e33-c80aa9429562:%d", seq),
	}
}
