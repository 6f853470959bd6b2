// SPDX-License-Identifier: Apache-2.0

package rocketmqtest

import "context"

// rules are the protocol rules a test asked for; guarded by Proxy.mu.
type rules struct {
	oneInFlight bool
	replayMark  bool
	inFlight    map[[2]string]context.Context
	maybeStored map[string]bool
}

// RequireOneInFlight fails the test when two calls of one topic and group are
// under way at a time. A call the client has given up counts as ended.
func (p *Proxy) RequireOneInFlight() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules.oneInFlight = true
	p.rules.inFlight = map[[2]string]context.Context{}
}

// RequireReplayMark fails the test when a message that was passed to the broker
// before comes again without the property replay=true (rule D5).
func (p *Proxy) RequireReplayMark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules.replayMark = true
	p.rules.maybeStored = map[string]bool{}
}

// enter records a call and finds its action; leave is called at its end.
func (p *Proxy) enter(ctx context.Context, call SendCall) (SendCall, Action, func()) {
	p.mu.Lock()
	call.N = len(p.calls) + 1
	p.byID[call.ID]++
	call.Attempt = p.byID[call.ID]
	p.calls = append(p.calls, call)
	lane := [2]string{call.Topic, call.Group}
	if p.rules.oneInFlight {
		if before := p.rules.inFlight[lane]; before != nil && before.Err() == nil {
			p.t.Errorf("rocketmqtest: message %s came while another of topic %s, group %s was under way", call.ID, call.Topic, call.Group)
		}
		p.rules.inFlight[lane] = ctx
	}
	if p.rules.replayMark && p.rules.maybeStored[call.ID] && !call.Replay() {
		p.t.Errorf("rocketmqtest: message %s came again without replay=true", call.ID)
	}
	decide := p.onSend
	p.mu.Unlock()

	var action Action
	if decide != nil {
		action = decide(call)
	}
	if action == nil {
		action = Pass()
	}
	return call, action, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.rules.inFlight[lane] == ctx {
			delete(p.rules.inFlight, lane)
		}
	}
}

// mayBeStored notes that the broker gets the message.
func (p *Proxy) mayBeStored(call SendCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rules.replayMark {
		p.rules.maybeStored[call.ID] = true
	}
}
