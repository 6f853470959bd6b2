// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
)

func drawPlace(t *rapid.T) (file, offset int64) {
	return rapid.Int64Range(1, 9_223_370).Draw(t, "file"), rapid.Int64Range(1, 999_999_999_999).Draw(t, "offset")
}

func place(t testing.TB, file, offset int64) change.GTID {
	t.Helper()
	g, err := change.LogGTID(uuidA, file, offset)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Rule S11: a place goes through its GTID, its set, and the set's text, and
// comes out as it was; numbers order places as the log does.
func TestS11PlacesInTheLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		file, offset := drawPlace(r)
		g := place(t, file, offset)
		var set change.GTIDSet
		set.AddBefore(g)
		read, err := change.ParseGTIDSet(set.String())
		if err != nil {
			r.Fatal(err)
		}
		end, ok := read.LogEnd()
		if !ok || end != g {
			r.Fatalf("%s ends at %s, want %s", set, end, g)
		}
		if parsed, err := change.ParseGTID(g.String()); err != nil || parsed != g {
			r.Fatalf("%s reads as %s: %v", g, parsed, err)
		}
		uuid, f, o, ok := end.LogPlace()
		if !ok || uuid != uuidA || f != file || o != offset {
			r.Fatalf("%s is %d:%d of %s, want %d:%d", g, f, o, uuid, file, offset)
		}
		file2, offset2 := drawPlace(r)
		if (g.N < place(t, file2, offset2).N) != (file < file2 || file == file2 && offset < offset2) {
			r.Fatalf("%d:%d and %d:%d are out of order", file, offset, file2, offset2)
		}
	})
}

// Rule S11: the set before a boundary holds exactly the transactions that end
// at or before it, and it grows as a log is read.
func TestS11SetsBeforeABoundary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		// A log: each transaction begins with its GTID event, at the boundary before.
		type tx struct{ gtid, end change.GTID }
		var log []tx
		boundaries := []change.GTID{place(t, 1, 4)}
		file, pos := int64(1), int64(4)
		for range rapid.IntRange(1, 30).Draw(r, "transactions") {
			if rapid.IntRange(0, 4).Draw(r, "rotate") == 0 {
				file, pos = file+rapid.Int64Range(1, 3).Draw(r, "files"), 4
				boundaries = append(boundaries, place(t, file, pos))
			}
			gtid := pos + rapid.Int64Range(1, 80).Draw(r, "event")
			pos = gtid + rapid.Int64Range(1, 1<<33).Draw(r, "rows")
			log = append(log, tx{place(t, file, gtid), place(t, file, pos)})
			boundaries = append(boundaries, place(t, file, pos))
		}
		var read change.GTIDSet
		for i, b := range boundaries {
			var set change.GTIDSet
			set.AddBefore(b)
			read.AddBefore(b)
			if !read.Equal(set) {
				r.Fatalf("read up to %s is %s", b, read)
			}
			for _, x := range log {
				if set.Contains(x.gtid) != (x.end.N <= b.N) {
					r.Fatalf("the set before %s and transaction %s that ends at %s", b, x.gtid, x.end)
				}
			}
			for j, o := range boundaries {
				var other change.GTIDSet
				other.AddBefore(o)
				if set.Covers(other) != (j <= i) {
					r.Fatalf("%s covers %s: %v", set, other, j > i)
				}
			}
		}
		if !slices.IsSortedFunc(boundaries, func(a, b change.GTID) int { return int(max(-1, min(1, a.N-b.N))) }) {
			r.Fatal("boundaries are out of order")
		}
	})
}

// Sets that servers gave are not taken for places, and places that have no
// number are refused.
func TestS11WhatIsNoPlace(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", uuidA + ":1-5", uuidA + ":log:1-5", uuidA + ":log:7-42000000001234", uuidA + ":log:1-5:42000000001234", uuidA + ":1," + uuidB + ":log:1-42000000001234"} {
		set, err := change.ParseGTIDSet(text)
		if err != nil {
			t.Fatal(err)
		}
		if place, ok := set.LogEnd(); ok {
			t.Errorf("%q is taken for the place %s", text, place)
		}
	}
	for _, c := range [][2]int64{{0, 4}, {1, 0}, {-1, 4}, {1, 1_000_000_000_000}, {9_223_372, 4}, {math.MaxInt64, 4}} {
		if g, err := change.LogGTID(uuidA, c[0], c[1]); err == nil {
			t.Errorf("file %d at %d is %s", c[0], c[1], g)
		}
	}
}
