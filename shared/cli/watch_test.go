// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/shared/change"
	"slipway/shared/cli"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// blocks hands over what is written, a write at a time.
type blocks chan string

func (b blocks) Write(p []byte) (int, error) {
	b <- string(p)
	return len(p), nil
}

// watching is a watch that runs. Its clock goes on by a second with each look.
type watching struct {
	*shell
	blocks blocks
	looks  chan time.Time
	cancel context.CancelFunc
	errs   *lockedBuffer
	code   chan int
}

// lockedBuffer is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// watch begins to watch; std says what is special about the terminal.
func (s *shell) watch(std cli.IO, args ...string) *watching {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	w := &watching{shell: s, blocks: make(blocks), looks: make(chan time.Time, 1000), cancel: cancel, errs: &lockedBuffer{}, code: make(chan int, 1)}
	clock := now
	std.Err, std.Getenv = w.errs, func(name string) string { return s.env[name] }
	if std.Out == nil {
		std.Out = w.blocks
	}
	std.Now = func() time.Time {
		clock = clock.Add(time.Second)
		w.looks <- clock
		return clock
	}
	go func() {
		w.code <- cli.Run(ctx, append([]string{"slipway", "status", "--watch", "--interval", "100ms", "testdata/shop.yaml"}, args...), std)
	}()
	s.t.Cleanup(cancel)
	return w
}

const patience = time.Minute

// next is the next block.
func (w *watching) next() string {
	w.t.Helper()
	select {
	case b := <-w.blocks:
		return b
	case <-time.After(patience):
		w.t.Fatalf("no block; standard error:\n%s", w.errs)
		return ""
	}
}

// look waits until the objects have been read twice more: whatever was put before has been seen then.
func (w *watching) look() {
	w.t.Helper()
	for len(w.looks) > 0 {
		<-w.looks
	}
	for range 3 {
		select {
		case <-w.looks:
		case b := <-w.blocks:
			w.t.Fatalf("a block without a change:\n%s", b)
		case <-time.After(patience):
			w.t.Fatal("nobody looks")
		}
	}
}

// ends waits for the exit code, which is 0.
func (w *watching) ends() {
	w.t.Helper()
	select {
	case code := <-w.code:
		if code != 0 {
			w.t.Errorf("exit code %d\n%s", code, w.errs)
		}
	case b := <-w.blocks:
		w.t.Fatalf("another block:\n%s", b)
	case <-time.After(patience):
		w.t.Fatal("it doesn't end")
	}
}

func (s *shell) chunk(table, chunk string, rows int64) {
	name := change.TableName{Database: "shop", Name: table}
	s.put(s.st.ChunkDone(state.TableOf(name), 0, chunk), snapshot.Done{Rows: rows, Header: snapshot.Header{Table: name, Chunk: chunk}})
}

func TestWatchWritesABlockPerChangeUntilTheTaskEnds(t *testing.T) {
	s := newShell(t)
	w := s.watch(cli.IO{})
	if b := w.next(); !strings.Contains(b, "phase  NotStarted\n") {
		t.Errorf("first:\n%s", b)
	}
	w.look()
	s.plan()
	for b := w.next(); !strings.Contains(b, "8,200 rows of about 12,000, 2 of 3 chunks\n"); b = w.next() {
		if !strings.Contains(b, "Migrating") && !strings.Contains(b, "NotStarted") {
			t.Fatalf("while the plan is put there:\n%s", b)
		}
	}
	w.look()
	s.chunk("orders", "1", 3900)
	if b := w.next(); !strings.Contains(b, "phase     Migrating, settle\n") || !strings.Contains(b, "12,100 rows") {
		t.Errorf("chunks done:\n%s", b)
	}
	tip := state.Checkpoint{Version: 1, N: 1, Owner: "laptop-1-A", Time: now.Add(time.Hour), HoldMillis: 28000}
	s.put(s.st.Checkpoint(1), tip)
	if b := w.next(); !strings.Contains(b, "phase       Migrating, tail\n") {
		t.Errorf("sealed:\n%s", b)
	}
	tip.N, tip.Time = 2, tip.Time.Add(time.Second)
	s.put(s.st.Checkpoint(2), tip) // a sign of life
	w.look()
	tip.N, tip.Stopped = 3, true
	s.put(s.st.Checkpoint(3), tip)
	if b := w.next(); !strings.Contains(b, "phase       Finished\n") || !strings.HasSuffix(b, "\n\n") {
		t.Errorf("finished:\n%q", b)
	}
	w.ends()
	if w.errs.String() != "" {
		t.Errorf("standard error: %s", w.errs)
	}
}

