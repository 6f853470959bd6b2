// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/snapshot"
)

const uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

func drawMessage(t *rapid.T) *rocketmq.Message {
	text := rapid.String()
	m := &rocketmq.Message{
		Topic: text.Draw(t, "topic"), Group: text.Draw(t, "group"), ID: text.Draw(t, "id"), Tag: text.Draw(t, "tag"),
		Keys: rapid.SliceOfN(text, 0, 3).Draw(t, "keys"),
		// A body is any bytes, line ends included.
		Body: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body"),
	}
	for range rapid.IntRange(0, 4).Draw(t, "properties") {
		m.Properties = append(m.Properties, rocketmq.Property{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")})
	}
	return m
}

func drawValue(t *rapid.T) change.Value {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return change.NewInt(rapid.Int64().Draw(t, "int"))
	case 1:
		return change.NewUint(rapid.Uint64().Draw(t, "uint"))
	case 2:
		return change.NewText(rapid.String().Draw(t, "text"))
	case 3:
		return change.NewBytes(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	}
	return change.NewFloat64(rapid.Float64().Draw(t, "double"))
}

// A chunk that is stored comes back as it was: header, bounds, messages.
func TestS3StoredRowsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var set change.GTIDSet
		for range rapid.IntRange(0, 5).Draw(t, "gtids") {
			set.Add(change.GTID{Source: uuidA, N: rapid.Int64Range(1, 1<<60).Draw(t, "n")})
		}
		bound := func(name string) (r change.Row) {
			for range rapid.IntRange(0, 3).Draw(t, name) {
				r = append(r, drawValue(t))
			}
			return r
		}
		h := snapshot.Header{
			Table: change.TableName{Database: rapid.StringN(1, 5, -1).Draw(t, "database"), Name: rapid.StringN(1, 5, -1).Draw(t, "table")},
			Gen:   rapid.Int64().Draw(t, "gen"), Chunk: snapshot.ChunkName(rapid.IntRange(0, 1e6).Draw(t, "n"), rapid.IntRange(0, 3).Draw(t, "k")),
			H: set, Range: mysql.Range{After: bound("after"), UpTo: bound("upTo")}, Next: rapid.String().Draw(t, "next"),
			Time: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC(),
		}
		var messages []*rocketmq.Message
		for range rapid.IntRange(0, 5).Draw(t, "messages") {
			messages = append(messages, drawMessage(t))
		}
		h.Messages = len(messages)
		object, err := snapshot.PackRows(h, messages)
		if err != nil {
			t.Fatal(err)
		}
		gotHeader, got, err := snapshot.UnpackRows(object)
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		same := []cmp.Option{
			cmpopts.EquateEmpty(),
			cmp.Comparer(func(a, b change.GTIDSet) bool { return a.String() == b.String() }),
			cmp.Comparer(func(a, b change.Value) bool { return a == b }),
		}
		if d := cmp.Diff(h, gotHeader, same...); d != "" {
			t.Errorf("header: %s", d)
		}
		if d := cmp.Diff(messages, got, same...); d != "" {
			t.Errorf("messages: %s", d)
		}
	})
}

// An object that was cut off anywhere is an error, never a shorter chunk.
func TestS3CutObjectIsAnError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		messages := []*rocketmq.Message{drawMessage(t), drawMessage(t)}
		object, err := snapshot.PackRows(snapshot.Header{Chunk: "0"}, messages)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range object { // the seam of its two zstd frames among them
			_, got, err := snapshot.UnpackRows(object[:cut])
			if err == nil || errors.Is(err, io.EOF) { // which is a whole object's end
				t.Fatalf("%d of %d bytes read as %d messages: %v", cut, len(object), len(got), err)
			}
		}
	})
}

// A table's name survives its text, whatever dots are in it.
func TestTableNameRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[.a\\]{1,4}|[^\x00]{1,6}`)
		name := change.TableName{Database: part.Draw(t, "database"), Name: part.Draw(t, "name")}
		got, err := change.ParseTableName(name.String())
		if err != nil || got != name {
			t.Fatalf("%q is read as %q, %v", name.String(), got, err)
		}
	})
	for in, want := range map[string]change.TableName{"a.b": {Database: "a", Name: "b"}, `a\.b.c`: {Database: "a.b", Name: "c"}} {
		if got, err := change.ParseTableName(in); err != nil || got != want || want.String() != in {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "a", "a..b", "a.b.c", ".b", `a\.b`} {
		if got, err := change.ParseTableName(in); err == nil {
			t.Errorf("%q is read as %q", in, got)
		}
	}
}
