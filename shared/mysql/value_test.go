// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

func TestT4BadBytesAreAnErrorThatNamesTheColumn(t *testing.T) {
	table := &change.Table{Database: "d", Name: "t", Columns: []change.Column{{Name: "the text", Type: change.TypeVarchar, Charset: "utf8mb4"}}}
	d, err := mysql.NewBinlogDecoder(table, "9")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Decode([]any{"\xff"})
	if err == nil || !strings.Contains(err.Error(), `d.t: column "the text"`) {
		t.Errorf("error %v", err)
	}
}

func TestT4WrongDefinitionIsAnError(t *testing.T) {
	for _, tc := range []struct {
		typ change.Type
		raw any
	}{
		{change.TypeInt, "text"},
		{change.TypeVarchar, int32(1)},
		{change.TypeFloat, float64(1)},
		{change.TypeDouble, float32(1)},
		{change.TypeInt, float32(1)},
		{change.TypeText, true},
	} {
		d, err := mysql.NewBinlogDecoder(&change.Table{Columns: []change.Column{{Name: "c", Type: tc.typ, Charset: "utf8mb4"}}}, "9")
		if err != nil {
			t.Fatal(err)
		}
		if row, err := d.Decode([]any{tc.raw}); err == nil {
			t.Errorf("type %d from %T gives %v, want an error", tc.typ, tc.raw, row)
		}
		if row, err := d.Decode([]any{tc.raw, nil}); err == nil {
			t.Errorf("a row of two columns gives %v, want an error", row)
		}
	}
}

func TestT4PartialJSONRowsStayUndecoded(t *testing.T) {
	needs(t, "SET SESSION binlog_row_value_options = PARTIAL_JSON")
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int PRIMARY KEY, j json)")
	query(t, c, "INSERT INTO "+db+`.t VALUES (1, '{"a": "a long enough text to be worth a difference", "b": 2}')`)
	query(t, c, "SET binlog_row_value_options = PARTIAL_JSON")
	start := logEnd(t, c)
	query(t, c, "UPDATE "+db+".t SET j = JSON_SET(j, '$.b', 3)")
	partial := 0
	readBinlog(t, c, start, func(e *replication.BinlogEvent) {
		if e.Header.EventType == replication.PARTIAL_UPDATE_ROWS_EVENT {
			partial++
			if rows := e.Event.(*replication.RowsEvent); len(rows.Rows) != 0 {
				t.Errorf("rows %v", rows.Rows)
			}
		}
	})
	if partial != 1 {
		t.Errorf("%d partial events, want 1", partial)
	}
}
