// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"sync"
	"sync/atomic"
)

// reservation is how far rows may be sent (rule D8). The handler waits for it,
// the committer makes it durable and raises it.
type reservation struct {
	limit  atomic.Int64
	wanted atomic.Int64
	kick   chan struct{} // wakes the committer
	mu     sync.Mutex
	raised chan struct{} // closed at the next raise
}

func newReservation(limit int64) *reservation {
	r := &reservation{kick: make(chan struct{}, 1), raised: make(chan struct{})}
	r.limit.Store(limit)
	return r
}

// Reservations reach this far ahead: two seconds' worth of rows, within these.
const (
	leastAhead = 1_000
	mostAhead  = 100_000
)

// await returns once seq may be sent. It asks for more at half distance, so
// that it seldom waits.
func (r *reservation) await(ctx context.Context, seq int64) error {
	r.wanted.Store(seq)
	limit := r.limit.Load()
	if limit-seq < leastAhead/2 {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
	for seq > r.limit.Load() {
		r.mu.Lock()
		raised := r.raised
		r.mu.Unlock()
		if seq <= r.limit.Load() {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-raised:
		}
	}
	return nil
}

// raise says that everything up to limit is durably reserved.
func (r *reservation) raise(limit int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit.Store(limit)
	close(r.raised)
	r.raised = make(chan struct{})
}
