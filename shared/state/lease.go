// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that end a lease.
var (
	// ErrFenced says that another process has taken the chain on. Nothing may be sent
	// any more, and nothing can be committed.
	ErrFenced = errors.New("fenced: another process has taken over the task")
	// ErrLeaseLost says that the lease ran out before it was extended. Nothing may be
	// sent under it any more; what was acknowledged may still be committed.
	ErrLeaseLost = errors.New("the lease on the task ran out; is the state store slow or the process starved?")
	// ErrReleased says that the lease was given up.
	ErrReleased = errors.New("the lease on the task was released")
)

// Lease is the right to move a task, and the pen that writes its chain. Check may be
// called from any goroutine at any time; Commit and Release take turns.
//
// The holder calls Check immediately before each RPC that sends, and Commit whenever
// Due says so, however idle or paused it is.
type Lease struct {
	chain *Chain
	terms Terms
	owner string
	epoch int64
	// inherited is the reservation the lease was taken over with.
	inherited int64

	granted atomic.Pointer[grant]      // what Check reads; replaced under mu
	tip     atomic.Pointer[Checkpoint] // last one known to be stored; replaced under mu

	mu        sync.Mutex // held for the whole of a Commit or Release
	last      Checkpoint // same as tip
	seen      Instant    // last.N+1 was absent at this moment or later
	pending   *attempt   // started, its fate unknown; nothing else may be written before it
	releasing bool
	fenced    error
	thinned   Thinned // goes out with the next checkpoint
	beat      Instant // of the last heartbeat

	pruning sync.Mutex // held for the whole of a Prune, which must not delay a Commit
}

// grant is a lease's present extent. It is immutable.
type grant struct {
	start Instant // of the PUT that counts
	end   error   // set when nothing may be sent for good
}

// Epoch returns the epoch the lease was taken for.
func (l *Lease) Epoch() int64 { return l.epoch }

// Owner returns the nonce of the lease's process.
func (l *Lease) Owner() string { return l.owner }

// Last returns the newest checkpoint this lease knows to be stored.
func (l *Lease) Last() Checkpoint { return l.tip.Load().clone() }

// Check returns nil while a send that starts now will be over before anybody else can
// take the task (C2): until lease − send time-out after the start of the PUT that
// counts, by the faster of the two clocks. Otherwise it returns ErrLeaseLost,
// ErrFenced or ErrReleased. ErrLeaseLost goes away again only if a Commit that is
// under way succeeds within the lease. It takes no lock and does no I/O.
func (l *Lease) Check() error {
	g := l.granted.Load()
	if g.end != nil {
		return g.end
	}
	if l.chain.clock().elapsed(g.start) >= l.terms.Lease-l.terms.SendTimeout {
		return ErrLeaseLost
	}
	return nil
}

// Due returns how long the holder may leave the lease as it is: until a third of it
// has passed. It is zero or less when a Commit is due.
func (l *Lease) Due() time.Duration {
	return l.terms.Lease/3 - l.chain.clock().elapsed(l.granted.Load().start)
}

// Commit appends a checkpoint: the last one as changed by change, which may be nil if
// only the lease is to be extended. It returns the checkpoint stored last.
//
// It tries for as long as the lease lasts. If it fails with ErrLeaseLost or the end
// of ctx the checkpoint may or may not be stored, now or later; the next call finds
// out first. With ErrLeaseLost and the new checkpoint it was stored, but too late to
// extend the lease. It returns ErrFenced if another process has taken the number, and
// ErrInvalid if change lets a position fall; then nothing was written.
func (l *Lease) Commit(ctx context.Context, change func(*Checkpoint)) (Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.releasing {
		return l.last.clone(), ErrReleased
	}
	err := l.append(ctx, change)
	return l.last.clone(), err
}

// Passed says that the holder has come past all that its predecessor can have
// sent: what was taken over as reserved needn't stay so.
func (l *Lease) Passed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inherited = 0
}

// Release appends a last checkpoint that lets the next process take over at once. The
// caller must have nothing in flight and nothing ambiguous (C4): if it has, it lets
// the lease lapse instead. The change, which may be nil, can advance the committed
// position; then the reservation shrinks to it, or to what it was at take-over if that
// is more. From the call on Check refuses. If it
// fails it may be called again; left alone, the lease lapses.
func (l *Lease) Release(ctx context.Context, change func(*Checkpoint)) (Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releasing = true
	l.finish(ErrReleased)
	err := l.append(ctx, change)
	if l.last.Released {
		err = nil // even if the lease had run out: it is over either way
	}
	return l.last.clone(), err
}

