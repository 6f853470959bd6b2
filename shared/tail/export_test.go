// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/state"
)

// Progress is progress for the tests of its package.
type Progress struct{ p *progress }

// NewProgress starts at a position, as a new session does.
func NewProgress(p state.Position, set change.GTIDSet, open change.GTID, resumed int64) Progress {
	return Progress{newProgress(p, set, p.ServerUUID, p.Seq, open, resumed)}
}

// Begin, End and Committed are those of progress.
func (p Progress) Begin(g change.GTID, seq, resumed, time int64) { p.p.begin(g, seq, resumed, time) }

// End ends a transaction; effect is counted when it is committed.
func (p Progress) End(g change.GTID, seq int64, effect func()) {
	p.p.end(&mysql.Event{Kind: mysql.Commit, GTID: g}, seq, func(*state.Checkpoint) { effect() })
}

// Committed gives the position and runs the effects.
func (p Progress) Committed(low int64) state.Position {
	pos, _, effects := p.p.committed(low)
	for _, e := range effects {
		e(nil)
	}
	return pos
}

// Oldest is the time of the first transaction that isn't acknowledged.
func (p Progress) Oldest() int64 { return p.p.oldest() }

// Reservation is reservation for the tests of its package.
type Reservation struct{ r *reservation }

// NewReservation has limit reserved.
func NewReservation(limit int64) Reservation { return Reservation{newReservation(limit)} }

// Await, Raise and Kicked are what handler and committer do with it.
func (r Reservation) Await(ctx context.Context, seq int64) error { return r.r.await(ctx, seq) }

// Raise makes everything up to limit usable.
func (r Reservation) Raise(limit int64) { r.r.raise(limit) }

// Kicked tells whether more was asked for since the last call.
func (r Reservation) Kicked() bool {
	select {
	case <-r.r.kick:
		return true
	default:
		return false
	}
}
