// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// freshness is how long the sight of a free number may be acted upon (C3). It has to
// be far below the age at which checkpoints are pruned: a process that wakes up after
// days must not take a pruned number for a free one.
const freshness = time.Minute

// ErrNoChain says that a task has no checkpoint yet.
var ErrNoChain = errors.New("the task has no checkpoint yet; it must be planned, snapshotted and settled first")

// Chain is a task's checkpoints, numbered from 1 without a gap but for pruned ones.
// Number n+1 is created only by a process that has read n and seen n+1 absent, and
// create-if-absent gives each number one owner; so the highest number is the task's
// state, and whoever created it holds the task until its lease runs out.
type Chain struct {
	task  *Task
	clock Clock
	known atomic.Int64 // highest number seen by this process; a hint
}

// NewChain returns the chain of a task. A nil clock means the machine's.
func NewChain(task *Task, clock Clock) *Chain {
	if clock == nil {
		clock = SystemClock()
	}
	return &Chain{task: task, clock: clock}
}

// NewOwner returns a nonce for one process: its host and pid for people, and enough
// randomness that no other process ever has the same.
func NewOwner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + strconv.Itoa(os.Getpid()) + "-" + rand.Text()
}

// First creates number 1, released, with what seal holds as its committed position
// and reservation, and returns the number 1 that stands in the store: if a chain
// exists, that is the one made then, so that settle may run any number of times.
// Number 1 is never pruned.
func (c *Chain) First(ctx context.Context, seal Checkpoint) (Checkpoint, error) {
	first := seal.clone()
	first.Version, first.N, first.Released = CheckpointVersion, 1, true
	first.Time = c.clock().Wall.UTC()
	if first.Owner == "" {
		first.Owner = NewOwner()
	}
	if err := first.check(); err != nil {
		return Checkpoint{}, err
	}
	err := CreateJSON(ctx, c.task.Store, c.task.Checkpoint(1), first)
	if errors.Is(err, ErrExists) {
		return c.Get(ctx, 1)
	}
	return first, err
}

// Get returns number n, or ErrNotFound.
func (c *Chain) Get(ctx context.Context, n int64) (Checkpoint, error) {
	key := c.task.Checkpoint(n)
	body, err := c.task.Store.Get(ctx, key)
	if err != nil {
		return Checkpoint{}, err
	}
	got, err := decodeCheckpoint(key, body)
	if err == nil && got.N != n {
		err = fmt.Errorf("read %s: %w: it says it is number %d", key, ErrInvalid, got.N)
	}
	return got, err
}

// Numbers yields the numbers of the stored checkpoints above after, in order.
func (c *Chain) Numbers(ctx context.Context, after int64) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		prefix := c.task.Checkpoints()
		for key, err := range c.task.Store.List(ctx, prefix, c.task.Checkpoint(after)) {
			if err != nil {
				yield(0, err)
				return
			}
			name := strings.TrimSuffix(strings.TrimPrefix(key, prefix), ".json")
			n, err := strconv.ParseInt(name, 10, 64)
			if err != nil || c.task.Checkpoint(n) != key {
				yield(0, fmt.Errorf("%s is no checkpoint; nothing else may be stored under %s", key, prefix))
				return
			}
			if !yield(n, nil) {
				return
			}
		}
	}
}

// Tip returns the highest checkpoint, or ErrNoChain.
func (c *Chain) Tip(ctx context.Context) (Checkpoint, error) {
	s, err := c.look(ctx)
	return s.tip, err
}

// sight is a tip together with a moment at or before which its successor was absent.
type sight struct {
	tip   Checkpoint
	start Instant // before the first request of the look
}

// look finds the tip (C3): a LIST from the hint on, then GETs upwards, because a
// number may have been created meanwhile. A look that took longer than freshness
// proves nothing, since pruning may have gone by it, and is repeated; the repetition
// starts from what is known by then.
func (c *Chain) look(ctx context.Context) (sight, error) {
	for {
		s := sight{start: c.clock()}
		last, err := c.lastListed(ctx)
		if err != nil {
			return sight{}, err
		}
		if s.tip, err = c.Get(ctx, last); err != nil {
			return sight{}, lost(last, err)
		}
		for {
			next, err := c.Get(ctx, s.tip.N+1)
			if errors.Is(err, ErrNotFound) {
				break
			}
			if err != nil {
				return sight{}, err
			}
			s.tip = next
		}
		c.note(s.tip.N)
		if c.clock().elapsed(s.start) <= freshness {
			return s, nil
		}
	}
}

// lost keeps a listed checkpoint that is gone from looking like a chain that is not.
func lost(n int64, err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("checkpoint %d was listed but is gone; are two programs pruning?", n)
	}
	return err
}

func (c *Chain) note(n int64) {
	for {
		known := c.known.Load()
		if n <= known || c.known.CompareAndSwap(known, n) {
			return
		}
	}
}

// lastListed returns the highest number a LIST shows. The hint saves pages, nothing
// else: should it point past the chain, the whole of it is listed.
func (c *Chain) lastListed(ctx context.Context) (int64, error) {
	hint := c.known.Load()
	if hint == 0 {
		hint = c.hint(ctx)
	}
	for _, after := range []int64{max(hint-1, 0), 0} {
		var last int64
		for n, err := range c.Numbers(ctx, after) {
			if err != nil {
				return 0, err
			}
			last = n
		}
		if last > 0 {
			c.note(last)
			return last, nil
		}
	}
	return 0, fmt.Errorf("task %s: %w", c.task.Name, ErrNoChain)
}

// Heartbeat is the content of status.json: best effort, possibly stale, and true of a
// moment in the past. Anything that matters is read from the chain.
type Heartbeat struct {
	// Tip is the number of a checkpoint that existed at Time.
	Tip int64 `json:"tip"`
	// Epoch and Owner are those of the process that wrote this.
	Epoch int64  `json:"epoch"`
	Owner string `json:"owner"`
	// Time is that process's wall clock.
	Time time.Time `json:"time"`
	// LagMillis is how far the task was behind its source, in ms.
	LagMillis int64 `json:"lagMillis"`
}

func (c *Chain) hint(ctx context.Context) int64 {
	h, err := GetJSON[Heartbeat](ctx, c.task.Store, c.task.Status())
	if err != nil {
		return 0
	}
	return max(h.Tip, 0)
}

// heartbeat tells others where the chain is. A failure costs them some LIST pages.
func (c *Chain) heartbeat(ctx context.Context, tip Checkpoint) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = PutJSON(ctx, c.task.Store, c.task.Status(), Heartbeat{
		Tip: tip.N, Epoch: tip.Epoch, Owner: tip.Owner, Time: tip.Time, LagMillis: tip.LagMillis,
	})
}
