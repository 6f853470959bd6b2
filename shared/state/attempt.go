// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryPause is the time between two tries to store one checkpoint.
const retryPause = 200 * time.Millisecond

// attempt is a checkpoint on its way into the store. It keeps one body through all
// its tries: a try that seemed to fail may land late, and then it is this very one.
type attempt struct {
	next  Checkpoint
	body  []byte
	start Instant // of the first try: from here on the checkpoint may be in the store
	seen  Instant // its number was seen absent at this moment or later
}

func (c *Chain) newAttempt(next Checkpoint, seen Instant) (*attempt, error) {
	body, err := encodeJSON(c.task.Checkpoint(next.N), next)
	if err != nil {
		return nil, err
	}
	return &attempt{next: next.clone(), body: body, start: c.clock(), seen: seen}, nil
}

// store tries until the attempt is in the store, somebody else's checkpoint is
// (ErrExists), or limit has passed since its first try. Any other error leaves open
// whether it will land.
func (c *Chain) store(ctx context.Context, a *attempt, limit time.Duration) error {
	for {
		stored, err := c.try(ctx, a, limit)
		if stored || errors.Is(err, ErrExists) || ctx.Err() != nil {
			return err
		}
		if c.clock().elapsed(a.start)+retryPause >= limit {
			return err
		}
		if pauseErr := pause(ctx, retryPause); pauseErr != nil {
			return errors.Join(err, pauseErr)
		}
	}
}

func (c *Chain) try(ctx context.Context, a *attempt, limit time.Duration) (stored bool, err error) {
	if c.clock().elapsed(a.seen) > freshness {
		if stored, err := c.reread(ctx, a); stored || err != nil {
			return stored, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit/3)
	defer cancel()
	err = c.task.Store.Create(ctx, c.task.Checkpoint(a.next.N), a.body)
	return err == nil, err
}

// reread looks for the tip again, because the last sight of it is too old to create
// upon (C3). The tip has to be the attempt's predecessor, or the attempt itself if it
// has landed meanwhile.
func (c *Chain) reread(ctx context.Context, a *attempt) (stored bool, err error) {
	s, err := c.look(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case s.tip.N == a.next.N-1:
		a.seen = s.start
		return false, nil
	case s.tip.N == a.next.N && s.tip.Owner == a.next.Owner && s.tip.Time.Equal(a.next.Time):
		return true, nil
	}
	return false, fmt.Errorf("checkpoint %d: %w: the tip is number %d by now", a.next.N, ErrExists, s.tip.N)
}
