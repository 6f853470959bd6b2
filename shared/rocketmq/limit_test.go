// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/rocketmq"
)

type counter struct{ n atomic.Int64 }

func (c *counter) Send(context.Context, *rocketmq.Message) error {
	c.n.Add(1)
	return nil
}

func TestLimitLetsTheRateThroughAndNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &counter{}
		limited := rocketmq.Limit(sink, 200) // two may go at once
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer stop()
		var lanes sync.WaitGroup
		for range 8 {
			lanes.Go(func() {
				for ctx.Err() == nil {
					if err := limited.Send(ctx, message("l", "g", "1")); err != nil {
						refusedFor(t, err, rocketmq.ReasonNotSent)
						return
					}
				}
			})
		}
		lanes.Wait()
		if n := sink.n.Load(); n != 2+10*200 {
			t.Errorf("%d messages in 10 s, want 2002", n)
		}
	})
}

func TestLimitZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	sink := &counter{}
	if got := rocketmq.Limit(sink, 0); got != rocketmq.Sender(sink) {
		t.Errorf("Limit(sink, 0) = %T, want the sink itself", got)
	}
}

func TestLimitRefusesAtTheEndOfTheContext(t *testing.T) {
	t.Parallel()
	sink := &counter{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := rocketmq.Limit(sink, 1).Send(ctx, message("l", "g", "1"))
	if !errors.Is(err, context.Canceled) || !rocketmq.Retryable(err) || sink.n.Load() != 0 {
		t.Errorf("Send = %v after %d messages, want a retryable refusal that is context.Canceled", err, sink.n.Load())
	}
}
