// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"slipway/shared/app"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/rocketmq"
)

// latencies are in milliseconds.
type latencies struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	BareP50 float64 `json:"bareSendP50"`
}

// stamp tells when each message was stored.
type stamp struct {
	deliver.Sink
	stored chan time.Time
}

func (s *stamp) Send(ctx context.Context, m *rocketmq.Message) error {
	err := s.Sink.Send(ctx, m)
	if err == nil {
		s.stored <- time.Now()
	}
	return err
}

// latency measures, while nothing else happens, the time from a commit's
// return to the broker's acknowledgement.
func (s *stage) latency(ctx context.Context, n int) (latencies, error) {
	st := &stamp{stored: make(chan time.Time, 100_000)}
	a, err := s.open(ctx, &app.Tune{Sink: func(sink deliver.Sink) deliver.Sink { st.Sink = sink; return st }})
	if err != nil {
		return latencies{}, err
	}
	tailing, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := a.Tail(tailing, app.TailInput{Task: s.conf.Task})
		done <- err
	}()
	var took []time.Duration
	for i := range n + 10 {
		if _, err := s.db.ExecContext(ctx, fmt.Sprintf("UPDATE orders SET k = k + 1 WHERE id = %d", i%s.rows+1)); err != nil {
			return latencies{}, err
		}
		committed := time.Now()
		select {
		case at := <-st.stored:
			if i >= 10 { // the first ones warm up
				took = append(took, at.Sub(committed))
			}
		case err := <-done:
			return latencies{}, fmt.Errorf("the tail ended: %w", err)
		case <-time.After(time.Minute):
			return latencies{}, fmt.Errorf("change %d was not stored within a minute", i)
		}
	}
	stop()
	if err := <-done; err != nil && fault.ClassOf(err) != fault.Interrupted {
		return latencies{}, err
	}
	bare, err := s.bareLatency(ctx, n)
	slices.Sort(took)
	return latencies{P50: ms(took[len(took)/2]), P99: ms(took[len(took)*99/100]), BareP50: bare}, err
}

// bareLatency is the p50 of one send at a time.
func (s *stage) bareLatency(ctx context.Context, n int) (float64, error) {
	client, err := rocketmq.Dial(ctx, rocketmq.Config{Endpoint: s.conf.Endpoint, Topics: []string{s.conf.Topic}})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	c := s.conf
	c.Messages, c.BodyBytes = 1, 1000
	var took []time.Duration
	for range n {
		begun := time.Now()
		if err := sendBare(ctx, client, c, 1); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return ms(took[len(took)/2]), nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
