// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Send stores one message. It returns nil once the broker acknowledged it, a
// *RefusedError when it certainly did not store it, an error that is
// ErrAmbiguous when nobody knows; then the caller waits out a late store and
// sends again, marked as a replay. A cancelled ctx keeps an attempt from
// starting and never cuts off one that has started: Send waits for its end,
// SendTimeout after its start at the latest. An attempt that doesn't end even
// then gives ErrUnjoined, after which the process must end.
//
// Two Sends of one group at the same time are a programming error (a
// *RefusedError with ReasonLaneBusy): they could be stored in either order.
func (c *Client) Send(ctx context.Context, m *Message) error {
	if r := m.check(); r != nil {
		return r.fault()
	}
	if c.closed.Load() || !c.started {
		return m.refused(ReasonNotSent, errors.New("the client is closed, or was dialled without topics")).fault()
	}
	if ctx.Err() != nil {
		return m.refused(ReasonNotSent, context.Cause(ctx)) // of its cause's class
	}
	lane := [2]string{m.Topic, m.Group}
	if _, busy := c.lanes.LoadOrStore(lane, m.ID); busy {
		return m.refused(ReasonLaneBusy, errors.New("another message of this group is under way")).fault()
	}
	err := c.sendOnce(ctx, m)
	if !errors.Is(err, ErrUnjoined) { // else the lane stays taken for good
		c.lanes.Delete(lane)
	}
	return err
}

// sendOnce runs the library's Send beside the register and takes the result
// from the register: the library's own tells of the attempts refused after it.
func (c *Client) sendOnce(ctx context.Context, m *Message) error {
	a := &attempt{gate: c.cfg.Gate, timeout: c.cfg.SendTimeout, ended: make(chan struct{})}
	library := make(chan error, 1)
	message := m.library() // the caller may change m while the library lingers
	c.library.Go(func() {
		ctx := context.WithValue(context.WithoutCancel(ctx), attemptKey{}, a)
		_, err := c.producer.Send(ctx, message)
		library <- err
	})
	// First for the attempt to start, then for it to end.
	timer := time.NewTimer(c.cfg.SendTimeout)
	defer timer.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case <-a.ended:
			return m.outcome(a)
		case err := <-library:
			if a.seal() {
				return m.beforeAttempt(err).fault()
			}
			<-a.ended // the library returns after its attempt only
			return m.outcome(a)
		case <-cancelled:
			cancelled = nil
			if a.seal() {
				return m.refused(ReasonNotSent, context.Cause(ctx)) // of its cause's class
			}
		case <-timer.C:
			if a.seal() {
				return m.refused(ReasonNotSent, fmt.Errorf("no way to the broker within %v", c.cfg.SendTimeout)).fault()
			}
			left := time.Until(a.start().Add(c.cfg.SendTimeout + c.joinGrace))
			if left <= 0 {
				return unjoined(m)
			}
			timer.Reset(left)
		}
	}
}

// attemptKey finds a Send's attempt in the context that goes through the
// library down to the connection.
type attemptKey struct{}

// attempt is the register's entry for one Send: fresh, then either running and
// ended, or sealed. A sealed or used one lets nothing through any more.
type attempt struct {
	gate    func() error
	timeout time.Duration
	// onWire is set once the call is handed to a connection.
	onWire atomic.Bool
	// ended is closed behind the attempt; gateErr, callErr and reply are only
	// read after that.
	ended            chan struct{}
	gateErr, callErr error
	reply            *v2.SendMessageResponse

	mu      sync.Mutex
	used    bool
	startAt time.Time
}

// seal closes a fresh attempt for good and tells whether it was fresh.
func (a *attempt) seal() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used {
		return false
	}
	a.used = true
	return true
}

// begin starts a fresh attempt and tells whether it was fresh.
func (a *attempt) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used {
		return false
	}
	a.used, a.startAt = true, time.Now()
	return true
}

func (a *attempt) start() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.startAt
}

// run is called by the connection for each SendMessage the library makes. The
// first call of a fresh attempt passes the gate and is invoked, every other is
// refused here. An attempt may wait for a connection after the gate, but never
// past its timeout, which is why sending stops that long before the lease ends.
// None of the errors made here is Unavailable, which would make
// the library drop its connection.
func (a *attempt) run(ctx context.Context, reply *v2.SendMessageResponse, invoke func(context.Context) error) error {
	if !a.begin() {
		return status.Error(codes.Aborted, "slipway: one attempt per send (D5)")
	}
	defer close(a.ended)
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	if a.gateErr = a.gate(); a.gateErr != nil {
		return status.Error(codes.Aborted, "slipway: the lease check refused (C2)")
	}
	if a.callErr = invoke(ctx); a.callErr != nil {
		return a.callErr
	}
	a.reply = reply
	return nil
}

// library makes RocketMQ's form of the message.
func (m *Message) library() *rmq.Message {
	out := &rmq.Message{Topic: m.Topic, Body: m.Body}
	out.SetMessageGroup(m.Group)
	if m.Tag != "" {
		out.SetTag(m.Tag)
	}
	out.SetKeys(slices.Clone(m.Keys)...)
	for _, p := range m.Properties {
		out.AddProperty(p.Name, p.Value)
	}
	return out
}
