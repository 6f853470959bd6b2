// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"cmp"
	"context"
	"math"

	"golang.org/x/time/rate"
)

// Sender is what Limit decorates; *Client is one.
type Sender interface {
	Send(ctx context.Context, m *Message) error
}

// Limit lets at most perSecond messages per second through to sink, whichever
// lane they come from; a hundredth of that may go at once. 0 or less means no
// limit. A ctx that ends while a message waits refuses it as not sent.
func Limit(sink Sender, perSecond float64) Sender {
	if perSecond <= 0 {
		return sink
	}
	burst := int(math.Ceil(perSecond / 100))
	return &limited{sink: sink, limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

type limited struct {
	sink    Sender
	limiter *rate.Limiter
}

func (l *limited) Send(ctx context.Context, m *Message) error {
	if err := l.limiter.Wait(ctx); err != nil {
		return m.refused(ReasonNotSent, cmp.Or(context.Cause(ctx), err))
	}
	return l.sink.Send(ctx, m)
}
