// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

// TestC2C3C4NoTwoLeasesAreValidAtOnce lets contenders fight over a task in a store
// that loses, delays and holds up requests, on clocks that jump or stand still, with
// processes that crash and freeze. However it goes, no message sent under one lease
// may still be stored once another lease sends, and the chain stays sound.
func TestC2C3C4NoTwoLeasesAreValidAtOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		contenders := rapid.IntRange(2, 4).Draw(rt, "contenders")
		trouble := rapid.IntRange(0, 40).Draw(rt, "trouble in percent")
		var f *fight
		synctest.Test(t, func(t *testing.T) {
			f = newFight(t, seed, trouble)
			f.run(contenders)
		})
		if f.fault != nil {
			rt.Fatal(f.fault)
		}
	})
}

// TestC2AFightHasWinners keeps the property above from holding idly.
func TestC2AFightHasWinners(t *testing.T) {
	leases, sends := 0, 0
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			f := newFight(t, seed, 20)
			f.run(3)
			sends += len(f.sends)
			leases += f.leases
		})
	}
	if leases < 60 || sends < 1000 {
		t.Errorf("20 fights saw %d leases and %d sends", leases, sends)
	}
}

// send is a message and the last moment at which the broker may store it.
type send struct {
	owner       string
	start, last time.Time
}

// fight is one run: its contenders, what they sent, and the fault found.
type fight struct {
	w       *world
	trouble int
	ctx     context.Context

	mu     sync.Mutex
	random *rand.Rand
	sends  []send
	stored []state.Checkpoint
	leases int
	fault  error
}

func newFight(t *testing.T, seed uint64, trouble int) *fight {
	f := &fight{w: newWorld(t), trouble: trouble, random: rand.New(rand.NewPCG(seed, 1))}
	f.w.first()
	f.w.breakStore(f.decide)
	return f
}

func (f *fight) intN(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

// decide delays every request a little and, at times, does worse.
func (f *fight) decide(statetest.Op, string) statetest.Outcome {
	wait(time.Duration(f.intN(50)) * time.Millisecond)
	if f.intN(100) >= f.trouble {
		return statetest.OK
	}
	switch f.intN(4) {
	case 0:
		return statetest.Fail
	case 1:
		return statetest.FailPersisted
	case 2:
		time.AfterFunc(time.Duration(f.intN(40_000))*time.Millisecond, func() { f.w.fault.Land() })
		return statetest.Late
	}
	wait(time.Duration(f.intN(8_000)) * time.Millisecond)
	return statetest.OK
}

func (f *fight) run(contenders int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	f.ctx = ctx
	var wg sync.WaitGroup
	for i := range contenders {
		wg.Go(func() {
			for life := 0; ctx.Err() == nil; life++ {
				f.contend(fmt.Sprintf("contender %d.%d", i, life))
			}
		})
	}
	wg.Wait()
	f.w.breakStore(nil)
	f.w.fault.Land()
	f.fault = errors.Join(f.overlap(), chainFault(context.Background(), f.w.mem, f.w.task.Name), f.missing())
}

// contend is the life of one process, from taking over to its end of any kind.
func (f *fight) contend(owner string) {
	clock := newSkewedClock()
	clock.wall.Store(int64(f.intN(7200)-3600) * int64(time.Second))
	c := state.NewChain(f.w.task, clock.now)
	l, err := c.TakeOver(f.ctx, state.TakeOverOptions{Owner: owner, Wait: f.intN(2) == 0})
	if err != nil {
		wait(time.Duration(f.intN(5000)) * time.Millisecond)
		return
	}
	f.store(l.Last())
	f.mu.Lock()
	f.leases++
	f.mu.Unlock()
	for f.ctx.Err() == nil {
		switch f.intN(40) {
		case 0:
			return // killed
		case 1: // nothing in flight, nothing ambiguous, then gone
			wait(state.DefaultSendTimeout + state.DefaultAmbiguousWait)
			if c, err := l.Release(f.ctx, nil); err == nil {
				f.store(c)
			}
			return
		case 2:
			f.freeze(clock)
		case 3:
			clock.wall.Add(int64(f.intN(60)) * int64(time.Second)) // set forward
		default:
			wait(min(time.Duration(f.intN(2000))*time.Millisecond, max(l.Due(), 0)))
		}
		f.send(l)
		if l.Due() > 0 && f.intN(3) > 0 {
			continue
		}
		if c, err := l.Commit(f.ctx, advance); err == nil {
			f.store(c)
		} else if f.intN(2) == 0 {
			return
		}
		f.send(l)
	}
}

// freeze suspends the process; the monotonic clock may not notice.
func (f *fight) freeze(clock *skewedClock) {
	d := time.Duration(f.intN(60)) * time.Second
	wait(d)
	if f.intN(2) == 0 {
		clock.mono.Add(-int64(d))
	}
}

func (f *fight) send(l *state.Lease) {
	if l.Check() != nil {
		return
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sends = append(f.sends, send{l.Owner(), now, now.Add(state.DefaultSendTimeout + state.DefaultAmbiguousWait)})
}

func (f *fight) store(c state.Checkpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored = append(f.stored, c)
}

// overlap finds a send that begins while another owner's may still be stored.
func (f *fight) overlap() error {
	slices.SortFunc(f.sends, func(a, b send) int { return a.start.Compare(b.start) })
	lastOf := map[string]send{}
	for _, s := range f.sends {
		for _, other := range lastOf {
			if other.owner != s.owner && s.start.Before(other.last) {
				return fmt.Errorf("%s sends at %s, a send of %s may be stored until %s",
					s.owner, s.start.Format(time.TimeOnly), other.owner, other.last.Format(time.TimeOnly))
			}
		}
		lastOf[s.owner] = s
	}
	return nil
}

// missing finds a checkpoint that was reported stored and isn't in the chain.
func (f *fight) missing() error {
	for _, want := range f.stored {
		got, err := f.w.chain().Get(context.Background(), want.N)
		if err != nil || got.Owner != want.Owner || got.Committed.Seq != want.Committed.Seq {
			return fmt.Errorf("number %d was reported stored by %s; the chain has %s (%w)", want.N, want.Owner, got.Owner, err)
		}
	}
	return nil
}

// Two contenders look at one released tip at the same moment.
func TestC2OfTwoContendersOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.first()
		looked := make(chan struct{}, 2)
		both := make(chan struct{})
		w.breakStore(func(op statetest.Op, key string) statetest.Outcome {
			if op == statetest.Create && strings.HasSuffix(key, "2.json") {
				looked <- struct{}{}
				<-both
			}
			return statetest.OK
		})
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := w.chain().TakeOver(t.Context(), state.TakeOverOptions{})
				results <- err
			}()
		}
		<-looked
		<-looked
		close(both)
		one, two := <-results, <-results
		if one != nil {
			one, two = two, one
		}
		if one != nil || !errors.Is(two, state.ErrHeld) {
			t.Errorf("the contenders get %v and %v, want a lease and ErrHeld", one, two)
		}
		w.checkChain()
	})
}