// append writes one checkpoint on top of the last. A crash in it leaves the chain at
// the last one or at the new one; both are true.
func (l *Lease) append(ctx context.Context, change func(*Checkpoint)) error {
	if err := l.resolve(ctx); l.pending != nil || l.fenced != nil || l.last.Released {
		return err
	}
	next := l.last.clone()
	if change != nil {
		change(&next)
	}
	if l.releasing {
		// Nothing of ours is in flight; but what the holder before us may have sent and
		// we did not get to is still to be marked.
		next.Reserved.Seq = max(next.Committed.Seq, l.inherited)
	}
	l.stamp(&next, l.last)
	if err := next.follows(l.last); err != nil {
		return err
	}
	a, err := l.chain.newAttempt(next, l.seen)
	if err != nil {
		return err
	}
	l.pending = a
	return l.resolve(ctx)
}

// resolve brings the pending attempt to its end, if there is one.
func (l *Lease) resolve(ctx context.Context) error {
	if l.fenced != nil {
		return l.fenced
	}
	if l.pending == nil {
		return nil
	}
	a := l.pending
	err := l.chain.store(ctx, a, l.terms.Lease)
	switch {
	case errors.Is(err, ErrExists):
		l.fenced = l.fence(ctx, a.next.N)
		l.finish(l.fenced)
		return l.fenced
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("store checkpoint %d: %w", a.next.N, err)
	case err != nil:
		return fmt.Errorf("store checkpoint %d: %w: %w", a.next.N, ErrLeaseLost, err)
	}
	l.pending = nil
	l.landed(a)
	if now := l.chain.clock(); now.elapsed(l.beat) >= l.terms.Lease/3 || l.last.Released {
		l.beat = now
		l.chain.heartbeat(ctx, l.last)
	}
	return l.lapsed()
}

// landed takes a stored attempt as the new last checkpoint. The lease runs from the
// start of the attempt's first try, since it may have been stored, and sighted by a
// newcomer, from then on; and it runs on only if it had not run out by now.
func (l *Lease) landed(a *attempt) {
	l.last, l.seen = a.next, a.start
	tip := a.next.clone()
	l.tip.Store(&tip)
	l.chain.note(a.next.N)
	g := l.granted.Load()
	if g.end != nil {
		return
	}
	now := l.chain.clock()
	if now.elapsed(g.start) >= l.terms.Lease || now.elapsed(a.start) >= l.terms.Lease {
		l.finish(ErrLeaseLost)
		return
	}
	l.granted.Store(&grant{start: a.start})
}

// lapsed returns ErrLeaseLost if the lease has ended for that reason.
func (l *Lease) lapsed() error {
	if g := l.granted.Load(); errors.Is(g.end, ErrLeaseLost) {
		return g.end
	}
	return nil
}

// finish ends the lease for good. A release can still turn out to be fenced.
func (l *Lease) finish(end error) {
	g := l.granted.Load()
	if g.end == nil || errors.Is(end, ErrFenced) {
		l.granted.Store(&grant{start: g.start, end: end})
	}
}

// fence says who has taken number n, if that can be learnt.
func (l *Lease) fence(ctx context.Context, n int64) error {
	other, err := l.chain.Get(ctx, n)
	if err != nil {
		return fmt.Errorf("checkpoint %d: %w", n, ErrFenced)
	}
	return fmt.Errorf("checkpoint %d: %w (owner %s, epoch %d)", n, ErrFenced, other.Owner, other.Epoch)
}

// stamp sets the fields that are the lease's, whatever a change did to them.
func (l *Lease) stamp(next *Checkpoint, last Checkpoint) {
	next.Version, next.N = CheckpointVersion, last.N+1
	next.Epoch, next.Owner = l.epoch, l.owner
	next.Released = l.releasing
	next.Time = l.chain.clock().Wall.UTC()
	next.HoldMillis = l.terms.hold().Milliseconds()
	next.Thinned.Minutes = max(last.Thinned.Minutes, l.thinned.Minutes)
	next.Thinned.Hours = max(last.Thinned.Hours, l.thinned.Hours)
}
