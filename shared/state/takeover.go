// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of taking over a chain.
var (
	// ErrHeld says that another process holds the task.
	ErrHeld = errors.New("the task is held by another process")
	// ErrStaleEpoch says that a later invocation has taken over already.
	ErrStaleEpoch = errors.New("a later epoch has taken over; this invocation is not needed any more")
)

// The defaults of Terms.
const (
	DefaultLease         = 15 * time.Second
	DefaultSendTimeout   = 3 * time.Second
	DefaultAmbiguousWait = 10 * time.Second
)

// Terms are the times a lease goes by. Zero means the default. Different processes
// may have different terms: a newcomer waits for the longer of the holder's and its own.
type Terms struct {
	// Lease is how long a process may act on one stored checkpoint.
	Lease time.Duration
	// SendTimeout is the longest a send can take from its Check to its end.
	SendTimeout time.Duration
	// AmbiguousWait is how much later than that a broker may still store a message.
	AmbiguousWait time.Duration
}

func (t Terms) withDefaults() (Terms, error) {
	if t.Lease == 0 {
		t.Lease = DefaultLease
	}
	if t.SendTimeout == 0 {
		t.SendTimeout = DefaultSendTimeout
	}
	if t.AmbiguousWait == 0 {
		t.AmbiguousWait = DefaultAmbiguousWait
	}
	// The lease is extended from a third of it on, and sends stop before its end.
	if t.Lease <= 0 || t.SendTimeout <= 0 || t.AmbiguousWait < 0 || t.SendTimeout > t.Lease/2 {
		return t, fmt.Errorf("lease terms %+v: the send time-out may be at most half the lease", t)
	}
	return t, nil
}

// hold is how long a tip must stand unmoved before a newcomer may take over.
func (t Terms) hold() time.Duration { return t.Lease + t.SendTimeout + t.AmbiguousWait }

// TakeOverOptions say who takes over and how.
type TakeOverOptions struct {
	// Epoch is the invocation's number; 0 means one above the tip's.
	Epoch int64
	// Owner is the process's nonce; "" means a new one.
	Owner string
	// Terms of the lease to be.
	Terms Terms
	// Wait says to wait for as long as another process keeps the task. Without it
	// TakeOver waits only for a holder that shows no life.
	Wait bool
	// Waiting, if set, is called now and then while TakeOver waits, with the tip in
	// the way and the time left if it doesn't move.
	Waiting func(tip Checkpoint, left time.Duration)
}

// TakeOver makes this process the holder of the chain (C2). It probes the store for
// create-if-absent. A released tip is taken at once. Any other has to stand unmoved
// for lease + send time-out + ambiguous wait, counted on this process's own clock
// from its first sight of it; if it moves, the count starts again, or TakeOver
// returns ErrHeld if it isn't to wait. Then it creates the next number, with the same
// committed position and reservation under the new epoch. It returns ErrStaleEpoch if
// the tip's epoch is higher, ErrNoChain if there is no tip, and the store's errors.
// Whether a task that was Stopped should go on is for the caller to ask, of Tip.
//
// A crash at any point leaves the tip as it was, or a tip of this process's that
// others will wait for in turn.
func (c *Chain) TakeOver(ctx context.Context, o TakeOverOptions) (*Lease, error) {
	terms, err := o.Terms.withDefaults()
	if err != nil {
		return nil, err
	}
	o.Terms = terms
	if o.Owner == "" {
		o.Owner = NewOwner()
	}
	if err := Probe(ctx, c.task.Store); err != nil {
		return nil, err
	}
	s, err := c.awaitFree(ctx, o, vigil{})
	for err == nil {
		var lease *Lease
		lease, err = c.claim(ctx, s, o)
		if err == nil || !errors.Is(err, ErrExists) {
			return lease, err
		}
		// Somebody was faster; that is a tip that moved.
		s, err = c.awaitFree(ctx, o, vigil{tip: s.tip, begun: true, since: c.clock()})
	}
	return nil, err
}

// vigil is a newcomer's watch over a tip that is not released.
type vigil struct {
	tip   Checkpoint
	begun bool
	since Instant // when its first sight was complete; the tip was stored before
}

// awaitFree returns a fresh sight of a tip that may be taken.
func (c *Chain) awaitFree(ctx context.Context, o TakeOverOptions, v vigil) (sight, error) {
	for {
		s, err := c.look(ctx)
		if err != nil {
			return sight{}, err
		}
		now := c.clock()
		switch {
		case o.Epoch != 0 && s.tip.Epoch > o.Epoch:
			return sight{}, fmt.Errorf("take over task %s for epoch %d: %w (epoch %d)", c.task.Name, o.Epoch, ErrStaleEpoch, s.tip.Epoch)
		case s.tip.Released:
			return s, nil
		case !v.begun:
			v = vigil{tip: s.tip, begun: true, since: now}
		case v.tip.N != s.tip.N && !o.Wait:
			return sight{}, fmt.Errorf("take over task %s: %w: owner %s, epoch %d, checkpoint %d written %s ago; stop it, or wait",
				c.task.Name, ErrHeld, s.tip.Owner, s.tip.Epoch, s.tip.N, now.Wall.Sub(s.tip.Time).Round(time.Second))
		case v.tip.N != s.tip.N:
			v = vigil{tip: s.tip, begun: true, since: now}
		}
		hold := max(o.Terms.hold(), time.Duration(s.tip.HoldMillis)*time.Millisecond)
		left := hold - now.waited(v.since)
		if left <= 0 {
			return s, nil
		}
		if o.Waiting != nil {
			o.Waiting(s.tip, left)
		}
		if err := pause(ctx, min(left, o.Terms.Lease/3)); err != nil {
			return sight{}, fmt.Errorf("wait for %s to let go of task %s: %w", s.tip.Owner, c.task.Name, err)
		}
	}
}

// claim creates the number after the sighted tip. It returns ErrExists if another
// process was faster.
func (c *Chain) claim(ctx context.Context, s sight, o TakeOverOptions) (*Lease, error) {
	l := &Lease{chain: c, terms: o.Terms, owner: o.Owner, epoch: o.Epoch, inherited: s.tip.Reserved.Seq}
	if l.epoch == 0 {
		l.epoch = s.tip.Epoch + 1
	}
	next := s.tip.clone()
	next.Stopped = false
	l.stamp(&next, s.tip)
	if err := next.follows(s.tip); err != nil {
		return nil, err
	}
	a, err := c.newAttempt(next, s.start)
	if err != nil {
		return nil, err
	}
	if err := c.store(ctx, a, o.Terms.Lease); err != nil {
		return nil, fmt.Errorf("take over task %s: %w", c.task.Name, err)
	}
	l.granted.Store(&grant{start: a.start})
	l.landed(a)
	if err := l.Check(); err != nil {
		return nil, fmt.Errorf("take over task %s: the store took too long: %w", c.task.Name, err)
	}
	c.heartbeat(ctx, a.next)
	l.beat = c.clock()
	return l, nil
}
