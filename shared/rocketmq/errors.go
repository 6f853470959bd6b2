// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"errors"
	"fmt"
	"strings"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/shared/fault"
)

var (
	// ErrAmbiguous is in every error after which nobody knows whether the
	// message is stored, or will be: it may be stored late.
	ErrAmbiguous = errors.New("stored or not, nobody knows")
	// ErrGate is in a refusal by Config.Gate, beside the gate's own error.
	ErrGate = errors.New("the lease check refused the send")
	// ErrUnjoined says that an attempt to store neither ended nor can be ended:
	// the process must end before anybody sends in that lane again.
	ErrUnjoined = errors.New("a send does not end")
)

// Reason is why a message was refused.
type Reason string

// The reasons.
const (
	ReasonThrottled    Reason = "too many requests"
	ReasonNoTopic      Reason = "topic not found"
	ReasonTooLarge     Reason = "too large"
	ReasonUnauthorized Reason = "unauthorized"
	ReasonIllegal      Reason = "illegal argument"
	ReasonMessageType  Reason = "message type mismatch"
	ReasonNotSent      Reason = "not sent"
	ReasonGate         Reason = "lease"
	ReasonLaneBusy     Reason = "two sends in one lane"
)

// RefusedError says that a message is certainly not stored and will not be.
type RefusedError struct {
	Reason Reason
	// Code is the broker's code, as the name RocketMQ gives it; "" when the
	// refusal was made on this side.
	Code string
	// MessageID, Topic and Group are the message's.
	MessageID, Topic, Group string
	Err                     error
}

// Error names the message, the reason and its cause.
func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("rocketmq: ")
	if e.MessageID != "" {
		fmt.Fprintf(&b, "message %s, group %s, ", e.MessageID, e.Group)
	}
	if e.Topic != "" {
		fmt.Fprintf(&b, "topic %s: ", e.Topic)
	}
	b.WriteString(string(e.Reason))
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// Retryable tells whether the same message can be stored later without anybody
// mending anything; a missing topic counts, as its route takes up to half a
// minute to show after a broker's start.
func (e *RefusedError) Retryable() bool {
	switch e.Reason {
	case ReasonThrottled, ReasonNotSent, ReasonNoTopic:
		return true
	}
	return false
}

// Retryable tells whether err is a refusal after which the same message may
// simply be sent again, unmarked. It is false for ErrAmbiguous.
func Retryable(err error) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && e.Retryable()
}

// fault gives the refusal its class and remedy; a gate's error keeps its own.
func (e *RefusedError) fault() error {
	if e.Reason == ReasonGate {
		return e
	}
	class := fault.SinkRejected
	if e.Retryable() {
		class = fault.SinkUnreachable
	}
	return &fault.Error{Class: class, Remedy: remedies[e.Reason], Err: e}
}

var remedies = map[Reason]string{
	ReasonThrottled:    "raise the instance's limit, or set limits.messagesPerSecond below it",
	ReasonNoTopic:      "create it: mqadmin updateTopic -t TOPIC -a +message.type=FIFO -o true, or wait for its broker",
	ReasonTooLarge:     "leave the table out, or lower packing.maxBytes",
	ReasonUnauthorized: "check destination.accessKey and secretKey, and grant the user PUB on the topic",
	ReasonIllegal:      "",
	ReasonMessageType:  "messages are sent in order: the topic needs mqadmin updateTopic -t TOPIC -a +message.type=FIFO -o true",
	ReasonNotSent:      "check that the broker runs and destination.endpoint can be reached",
	ReasonLaneBusy:     "report this as a bug",
}

func (m *Message) refused(reason Reason, err error) *RefusedError {
	return &RefusedError{Reason: reason, MessageID: m.ID, Topic: m.Topic, Group: m.Group, Err: err}
}

// ambiguous is also what a class of errors we don't know falls into.
func (m *Message) ambiguous(err error) error {
	return fault.New(fault.SinkUnreachable, remedies[ReasonNotSent],
		"rocketmq: message %s, group %s, topic %s: %w: %w", m.ID, m.Group, m.Topic, ErrAmbiguous, err)
}

