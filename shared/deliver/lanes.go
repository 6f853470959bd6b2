// SPDX-License-Identifier: Apache-2.0

package deliver

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
)

// Item is one change bound for a lane.
type Item struct {
	Change *change.Change
	Lane   int
	Topic  string
}

// LanesConfig says how lanes pack and what they may hold.
type LanesConfig struct {
	Pipeline *pipeline.Pipeline
	Sender   *Sender
	Lanes    int
	Epoch    int64
	// MaxRows and MaxBytes bound a packed message.
	MaxRows, MaxBytes int
	// Budget bounds the bytes (change.Size) between Put and acknowledgement; one
	// larger item is admitted alone (rule T3).
	Budget int64
}

// Lanes sends items lane by lane, in the order they were put, one message in
// flight per lane. When a lane has a backlog, neighbouring rows share a
// message; when it is idle a row leaves at once.
type Lanes struct {
	cfg    LanesConfig
	lanes  []*lane
	budget *semaphore.Weighted
	// dispatched is the last sequence number that was put, or needs no delivery.
	dispatched atomic.Int64
	sent       atomic.Int64 // rows and DDLs acknowledged
	messages   atomic.Int64
	idle       chan struct{} // a token per lane that ran empty
}

// lane is one ordered stream.
type lane struct {
	mu    sync.Mutex
	queue []Item
	wake  chan struct{}
	// head is the first unacknowledged sequence number, MaxInt64 when there is
	// none; since is when it became so (Unix ns).
	head, since atomic.Int64
}

// NewLanes makes lanes that have acknowledged everything up to seq.
func NewLanes(cfg LanesConfig, seq int64) *Lanes {
	l := &Lanes{cfg: cfg, budget: semaphore.NewWeighted(cfg.Budget), idle: make(chan struct{}, 1)}
	l.dispatched.Store(seq)
	for range cfg.Lanes {
		ln := &lane{wake: make(chan struct{}, 1)}
		ln.head.Store(math.MaxInt64)
		l.lanes = append(l.lanes, ln)
	}
	return l
}

// Run sends until ctx ends (nil) or a message can't be delivered (its error).
func (l *Lanes) Run(ctx context.Context) error {
	g, work := errgroup.WithContext(ctx)
	for i, ln := range l.lanes {
		g.Go(func() error { return l.runLane(work, i, ln) })
	}
	err := g.Wait()
	if ctx.Err() != nil && err == context.Cause(ctx) { //nolint:errorlint // the cancellation itself, not an error about it
		return nil
	}
	return err
}

// Put queues an item; it waits while the budget is spent. Items are put in
// ascending order of sequence numbers, from one goroutine.
func (l *Lanes) Put(ctx context.Context, it Item) error {
	if err := l.budget.Acquire(ctx, l.weight(it)); err != nil {
		return context.Cause(ctx)
	}
	ln := l.lanes[it.Lane]
	ln.mu.Lock()
	ln.queue = append(ln.queue, it)
	if len(ln.queue) == 1 {
		ln.since.Store(time.Now().UnixNano())
		ln.head.Store(it.Change.Seq)
	}
	ln.mu.Unlock()
	select {
	case ln.wake <- struct{}{}:
	default:
	}
	return nil
}

func (l *Lanes) weight(it Item) int64 { return min(int64(it.Change.Size()), l.cfg.Budget) }

// Advance says that everything up to seq was put or needs no delivery.
func (l *Lanes) Advance(seq int64) { l.dispatched.Store(seq) }

// Acknowledged is the low-water mark: every number up to it is delivered or
// needed no delivery.
func (l *Lanes) Acknowledged() int64 {
	// Read first: what was put before is in its lane's head by now.
	low := l.dispatched.Load()
	for _, ln := range l.lanes {
		low = min(low, ln.head.Load()-1)
	}
	return low
}

// Oldest is how long the oldest unacknowledged item has been at the head of
// its lane, 0 when all are idle (rule T7).
func (l *Lanes) Oldest() time.Duration {
	now, oldest := time.Now().UnixNano(), int64(0)
	for _, ln := range l.lanes {
		if ln.head.Load() != math.MaxInt64 {
			oldest = max(oldest, now-ln.since.Load())
		}
	}
	return time.Duration(oldest)
}

// Sent counts acknowledged changes and messages.
func (l *Lanes) Sent() (changes, messages int64) { return l.sent.Load(), l.messages.Load() }

// Drain waits until everything put before is acknowledged.
func (l *Lanes) Drain(ctx context.Context) error {
	for !l.empty() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.idle:
		}
	}
	return nil
}

func (l *Lanes) empty() bool {
	for _, ln := range l.lanes {
		if ln.head.Load() != math.MaxInt64 {
			return false
		}
	}
	return true
}

func (l *Lanes) runLane(ctx context.Context, number int, ln *lane) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ln.wake:
		}
		for {
			batch := l.next(ln)
			if len(batch) == 0 {
				break
			}
			if err := l.deliver(ctx, number, batch); err != nil {
				return err
			}
			l.acknowledge(ln, len(batch))
		}
	}
}

// next takes the rows of the lane's next message. They stay in the queue until
// they are acknowledged.
func (l *Lanes) next(ln *lane) []Item {
	ln.mu.Lock()
	queue := ln.queue
	ln.mu.Unlock()
	if len(queue) == 0 {
		return nil
	}
	p := l.cfg.Pipeline
	kind, ok := p.Kind(queue[0].Change)
	if !ok {
		return queue[:1:1]
	}
	size, n := p.RowSize(queue[0].Change), 1
	for ; n < len(queue) && n < l.cfg.MaxRows; n++ {
		if k, ok := p.Kind(queue[n].Change); !ok || k != kind {
			break
		}
		if size += p.RowSize(queue[n].Change); size > l.cfg.MaxBytes {
			break
		}
	}
	return queue[:n:n]
}

// deliver sends a batch as one message, or as several if it turns out too
// large for one.
func (l *Lanes) deliver(ctx context.Context, number int, batch []Item) error {
	rows := make([]*change.Change, len(batch))
	for i := range batch {
		rows[i] = batch[i].Change
	}
	m, err := l.cfg.Pipeline.Message(rows, pipeline.Envelope{Epoch: l.cfg.Epoch, Lane: number, Topic: batch[0].Topic, Now: time.Now()})
	if err != nil {
		return err
	}
	if len(m.Body) > rocketmq.MaxBodyBytes {
		half := len(batch) / 2
		if err := l.deliver(ctx, number, batch[:half]); err != nil {
			return err
		}
		return l.deliver(ctx, number, batch[half:])
	}
	if err := l.cfg.Sender.Send(ctx, m); err != nil {
		if ctx.Err() != nil || fault.ClassOf(err) != fault.Internal {
			return err
		}
		return fmt.Errorf("lane %d: %w", number, err)
	}
	l.messages.Add(1)
	return nil
}

func (l *Lanes) acknowledge(ln *lane, n int) {
	var weight int64
	ln.mu.Lock()
	for _, it := range ln.queue[:n] {
		weight += l.weight(it)
	}
	clear(ln.queue[:n])
	ln.queue = ln.queue[n:]
	empty := len(ln.queue) == 0
	if empty {
		ln.queue = nil
		ln.head.Store(math.MaxInt64)
	} else {
		ln.since.Store(time.Now().UnixNano())
		ln.head.Store(ln.queue[0].Change.Seq)
	}
	ln.mu.Unlock()
	l.sent.Add(int64(n))
	l.budget.Release(weight)
	if empty {
		select {
		case l.idle <- struct{}{}:
		default:
		}
	}
}
