// SPDX-License-Identifier: Apache-2.0

// Package deliver gets messages stored, in order, exactly as often as needed.
//
// It keeps idea 4 and rule D5: one message in flight per lane, nothing
// overtakes a failed send, and a message that may have been stored already is
// sent again only marked and after the time a broker could still store the
// first copy.
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"slipway/shared/fault"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
)

// Sink stores one message. See rocketmq.Client for what its errors mean.
type Sink interface {
	Send(ctx context.Context, m *rocketmq.Message) error
}

// SenderConfig says how a Sender bears with failures.
type SenderConfig struct {
	Sink Sink
	// AmbiguousWait is how much later than its call's end a broker may still
	// store a message.
	AmbiguousWait time.Duration
	// Connection bounds the retries while the broker can't be reached, Other all
	// other retries.
	Connection, Other time.Duration
	Logger            *slog.Logger
}

// Sender sends each message until it is acknowledged. It is safe for
// concurrent use; messages of one group wait for each other.
type Sender struct {
	cfg       SenderConfig
	groups    sync.Map // message group → *sync.Mutex
	ambiguous atomic.Int64
	retrying  atomic.Int64
}

// NewSender makes a Sender.
func NewSender(cfg SenderConfig) *Sender { return &Sender{cfg: cfg} }

// Unresolved counts messages that may be stored, or may still become so, and
// whose Send has given up: while there is one the lease may not be released
// (rule C4).
func (s *Sender) Unresolved() int64 { return s.ambiguous.Load() }

// Retrying counts messages that are being tried again: the task's status is
// Retrying while there is one.
func (s *Sender) Retrying() int64 { return s.retrying.Load() }

// Send returns nil once m is stored. It returns an error when ctx ends, when
// the broker refuses m for good, or when the patience of the config is over.
func (s *Sender) Send(ctx context.Context, m *rocketmq.Message) error {
	lock, _ := s.groups.LoadOrStore(m.Group, new(sync.Mutex))
	mu := lock.(*sync.Mutex)
	mu.Lock()
	defer mu.Unlock()
	err := s.cfg.Sink.Send(ctx, m)
	if err == nil {
		return nil
	}
	s.retrying.Add(1)
	defer s.retrying.Add(-1)
	return s.again(ctx, m, err)
}

// again retries after the first failure.
func (s *Sender) again(ctx context.Context, m *rocketmq.Message, err error) error {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 100*time.Millisecond, 5*time.Second
	since := time.Now()
	ambiguous := false
	s.cfg.Logger.Warn("send failed, trying again", "message", m.ID, "group", m.Group, "error", err)
	for {
		wait := b.NextBackOff()
		switch {
		case errors.Is(err, rocketmq.ErrAmbiguous):
			ambiguous = true
			wait = s.cfg.AmbiguousWait
		case errors.Is(err, rocketmq.ErrGate):
			// The lease may be extended any moment; if it is not, its owner ends ctx.
		case !rocketmq.Retryable(err):
			s.giveUp(ambiguous)
			return err
		}
		if time.Since(since) > s.patience(err) {
			s.giveUp(ambiguous)
			return err
		}
		select {
		case <-ctx.Done():
			s.giveUp(ambiguous)
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		if ambiguous {
			pipeline.MarkReplay(m)
		}
		if err = s.cfg.Sink.Send(ctx, m); err == nil {
			s.cfg.Logger.Info("send succeeded after retries", "message", m.ID, "group", m.Group, "after", time.Since(since))
			return nil
		}
	}
}

func (s *Sender) giveUp(ambiguous bool) {
	if ambiguous {
		s.ambiguous.Add(1)
	}
}

func (s *Sender) patience(err error) time.Duration {
	if fault.ClassOf(err) == fault.SinkUnreachable {
		return s.cfg.Connection
	}
	return s.cfg.Other
}
