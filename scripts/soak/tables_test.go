// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// draw makes n statements from a seed.
func draw(seed uint64, n int) (all []statement) {
	r := rand.New(rand.NewPCG(seed, 0))
	list := tables()
	for range n {
		all = append(all, list[r.IntN(len(list))].random(r, 1000, r.IntN(2) == 0, 8))
	}
	return all
}

func TestEveryChoiceFollowsFromTheSeed(t *testing.T) {
	compare := cmp.AllowUnexported(statement{})
	if d := cmp.Diff(draw(7, 500), draw(7, 500), compare); d != "" {
		t.Errorf("the same seed gave other statements:\n%s", d)
	}
	if cmp.Equal(draw(7, 500), draw(8, 500), compare) {
		t.Error("another seed gave the same statements")
	}
}

func TestEveryStatementHasItsArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range draw(rapid.Uint64().Draw(t, "seed"), 50) {
			if marks := strings.Count(s.sql, "?"); marks != len(s.args) {
				t.Fatalf("%d marks, %d arguments: %s", marks, len(s.args), s.sql)
			}
			if s.rows < 1 {
				t.Fatalf("counts for %d rows: %s", s.rows, s.sql)
			}
		}
	})
}

func TestFarKeysMeetNoOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := rapid.Int64Range(1, 1<<20).Draw(t, "space")
		if near, far := number(r, n, false), number(r, n, true); near >= n || far < n {
			t.Fatalf("of %d: near %d, far %d", n, near, far)
		}
	})
}
