// SPDX-License-Identifier: Apache-2.0

package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/rocketmq"
)

// script answers sends one after the other and notes when each came and
// whether it was marked.
type script struct {
	answers []error
	began   time.Time
	calls   []string
}

func (s *script) Send(_ context.Context, m *rocketmq.Message) error {
	call := time.Since(s.began).Round(time.Second).String()
	if value(m, "replay") == "true" {
		call += " replay"
	}
	s.calls = append(s.calls, call)
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

// Rule D5: after an ambiguous answer the message is sent again marked, when no
// broker can store the first copy any more; after a refusal at once, unmarked.
func TestD5WhatIsSentAgainAndHow(t *testing.T) {
	gate := error(&rocketmq.RefusedError{Reason: rocketmq.ReasonGate, Err: fmt.Errorf("%w: lease", rocketmq.ErrGate)})
	unreachable := fault.New(fault.SinkUnreachable, "", "away: %w", errThrottled)
	for _, c := range []struct {
		name       string
		answers    []error
		want       string
		failed     string
		unresolved int64
	}{
		{name: "stored", want: "0s"},
		{name: "ambiguous", answers: []error{errAmbiguous}, want: "0s, 10s replay"},
		{name: "twice ambiguous", answers: []error{errAmbiguous, errAmbiguous}, want: "0s, 10s replay, 20s replay"},
		{name: "refused", answers: []error{errThrottled}, want: "0s, 0s"},
		{name: "refused after an ambiguous answer", answers: []error{errAmbiguous, errThrottled}, want: "0s, 10s replay, 10s replay"},
		{name: "ambiguous after a refusal", answers: []error{errThrottled, errAmbiguous}, want: "0s, 0s, 10s replay"},
		{name: "the lease is extended", answers: []error{gate}, want: "0s, 0s"},
		{name: "refused for good", answers: []error{errTooLarge}, want: "0s", failed: "too large"},
		{name: "refused for good after an ambiguous answer", answers: []error{errAmbiguous, errTooLarge}, want: "0s, 10s replay", failed: "too large", unresolved: 1},
		{name: "away for long", answers: []error{unreachable, unreachable, unreachable, unreachable, unreachable, unreachable, unreachable, unreachable}, want: "0s, 0s"},
		{name: "throttled for longer than Other", answers: repeat(errThrottled, 100), failed: "too many requests"},
		{name: "unknown for longer than Other", answers: repeat(errAmbiguous, 100), failed: "nobody knows", unresolved: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: c.answers, began: time.Now()}
				sender := deliver.NewSender(deliver.SenderConfig{
					Sink: s, AmbiguousWait: 10 * time.Second, Connection: 10 * time.Minute, Other: time.Minute, Logger: slog.New(slog.DiscardHandler),
				})
				err := sender.Send(t.Context(), &rocketmq.Message{ID: "m", Group: "g"})
				if (err != nil) != (c.failed != "") || err != nil && !strings.Contains(err.Error(), c.failed) {
					t.Errorf("Send ended with %v", err)
				}
				if got := strings.Join(s.calls, ", "); c.failed == "" && !strings.HasPrefix(got, c.want) || c.failed != "" && c.want != "" && got != c.want {
					t.Errorf("sends: %s, want %s", got, c.want)
				}
				if strings.HasSuffix(c.name, "Other") {
					if took := time.Since(s.began); took < time.Minute || took > 90*time.Second {
						t.Errorf("gave up after %s", took)
					}
				}
				if sender.Unresolved() != c.unresolved || sender.Retrying() != 0 {
					t.Errorf("unresolved %d, want %d; retrying %d", sender.Unresolved(), c.unresolved, sender.Retrying())
				}
			})
		})
	}
}

func repeat(err error, n int) (out []error) {
	for range n {
		out = append(out, err)
	}
	return out
}

// Rule C4: a Send that is told to end while its outcome is unknown leaves the
// sender unresolved; one that was refused does not.
func TestC4AnEndedSendMayBeUnresolved(t *testing.T) {
	stop := errors.New("stop")
	for _, c := range []struct {
		name   string
		answer error
		want   int64
	}{{"ambiguous", errAmbiguous, 1}, {"refused", errThrottled, 0}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sender := deliver.NewSender(deliver.SenderConfig{
					Sink: &script{answers: repeat(c.answer, 1000)}, AmbiguousWait: 10 * time.Second, Connection: time.Hour, Other: time.Hour,
					Logger: slog.New(slog.DiscardHandler),
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(15*time.Second, func() { cancel(stop) })
				if err := sender.Send(ctx, &rocketmq.Message{ID: "m", Group: "g"}); !errors.Is(err, stop) {
					t.Errorf("Send ended with %v", err)
				}
				if sender.Unresolved() != c.want {
					t.Errorf("unresolved %d, want %d", sender.Unresolved(), c.want)
				}
			})
		})
	}
}

// counting is a sink that counts what is in flight per group.
type counting struct {
	t      *testing.T
	flight sync.Map // group → *atomic.Int64
}

func (c *counting) Send(_ context.Context, m *rocketmq.Message) error {
	v, _ := c.flight.LoadOrStore(m.Group, new(atomic.Int64))
	n := v.(*atomic.Int64)
	if n.Add(1) > 1 {
		c.t.Errorf("two messages of group %s in flight", m.Group)
	}
	runtime.Gosched()
	n.Add(-1)
	return nil
}

// Messages of one group wait for each other, whoever sends them.
func TestD5OneInFlightPerGroup(t *testing.T) {
	sender := deliver.NewSender(deliver.SenderConfig{Sink: &counting{t: t}, Logger: slog.New(slog.DiscardHandler)})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := sender.Send(t.Context(), &rocketmq.Message{Group: string(rune('a' + i%3))}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
