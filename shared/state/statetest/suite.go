// SPDX-License-Identifier: Apache-2.0

// Package statetest has the contract every state.Store must keep, as tests, and a
// decorator that makes a store fail on demand.
package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"slipway/shared/state"
)

// Run tests the contract on stores made by open: each call must return an empty one.
func Run(t *testing.T, open func(*testing.T) state.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, state.Store)
	}{
		{"a created object is read back and stays", testCreate},
		{"C1: of racing creators one wins", testRace},
		{"C1: a create that is repeated meets its own object", testRepeat},
		{"C1: the probe accepts the store and leaves nothing", testProbe},
		{"put replaces", testPut},
		{"delete removes and forgives", testDelete},
		{"list is ordered by bytes", testListOrder},
		{"list pages over more than 1000 keys", testListPages},
		{"percent-encoded names are kept apart", testPercent},
		{"bodies of 0 bytes and 10 MB", testSizes},
		{"a cancelled context stops everything", testCancelled},
		{"keys that could leave the store are refused", testBadKeys},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func testCreate(t *testing.T, s state.Store) {
	ctx := t.Context()
	if _, err := s.Get(ctx, "a/b"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("get of an absent key: %v, want ErrNotFound", err)
	}
	body := []byte("one")
	must(t, s.Create(ctx, "a/b", body))
	body[0] = 'X'
	wantBody(t, s, "a/b", "one")
	if err := s.Create(ctx, "a/b", []byte("two")); !errors.Is(err, state.ErrExists) {
		t.Fatalf("second create: %v, want ErrExists", err)
	}
	wantBody(t, s, "a/b", "one")
	if _, err := s.Get(ctx, "a/c"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("get beside it: %v, want ErrNotFound", err)
	}
}

func testRace(t *testing.T, s state.Store) {
	const writers, rounds = 16, 12
	for round := range rounds {
		key := fmt.Sprintf("race/%d", round)
		wins := make(chan string, writers)
		var group errgroup.Group
		start := make(chan struct{})
		for w := range writers {
			body := fmt.Sprintf("writer %d", w)
			group.Go(func() error {
				<-start
				err := s.Create(t.Context(), key, []byte(body))
				if err == nil {
					wins <- body
				} else if !errors.Is(err, state.ErrExists) {
					return err
				}
				return nil
			})
		}
		close(start)
		must(t, group.Wait())
		close(wins)
		var winners []string
		for w := range wins {
			winners = append(winners, w)
		}
		if len(winners) != 1 {
			t.Fatalf("round %d has winners %q, want one", round, winners)
		}
		wantBody(t, s, key, winners[0])
	}
}

func testRepeat(t *testing.T, s state.Store) {
	must(t, s.Create(t.Context(), "k", []byte("nonce 1")))
	must(t, s.Create(t.Context(), "k", []byte("nonce 1")))
	if err := s.Create(t.Context(), "k", []byte("nonce 2")); !errors.Is(err, state.ErrExists) {
		t.Fatalf("create with another nonce: %v, want ErrExists", err)
	}
}

func testProbe(t *testing.T, s state.Store) {
	must(t, state.Probe(t.Context(), s))
	wantKeys(t, s, "", "", nil)
}

func testPut(t *testing.T, s state.Store) {
	must(t, s.Put(t.Context(), "t/status.json", []byte("a long first body")))
	must(t, s.Put(t.Context(), "t/status.json", []byte("second")))
	wantBody(t, s, "t/status.json", "second")
	wantKeys(t, s, "", "", []string{"t/status.json"})
}

func testDelete(t *testing.T, s state.Store) {
	ctx := t.Context()
	must(t, s.Delete(ctx, "no/such/key"))
	must(t, s.Create(ctx, "d/k", []byte("x")))
	must(t, s.Delete(ctx, "d/k"))
	must(t, s.Delete(ctx, "d/k"))
	if _, err := s.Get(ctx, "d/k"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("get after delete: %v, want ErrNotFound", err)
	}
	wantKeys(t, s, "", "", nil)
	must(t, s.Create(ctx, "d/k", []byte("x")))
	wantBody(t, s, "d/k", "x")
}

func testListOrder(t *testing.T, s state.Store) {
	// Byte order of whole keys is not the order of a walk over folders.
	keys := []string{"a", "a+b", "a,b/c", "a-b", "a.b", "a/b", "a/b.c/d", "a/b/c", "a0", "aB/x", "a_b", "ab", "b/1", "b/10", "b/2"}
	slices.Sort(keys)
	for _, key := range keys {
		if key == "a" || key == "a/b" {
			continue // on a file system a key can't be a folder too
		}
		must(t, s.Create(t.Context(), key, []byte(key)))
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return k == "a" || k == "a/b" })
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "b/1", "zz", "b/1/"} {
		for _, after := range append([]string{"", "a.", "a/b/b", "a/b/c", "b/1", "zzz"}, keys...) {
			var want []string
			for _, key := range keys {
				if len(key) >= len(prefix) && key[:len(prefix)] == prefix && key > after {
					want = append(want, key)
				}
			}
			wantKeys(t, s, prefix, after, want)
		}
	}
}

