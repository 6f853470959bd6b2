// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"slipway/shared/fault"
	"slipway/shared/state"
)

// Invocation is workers/<id>.json: until when an invocation may send. A tail
// starts only after it (rule S10), or after <id>.ended.json says that nothing
// of it is in flight.
type Invocation struct {
	ID       string    `json:"id"`
	Worker   int       `json:"worker"`
	Deadline time.Time `json:"deadline"`
	// GraceMillis is how long after the deadline a message of it may still be
	// stored.
	GraceMillis int64 `json:"graceMillis"`
}

// A tenure reaches this far and is renewed this often, so that after a kill -9 a
// tail waits no longer.
const (
	tenureTerm  = 30 * time.Second
	tenureRenew = 8 * time.Second
)

// errTenure refuses a send that could end after its invocation's tenure.
var errTenure = errors.New("the invocation's recorded time is over")

// Tenure is an invocation's right to send: for a term that is recorded anew
// while the process lives, and never past its platform's deadline.
type Tenure struct {
	task        *state.Task
	inv         Invocation
	deadline    time.Time // zero: none
	sendTimeout time.Duration
	until       atomic.Pointer[time.Time] // with its monotonic reading
	renewals    int                       // owned by hold
}

// BeginTenure records an invocation before it sends anything. id is new for
// every one; a zero deadline means that no platform sets one.
func BeginTenure(ctx context.Context, t *state.Task, id string, worker int, deadline time.Time, sendTimeout, ambiguousWait time.Duration) (*Tenure, error) {
	tn := &Tenure{
		task: t, deadline: deadline, sendTimeout: sendTimeout,
		inv: Invocation{ID: id, Worker: worker, GraceMillis: (sendTimeout + ambiguousWait).Milliseconds()},
	}
	return tn, tn.record(ctx, id)
}

// record extends the tenure, durably before it counts.
func (tn *Tenure) record(ctx context.Context, key string) error {
	until := time.Now().Add(tenureTerm)
	if !tn.deadline.IsZero() && tn.deadline.Before(until) {
		until = tn.deadline
	}
	inv := tn.inv
	inv.Deadline = until.UTC().Round(0)
	if err := state.CreateJSON(ctx, tn.task.Store, tn.task.Worker(key), inv); err != nil {
		return fmt.Errorf("record the invocation: %w", err)
	}
	// A record that came too late is no extension: settle may have looked already,
	// and found nobody who could still send.
	if last := tn.until.Load(); last != nil && remaining(*last) <= 0 {
		return fault.New(fault.StoreUnreachable, "", "%w: the state store was too slow, or the process stood still", errTenure)
	}
	tn.until.Store(&until)
	return nil
}

// remaining is the time to t, by the faster of the two clocks.
func remaining(t time.Time) time.Duration {
	return min(time.Until(t), t.Round(0).Sub(time.Now().Round(0)))
}

// Check is the gate of every send: nil while one that starts now ends in time.
func (tn *Tenure) Check() error {
	if remaining(*tn.until.Load()) < tn.sendTimeout {
		return errTenure
	}
	return nil
}

// left is how much time the platform leaves; ok is false without a deadline.
func (tn *Tenure) left() (d time.Duration, ok bool) {
	return time.Until(tn.deadline), !tn.deadline.IsZero()
}

// hold renews the tenure until ctx ends. A store that fails for longer than the
// term ends the work.
func (tn *Tenure) hold(ctx context.Context) error {
	tick := time.NewTicker(tenureRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		tn.renewals++
		err := tn.record(ctx, tn.inv.ID+"."+strconv.Itoa(tn.renewals))
		if err != nil && ctx.Err() == nil && remaining(*tn.until.Load()) <= 0 {
			return err
		}
	}
}

// end says that nothing of the invocation is in flight.
func (tn *Tenure) end(ctx context.Context) error {
	if err := state.CreateJSON(ctx, tn.task.Store, tn.task.Worker(tn.inv.ID+".ended"), tn.inv); err != nil {
		return fmt.Errorf("record the invocation's end: %w", err)
	}
	return nil
}

// lastSender is how long an invocation without a recorded end may still send.
func lastSender(ctx context.Context, t *state.Task, now time.Time) (time.Duration, error) {
	ended := map[string]bool{}
	var records []string
	for key, err := range t.Store.List(ctx, t.Workers(), "") {
		if err != nil {
			return 0, err
		}
		record := strings.TrimSuffix(strings.TrimPrefix(key, t.Workers()), ".json")
		if id, ok := strings.CutSuffix(record, ".ended"); ok {
			ended[id] = true
		} else {
			records = append(records, record)
		}
	}
	var wait time.Duration
	for _, record := range records {
		id, _, _ := strings.Cut(record, ".")
		if ended[id] {
			continue
		}
		inv, err := state.GetJSON[Invocation](ctx, t.Store, t.Worker(record))
		if err != nil {
			return 0, err
		}
		wait = max(wait, inv.Deadline.Add(time.Duration(inv.GraceMillis)*time.Millisecond).Sub(now))
	}
	return wait, nil
}
