// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/shared/change"
	"slipway/shared/cli"
	"slipway/shared/mysql"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the clock of all commands here.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const password = "open sesame"

// shell runs commands on a state folder of its own.
type shell struct {
	t   *testing.T
	env map[string]string
	st  *state.Task
}

func newShell(t *testing.T) *shell {
	t.Helper()
	dir := t.TempDir()
	store, err := state.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.NewTask(store, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return &shell{t, map[string]string{"STATE_DIR": dir, "SHOP_PASSWORD": password}, st}
}

// run executes a command and returns what it wrote and its exit code.
func (s *shell) run(args ...string) (out, errs string, code int) {
	s.t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(s.t.Context(), append([]string{"slipway"}, args...), cli.IO{
		Out: &o, Err: &e, Getenv: func(name string) string { return s.env[name] }, Now: func() time.Time { return now },
	})
	if strings.Contains(o.String()+e.String(), password) {
		s.t.Errorf("slipway %s shows the password", strings.Join(args, " "))
	}
	return o.String(), e.String(), code
}

func (s *shell) put(key string, v any) {
	s.t.Helper()
	if err := state.PutJSON(s.t.Context(), s.st.Store, key, v); err != nil {
		s.t.Fatal(err)
	}
}

// plan puts a plan of two tables there, with some of their chunks done.
func (s *shell) plan() {
	names := []change.TableName{{Database: "shop", Name: "customers"}, {Database: "shop", Name: "orders"}}
	s.put(s.st.Plan(), snapshot.Plan{Version: 2, Tables: names})
	for i, name := range names {
		g := snapshot.Generation{Table: &change.Table{Database: name.Database, Name: name.Name}, Mode: snapshot.Ranges, Estimate: int64(4000 * (i + 1))}
		g.Ranges = make([]mysql.Range, i+1)
		s.put(s.st.GenerationPlan(state.TableOf(name), 0), g)
		s.put(s.st.ChunkDone(state.TableOf(name), 0, "0"), snapshot.Done{Rows: 4100, Header: snapshot.Header{Table: name, Chunk: "0"}})
	}
}

// chain puts the rest of the snapshot and three checkpoints there.
func (s *shell) chain() {
	s.plan()
	orders := change.TableName{Database: "shop", Name: "orders"}
	s.put(s.st.ChunkDone(state.TableOf(orders), 0, "1"), snapshot.Done{Rows: 3900, Header: snapshot.Header{Table: orders, Chunk: "1"}})
	const server = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	base := state.Checkpoint{Version: 1, N: 1, Owner: "settle-1-A", Time: now.Add(-time.Minute), HoldMillis: 28000, Released: true}
	base.Committed = state.Position{GTIDSet: server + ":1-40", ServerUUID: server}
	s.put(s.st.Checkpoint(1), base)
	tail := base
	tail.N, tail.Epoch, tail.Owner, tail.Released, tail.Time = 2, 1, "laptop-77-B", false, now.Add(-10*time.Second)
	tail.Reserved.Seq = 100000
	s.put(s.st.Checkpoint(2), tail)
	tail.N, tail.Time, tail.LagMillis = 3, now.Add(-1500*time.Millisecond), 250
	tail.Committed = state.Position{
		GTIDSet: server + ":1-52", File: "binlog.000003", Pos: 4711, ServerUUID: server, Seq: 1234,
		Open: &state.OpenTransaction{GTID: server + ":53", Row: 20},
	}
	tail.Counts = map[string]int64{"changes": 1234, "messages": 100}
	tail.XA = map[string]string{"X'01',X'',1": "gtid 1"}
	s.put(s.st.Checkpoint(3), tail)
}

// golden compares text with testdata/<name>.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; -update writes it anew (-want +got):\n%s", path, diff)
	}
}

// lines reads JSON output, one object a line.
func lines(t *testing.T, out string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("this line is no JSON object: %q: %v", line, err)
		}
		if m["message_type"] == nil {
			t.Errorf("this line has no message_type: %s", line)
		}
		all = append(all, m)
	}
	return all
}