func testListPages(t *testing.T, s state.Store) {
	const count = 1105
	var keys []string
	var group errgroup.Group
	group.SetLimit(8)
	for i := range count {
		key := fmt.Sprintf("p/checkpoints/%020d.json", i)
		keys = append(keys, key)
		group.Go(func() error { return s.Create(t.Context(), key, []byte("x")) })
	}
	must(t, group.Wait())
	wantKeys(t, s, "p/", "", keys)
	wantKeys(t, s, "p/checkpoints/", keys[1000], keys[1001:])
	seen := 0
	for _, err := range s.List(t.Context(), "p/", keys[49]) {
		must(t, err)
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Fatalf("saw %d keys before leaving the loop, want 3", seen)
	}
}

func testPercent(t *testing.T, s state.Store) {
	tables := []state.TableKey{
		state.Table("shop", "orders"), state.Table("shop", "or ders"), state.Table("shop", "or%20ders"),
		state.Table("a.b", "c"), state.Table("a", "b.c"), state.Table("a/b", "c+d"), state.Table("größe", "表"), state.Table("..", ".."),
	}
	var keys []string
	for _, table := range tables {
		key := "t/seam/" + string(table)
		keys = append(keys, key)
		must(t, s.Create(t.Context(), key, []byte(table)))
	}
	for i, table := range tables {
		wantBody(t, s, keys[i], string(table))
	}
	slices.Sort(keys)
	wantKeys(t, s, "t/seam/", "", keys)
	must(t, s.Delete(t.Context(), keys[0]))
	wantKeys(t, s, "t/seam/", "", keys[1:])
}

func testSizes(t *testing.T, s state.Store) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	for name, body := range map[string][]byte{"empty": {}, "big": big} {
		must(t, s.Create(t.Context(), name, body))
		must(t, s.Create(t.Context(), name, body))
		got, err := s.Get(t.Context(), name)
		must(t, err)
		if !bytes.Equal(got, body) {
			t.Fatalf("%s comes back as %d bytes, want %d", name, len(got), len(body))
		}
		if err := s.Create(t.Context(), name, append(body, '!')); !errors.Is(err, state.ErrExists) {
			t.Fatalf("create of a longer %s: %v, want ErrExists", name, err)
		}
	}
}

func testCancelled(t *testing.T, s state.Store) {
	must(t, s.Create(t.Context(), "there", []byte("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, "there")
	var listErr error
	for _, err := range s.List(ctx, "", "") {
		listErr = err
	}
	for op, err := range map[Op]error{
		Create: s.Create(ctx, "new", []byte("x")), Put: s.Put(ctx, "put", []byte("x")),
		Get: getErr, List: listErr, Delete: s.Delete(ctx, "there"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s under a cancelled context: %v, want context.Canceled", op, err)
		}
	}
	wantKeys(t, s, "", "", []string{"there"})
}

func testBadKeys(t *testing.T, s state.Store) {
	for _, key := range []string{"", "/", "/etc/passwd", "a//b", "a/", "..", "a/../b", "./a", ".tmp/x", "a/.b", "a b", "a\\b", "ä", "a\x00b", string(bytes.Repeat([]byte("k"), 256)), string(bytes.Repeat([]byte("k/"), 501)) + "k"} {
		_, getErr := s.Get(t.Context(), key)
		for op, err := range map[Op]error{
			Create: s.Create(t.Context(), key, []byte("x")), Put: s.Put(t.Context(), key, []byte("x")),
			Get: getErr, Delete: s.Delete(t.Context(), key),
		} {
			if !errors.Is(err, state.ErrBadKey) {
				t.Errorf("%s %.20q: %v, want ErrBadKey", op, key, err)
			}
		}
	}
	wantKeys(t, s, "", "", nil)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantBody(t *testing.T, s state.Store, key, want string) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	must(t, err)
	if string(got) != want {
		t.Fatalf("%s holds %q, want %q", key, got, want)
	}
}

func wantKeys(t *testing.T, s state.Store, prefix, after string, want []string) {
	t.Helper()
	var got []string
	for key, err := range s.List(t.Context(), prefix, after) {
		must(t, err)
		got = append(got, key)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("list %q after %q yields %d keys, want %d:\n%.400q\nwant\n%.400q", prefix, after, len(got), len(want), got, want)
	}
}