func TestWatchTellsRateAndTimeLeft(t *testing.T) {
	s := newShell(t)
	s.plan()
	w := s.watch(cli.IO{}, "--output", "json")
	next := func() (m cli.StatusMessage) {
		t.Helper()
		if err := json.Unmarshal([]byte(w.next()), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	before := next()
	if before.Pace != nil {
		t.Fatalf("at first: %+v", before.Pace)
	}
	w.look()
	s.chunk("customers", "9", 1000) // the rest of a chunk that was cut
	after := next()
	took := after.Time.Sub(before.Time).Seconds()
	if rate := 1000 / took; after.RowsPerSecond != rate || after.EtaSeconds != (12000-9200)/rate {
		t.Errorf("1,000 rows in %gs: %+v", took, after.Pace)
	}
	s.put(s.st.Checkpoint(1), state.Checkpoint{Version: 1, N: 1, Epoch: 1, Time: now, HoldMillis: 1 << 40, Counts: map[string]int64{"changes": 10}})
	if m := next(); m.Step != "tail" || m.Pace != nil {
		t.Errorf("the tail begins: %+v", m)
	}
	s.put(s.st.Checkpoint(2), state.Checkpoint{Version: 1, N: 2, Epoch: 1, Time: now.Add(4 * time.Second), HoldMillis: 1 << 40, Counts: map[string]int64{"changes": 30}})
	if m := next(); m.RowsPerSecond != 5 || m.EtaSeconds != 0 {
		t.Errorf("20 rows in 4s: %+v", m.Pace)
	}
	s.put(s.st.Checkpoint(3), state.Checkpoint{Version: 1, N: 3, Epoch: 1, Time: now.Add(5 * time.Second), Released: true})
	if m := next(); m.Phase != "Suspending" || m.Pace != nil {
		t.Errorf("nothing moves: %+v", m)
	}
	w.cancel()
	w.ends()
}

func TestWatchOutlivesItsStore(t *testing.T) {
	s := newShell(t)
	s.plan()
	w := s.watch(cli.IO{})
	w.next()
	dir := s.env["STATE_DIR"] + "/shop"
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.look()
	w.look()
	if got := w.errs.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN msg=\"trying again\"") {
		t.Errorf("standard error: %s", got)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	s.chunk("orders", "1", 3900)
	if b := w.next(); !strings.Contains(b, "12,100 rows") {
		t.Errorf("after all:\n%s", b)
	}
	w.cancel()
	w.ends()
}

func TestWatchFailsWhereStatusDoes(t *testing.T) {
	s := newShell(t)
	s.env["STATE_DIR"] += "/file"
	if err := os.WriteFile(s.env["STATE_DIR"], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, want, code := s.run("status", "testdata/shop.yaml")
	if _, errs, again := s.run("status", "--watch", "testdata/shop.yaml"); code == 0 || again != code || errs != want {
		t.Errorf("exit code %d, status has %d\n%s\n%s", again, code, errs, want)
	}
}

func TestWatchDrawsInPlaceOnATerminal(t *testing.T) {
	s := newShell(t)
	s.plan()
	screen := newTerminal(80, 8)
	w := s.watch(cli.IO{Out: screen, OutTerminal: true, OutSize: screen.size})
	w.look()
	if got := screen.text(); !strings.Contains(got, "8,200 rows of about 12,000, 2 of 3") || !strings.HasSuffix(got, "… 4 more lines\n") || strings.Count(got, "task") != 1 {
		t.Errorf("the screen shows:\n%s", got)
	}
	s.chunk("orders", "1", 3900)
	s.put(s.st.Checkpoint(1), state.Checkpoint{Version: 1, N: 1, Owner: "settle-1-A", Time: now, Stopped: true, Released: true})
	w.ends()
	want, _, _ := s.run("status", "testdata/shop.yaml")
	_, tables, _ := strings.Cut(want, "\n\n")
	if got := screen.text(); !strings.Contains(got, "Finished") || !strings.HasSuffix(got, tables) || strings.Count(got, "task  ") != 1 {
		t.Errorf("the screen shows:\n%s\nwant at its end:\n%s", got, tables)
	}
}