func unjoined(m *Message) error {
	return fault.New(fault.Internal, "let the process end and start it again",
		"rocketmq: message %s, group %s, topic %s: %w", m.ID, m.Group, m.Topic, ErrUnjoined)
}

// outcome is the result of an attempt that ended.
func (m *Message) outcome(a *attempt) error {
	switch {
	case a.gateErr != nil:
		return m.refused(ReasonGate, fmt.Errorf("%w: %w", ErrGate, a.gateErr)).fault()
	case a.callErr != nil:
		if reason, ok := refusalOf(status.Code(a.callErr)); ok {
			return m.refused(reason, a.callErr).fault()
		}
		if !a.onWire.Load() {
			return m.refused(ReasonNotSent, a.callErr).fault()
		}
		return m.ambiguous(a.callErr)
	}
	st := a.reply.GetStatus()
	if entries := a.reply.GetEntries(); len(entries) == 1 && st.GetCode() == v2.Code_OK && entries[0].GetStatus() != nil {
		st = entries[0].GetStatus()
	}
	if st.GetCode() == v2.Code_OK {
		return nil
	}
	cause := errors.New(st.GetMessage())
	reason, ok := reasonOf(st.GetCode())
	if !ok {
		return m.ambiguous(fmt.Errorf("%s: %w", st.GetCode(), cause))
	}
	r := m.refused(reason, cause)
	r.Code = st.GetCode().String()
	return r.fault()
}

// beforeAttempt is the result of a Send the library gave up before it made a
// call: nothing is stored, whatever the reason.
func (m *Message) beforeAttempt(err error) *RefusedError {
	r := m.refused(ReasonNotSent, err)
	if st, ok := rmq.AsErrRpcStatus(err); ok {
		r.Code = v2.Code(st.Code).String()
		if reason, ok := reasonOf(v2.Code(st.Code)); ok {
			r.Reason = reason
		}
	} else if strings.Contains(err.Error(), "message type not match") {
		r.Reason = ReasonMessageType // the library has no type for it; a test pins its words
	}
	return r
}

// reasonOf tells which of the broker's codes are refusals. All others, known
// or not, are ambiguous: above all time-outs and internal errors, which a
// broker also answers after storing.
func reasonOf(code v2.Code) (Reason, bool) {
	switch code {
	case v2.Code_TOO_MANY_REQUESTS:
		return ReasonThrottled, true
	case v2.Code_TOPIC_NOT_FOUND, v2.Code_NOT_FOUND:
		return ReasonNoTopic, true
	case v2.Code_PAYLOAD_TOO_LARGE, v2.Code_MESSAGE_BODY_TOO_LARGE,
		v2.Code_REQUEST_HEADER_FIELDS_TOO_LARGE, v2.Code_MESSAGE_PROPERTIES_TOO_LARGE:
		return ReasonTooLarge, true
	case v2.Code_UNAUTHORIZED, v2.Code_PAYMENT_REQUIRED, v2.Code_FORBIDDEN:
		return ReasonUnauthorized, true
	case v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE:
		return ReasonMessageType, true
	case v2.Code_BAD_REQUEST, v2.Code_ILLEGAL_ACCESS_POINT, v2.Code_ILLEGAL_TOPIC, v2.Code_ILLEGAL_MESSAGE_TAG,
		v2.Code_ILLEGAL_MESSAGE_KEY, v2.Code_ILLEGAL_MESSAGE_GROUP, v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY,
		v2.Code_ILLEGAL_MESSAGE_ID, v2.Code_MESSAGE_BODY_EMPTY, v2.Code_MESSAGE_CORRUPTED,
		v2.Code_CLIENT_ID_REQUIRED:
		return ReasonIllegal, true
	}
	return "", false
}

// refusalOf tells which failures of the call itself are refusals. A gRPC
// ResourceExhausted is none: brokers answer throttling with a status of their
// own.
func refusalOf(code codes.Code) (Reason, bool) {
	switch code {
	case codes.Unauthenticated, codes.PermissionDenied:
		return ReasonUnauthorized, true
	case codes.InvalidArgument:
		return ReasonIllegal, true
	}
	return "", false
}
