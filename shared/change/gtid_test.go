// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/change"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
)

func TestGTIDSetReadsWhatMySQLPrints(t *testing.T) {
	for _, tc := range []struct{ in, out string }{
		{"", ""},
		{uuidA + ":1-5:7", uuidA + ":1-5:7"},
		{uuidA + ":1-5,\n" + uuidB + ":3", uuidA + ":1-5," + uuidB + ":3"},
		{uuidA + ":1-2:3", uuidA + ":1-3"},
		{uuidA + ":1-5:blue:2-3:9", uuidA + ":1-5," + uuidA + ":blue:2-3:9"},
		{"3E11FA47-71CA-11E1-9E33-C80AA9429562:1", uuidA + ":1"},
	} {
		s, err := change.ParseGTIDSet(tc.in)
		if err != nil {
			t.Fatalf("%q: %v", tc.in, err)
		}
		if s.String() != tc.out {
			t.Errorf("%q: got %q, want %q", tc.in, s.String(), tc.out)
		}
	}
	for _, bad := range []string{"x", uuidA, uuidA + ":0", uuidA + ":5-3", uuidA + ":1-x"} {
		if _, err := change.ParseGTIDSet(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// The set agrees with a plain map of GTIDs under every operation.
func TestGTIDSetAgreesWithAMap(t *testing.T) {
	gtids := func(t *rapid.T, label string) map[change.GTID]bool {
		m := map[change.GTID]bool{}
		for _, g := range rapid.SliceOf(rapid.Custom(func(t *rapid.T) change.GTID {
			return change.GTID{
				Source: rapid.SampledFrom([]string{uuidA, uuidB, uuidA + ":tag"}).Draw(t, "source"),
				N:      rapid.Int64Range(1, 30).Draw(t, "n"),
			}
		})).Draw(t, label) {
			m[g] = true
		}
		return m
	}
	build := func(m map[change.GTID]bool) (s change.GTIDSet) {
		for g := range m {
			s.Add(g)
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		ma, mb := gtids(t, "a"), gtids(t, "b")
		a, b := build(ma), build(mb)
		union := a.Clone()
		union.Union(b)
		minus := a.Minus(b)
		covers := true
		for n := int64(1); n <= 30; n++ {
			for _, src := range []string{uuidA, uuidB, uuidA + ":tag"} {
				g := change.GTID{Source: src, N: n}
				if a.Contains(g) != ma[g] || union.Contains(g) != (ma[g] || mb[g]) || minus.Contains(g) != (ma[g] && !mb[g]) {
					t.Fatalf("%s: a=%v b=%v", g, a, b)
				}
				covers = covers && (!mb[g] || ma[g])
			}
		}
		if a.Covers(b) != covers {
			t.Fatalf("%v covers %v: got %v", a, b, !covers)
		}
		back, err := change.ParseGTIDSet(a.String())
		if err != nil || !back.Equal(a) {
			t.Fatalf("%v read back as %v: %v", a, back, err)
		}
	})
}

func TestGTIDReadsItsOwnText(t *testing.T) {
	for _, s := range []string{uuidA + ":5", uuidA + ":blue:7"} {
		g, err := change.ParseGTID(s)
		if err != nil || fmt.Sprint(g) != s {
			t.Errorf("%q: %v, %v", s, g, err)
		}
	}
}
