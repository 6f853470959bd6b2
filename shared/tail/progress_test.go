// SPDX-License-Identifier: Apache-2.0

package tail_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"slipway/shared/change"
	"slipway/shared/state"
	"slipway/shared/tail"
)

// Rules T2, C: whatever is acknowledged when, and wherever a process ends, the
// committed position covers just what is acknowledged; its successor numbers
// every row as before, and each transaction's effect comes once per run that
// commits it.
func TestT2PositionsAndNumbersAcrossRestarts(t *testing.T) {
	const source = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 4), 1, 12).Draw(t, "rows per transaction")
		number := make([]int64, len(sizes)+1) // of the last row before transaction i
		for i, n := range sizes {
			number[i+1] = number[i] + n
		}
		gtid := func(i int) change.GTID { return change.GTID{Source: source, N: int64(i + 1)} }
		pos, acknowledged := state.Position{}, int64(0)
		done := map[int]bool{}
		for range rapid.IntRange(1, 4).Draw(t, "runs") {
			set, err := change.ParseGTIDSet(pos.GTIDSet)
			if err != nil {
				t.Fatal(err)
			}
			var open change.GTID
			var resumed int64
			if pos.Open != nil {
				if open, err = change.ParseGTID(pos.Open.GTID); err != nil {
					t.Fatal(err)
				}
				resumed = pos.Open.Row
			}
			p := tail.NewProgress(pos, set, open, resumed)
			seq, low := pos.Seq, pos.Seq
			effects := map[int]int{}
			commit := func() {
				if rapid.Bool().Draw(t, "acknowledge") {
					low = rapid.Int64Range(low, seq).Draw(t, "low")
				}
				acknowledged = max(acknowledged, low)
				was := pos
				pos = p.Committed(low)
				verify(t, was, pos, number, low, gtid, done, effects)
			}
			commit()
			for i := range sizes {
				if set.Contains(gtid(i)) {
					continue
				}
				skip := int64(0)
				if gtid(i) == open {
					skip = resumed
				}
				p.Begin(gtid(i), seq, skip, 1)
				for row := range sizes[i] {
					if row < skip {
						continue
					}
					if seq++; seq != number[i]+row+1 {
						t.Fatalf("row %d of transaction %d is number %d, was %d", row, i, seq, number[i]+row+1)
					}
					if rapid.Bool().Draw(t, "commit inside") {
						commit()
					}
				}
				p.End(gtid(i), seq, func() { effects[i]++; done[i] = true })
				if rapid.Bool().Draw(t, "commit") {
					commit()
				}
				if rapid.IntRange(0, 5).Draw(t, "end of the process") == 0 {
					break
				}
			}
		}
	})
}

func verify(t *rapid.T, was, pos state.Position, number []int64, low int64, gtid func(int) change.GTID, done map[int]bool, effects map[int]int) {
	if pos.Seq < was.Seq || pos.Seq > low {
		t.Fatalf("position %d after %d with %d acknowledged", pos.Seq, was.Seq, low)
	}
	set, err := change.ParseGTIDSet(pos.GTIDSet)
	if err != nil {
		t.Fatal(err)
	}
	var open change.GTID
	if pos.Open != nil {
		if open, err = change.ParseGTID(pos.Open.GTID); err != nil {
			t.Fatal(err)
		}
	}
	for i := range len(number) - 1 {
		switch {
		case set.Contains(gtid(i)) != done[i]:
			t.Fatalf("transaction %d: committed %v, its effect seen %v", i, set.Contains(gtid(i)), done[i])
		case effects[i] > 1:
			t.Fatalf("transaction %d had its effect %d times", i, effects[i])
		case set.Contains(gtid(i)) && number[i+1] > low:
			t.Fatalf("transaction %d is committed, and %d of its rows are not acknowledged", i, number[i+1]-low)
		case !set.Contains(gtid(i)) && number[i+1] <= pos.Seq && number[i+1] > number[i] && gtid(i) != open:
			t.Fatalf("transaction %d is acknowledged and before the position, but not in it", i)
		}
	}
	if pos.Open == nil {
		return
	}
	if base := number[open.N-1]; set.Contains(open) || pos.Seq != base+pos.Open.Row || pos.Open.Row <= 0 || pos.Open.Row > number[open.N]-base {
		t.Fatalf("open %+v at %d", *pos.Open, pos.Seq)
	}
}

// Rule D8: a row waits for its reservation, more is asked for in good time, and
// an end of the run ends the wait.
func TestD8ReservationsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tail.NewReservation(10_000)
		if err := r.Await(t.Context(), 100); err != nil || r.Kicked() {
			t.Errorf("far below the limit: %v, or it asked for more", err)
		}
		if err := r.Await(t.Context(), 9_900); err != nil || !r.Kicked() {
			t.Errorf("near the limit: %v, or it asked for nothing", err)
		}
		done := make(chan error, 1)
		go func() { done <- r.Await(t.Context(), 10_001) }()
		synctest.Wait()
		if len(done) > 0 || !r.Kicked() {
			t.Fatal("a row passed the limit")
		}
		r.Raise(10_000)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("a row passed a limit that did not reach it")
		}
		r.Raise(10_001)
		if err := <-done; err != nil {
			t.Error(err)
		}
		over := errors.New("over")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { done <- r.Await(ctx, 20_000) }()
		synctest.Wait()
		cancel(over)
		if err := <-done; !errors.Is(err, over) {
			t.Errorf("the wait ended with %v", err)
		}
	})
}
