// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"sync"
	"time"

	"slipway/shared/change"
	"slipway/shared/state"
)

// committer writes the chain: how far everything is acknowledged, how far rows
// may be sent, and, by writing at all, the lease (rules C2, D8).
type committer struct {
	tail *Tail
	s    *session
	src  source

	mu       sync.Mutex // held while a checkpoint is made
	lastSeq  int64      // wanted at the last commit, for the rate
	lastTime time.Time
	pending  []func(*state.Checkpoint) // effects whose checkpoint isn't stored yet
	written  string                    // the last committed set, to see whether anything moved
}

func newCommitter(t *Tail, s *session, src source) *committer {
	// What an earlier tail asked for is there by now.
	settled := func(cp *state.Checkpoint) { cp.Again = nil }
	return &committer{
		tail: t, s: s, src: src, lastTime: time.Now(), lastSeq: s.handler.seq, pending: []func(*state.Checkpoint){settled},
	}
}

// run commits whenever the position moved (at most once per CommitEvery), the
// handler waits for a reservation, or the lease must be extended.
func (c *committer) run(ctx context.Context) error {
	tick := time.NewTicker(c.tail.cfg.CommitEvery)
	defer tick.Stop()
	for {
		force := false
		select {
		case <-ctx.Done():
			return nil
		case <-c.s.handler.reserve.kick:
			force = true
		case <-tick.C:
		case <-time.After(max(c.tail.lease.Due(), 0)):
			force = true
		}
		if err := c.commit(ctx, force); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

func (c *committer) commit(ctx context.Context, force bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	apply, moved, limit := c.next()
	if !moved && !force {
		return nil
	}
	if h := c.tail.cfg.Hooks.Committing; h != nil {
		h()
	}
	held := c.tail.lease.Last().XA
	cp, err := c.tail.lease.Commit(ctx, func(cp *state.Checkpoint) {
		apply(cp)
		cp.Reserved.Seq = max(cp.Reserved.Seq, limit, cp.Committed.Seq)
	})
	if err != nil {
		return state.Classify(err)
	}
	c.pending = nil
	c.written = cp.Committed.GTIDSet
	c.s.handler.xa.sweep(ctx, held, cp.XA, c.tail.cfg.Logger)
	if limit > c.s.handler.reserve.limit.Load() {
		c.s.handler.reserve.raise(cp.Reserved.Seq)
		if h := c.tail.cfg.Hooks.Reserved; h != nil {
			h(cp.Reserved.Seq)
		}
	}
	if h := c.tail.cfg.Hooks.Committed; h != nil {
		h(cp)
	}
	return nil
}

// next works out the next checkpoint: what it changes, whether the position
// moved, and the new reservation.
func (c *committer) next() (apply func(*state.Checkpoint), moved bool, limit int64) {
	low := c.s.lanes.Acknowledged()
	pos, committedAt, effects := c.s.progress.committed(low)
	c.pending = append(c.pending, effects...)
	pending := c.pending
	changes, messages := c.s.lanes.Sent()
	lag := c.lag(committedAt)
	before := c.tail.lease.Last()
	apply = func(cp *state.Checkpoint) {
		cp.Committed = pos
		for _, e := range pending {
			e(cp)
		}
		cp.LagMillis = lag.Milliseconds()
		cp.Counts = map[string]int64{"changes": c.base("changes") + changes, "messages": c.base("messages") + messages}
	}
	moved = pos.GTIDSet != c.written || pos.Seq != before.Committed.Seq
	return apply, moved, c.ahead()
}

// base is what earlier tails counted.
func (c *committer) base(name string) int64 { return c.tail.stats.base[name] }

// ahead is how far to reserve: two seconds at the present rate, within limits.
// While nothing is wanted the reservation stays.
func (c *committer) ahead() int64 {
	r := c.s.handler.reserve
	wanted, limit := r.wanted.Load(), r.limit.Load()
	now := time.Now()
	rate := float64(wanted-c.lastSeq) / max(now.Sub(c.lastTime).Seconds(), 0.01)
	if now.Sub(c.lastTime) > c.tail.cfg.CommitEvery/2 {
		c.lastSeq, c.lastTime = wanted, now
	}
	distance := min(max(int64(2*rate), leastAhead), mostAhead)
	if wanted == 0 || limit-wanted >= distance/2 {
		return limit
	}
	return wanted + distance
}

// lag is how far the task is behind its source: the age of the oldest
// transaction that isn't acknowledged; else of the last one, until the source
// says that there is nothing more.
func (c *committer) lag(committedAt int64) time.Duration {
	since := c.s.progress.oldest()
	if since == 0 && !c.s.handler.idle.Load() {
		since = committedAt
	}
	if since == 0 {
		return 0
	}
	// The log has whole seconds: one that is level isn't behind by a fraction.
	return max(time.Now().Add(c.src.ahead).Sub(time.UnixMilli(since)), time.Millisecond)
}

// final is the last checkpoint of a run that ends well.
func (c *committer) final(r Result) func(*state.Checkpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	apply, _, _ := c.next()
	return func(cp *state.Checkpoint) {
		apply(cp)
		cp.Again = names(r.Again)
		cp.Stopped = r.Finished
	}
}

func names(tables []change.TableName) []string {
	var out []string
	for _, t := range tables {
		out = append(out, t.String())
	}
	return out
}

// stats are totals over the task's life.
type stats struct{ base map[string]int64 }
