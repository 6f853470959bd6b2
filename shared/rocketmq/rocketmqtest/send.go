// SPDX-License-Identifier: Apache-2.0

package rocketmqtest

import (
	"context"
	"fmt"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// SendCall is a SendMessage as it came from the client.
type SendCall struct {
	// N counts all calls of the proxy from 1, Attempt those with the same ID.
	N, Attempt int
	// ID is the message's property id (rule D3), MessageID the client's own,
	// which is new for each Send.
	ID, MessageID     string
	Topic, Group, Tag string
	Keys              []string
	Properties        map[string]string
	Body              []byte
}

// Replay tells whether the message is marked as one that may have been sent
// before.
func (c SendCall) Replay() bool { return c.Properties["replay"] == "true" }

// Store passes the message on and waits for the broker's answer.
type Store func(ctx context.Context) (*v2.SendMessageResponse, error)

// Action decides what becomes of one SendMessage: it gives what the client is
// answered, and calls store or not. ctx ends when the client gives the call up.
type Action func(ctx context.Context, store Store) (*v2.SendMessageResponse, error)

// Pass stores the message and answers so.
func Pass() Action {
	return func(ctx context.Context, store Store) (*v2.SendMessageResponse, error) { return store(ctx) }
}

// DropAnswer stores the message, then breaks the call instead of answering.
func DropAnswer() Action {
	return func(ctx context.Context, store Store) (*v2.SendMessageResponse, error) {
		if reply, err := store(ctx); err != nil || reply.GetStatus().GetCode() != v2.Code_OK {
			return reply, err
		}
		return nil, status.Error(codes.Unavailable, "rocketmqtest: answer dropped")
	}
}

// HangAfterStore stores the message and never answers: the client's deadline
// ends the call.
func HangAfterStore() Action {
	return func(ctx context.Context, store Store) (*v2.SendMessageResponse, error) {
		if reply, err := store(ctx); err != nil || reply.GetStatus().GetCode() != v2.Code_OK {
			return reply, err
		}
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// Fail breaks the call without storing anything.
func Fail(code codes.Code) Action {
	return func(context.Context, Store) (*v2.SendMessageResponse, error) {
		return nil, status.Error(code, "rocketmqtest: failed before storing")
	}
}

// Refuse answers with a code of RocketMQ's without storing anything.
func Refuse(code v2.Code) Action {
	return func(context.Context, Store) (*v2.SendMessageResponse, error) {
		return &v2.SendMessageResponse{Status: &v2.Status{Code: code, Message: "rocketmqtest: refused"}}, nil
	}
}

// Answer stores the message and answers with another code all the same, as a
// broker does whose replica lags.
func Answer(code v2.Code) Action {
	return func(ctx context.Context, store Store) (*v2.SendMessageResponse, error) {
		if reply, err := store(ctx); err != nil || reply.GetStatus().GetCode() != v2.Code_OK {
			return reply, err
		}
		return &v2.SendMessageResponse{Status: &v2.Status{Code: code, Message: "rocketmqtest: stored, answered otherwise"}}, nil
	}
}

// Hold waits for release, or for the client to give up, and then passes.
func Hold(release <-chan struct{}) Action {
	return func(ctx context.Context, store Store) (*v2.SendMessageResponse, error) {
		select {
		case <-release:
			return store(ctx)
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// StoreLate breaks the call at once and stores the message after release,
// whatever the client did meanwhile; the result of storing goes to stored,
// which may be nil. The proxy ends with the test only after it.
func (p *Proxy) StoreLate(release <-chan struct{}, stored chan<- error) Action {
	return func(ctx context.Context, store Store) (*v2.SendMessageResponse, error) {
		md, _ := metadata.FromOutgoingContext(ctx)
		p.late.Go(func() {
			select {
			case <-release:
			case <-p.ctx.Done():
				return
			}
			reply, err := store(metadata.NewOutgoingContext(p.ctx, md))
			if err == nil && reply.GetStatus().GetCode() != v2.Code_OK {
				err = fmt.Errorf("rocketmqtest: late store: %s", reply.GetStatus())
			}
			if stored != nil {
				select {
				case stored <- err:
				case <-p.ctx.Done():
				}
			}
		})
		return nil, status.Error(codes.Unavailable, "rocketmqtest: failed, will be stored late")
	}
}

// send is a SendMessage: decode, check the rules, decide, act.
func (p *Proxy) send(ctx context.Context, in grpc.ServerStream) error {
	var raw frame
	if err := in.RecvMsg(&raw); err != nil {
		return err
	}
	var req v2.SendMessageRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if n := len(req.GetMessages()); n != 1 {
		p.t.Errorf("rocketmqtest: a call with %d messages; ordered ones go alone", n)
		return status.Error(codes.InvalidArgument, "rocketmqtest: one message per call")
	}
	call, action, leave := p.enter(ctx, callOf(req.GetMessages()[0]))
	defer leave()
	store := func(ctx context.Context) (*v2.SendMessageResponse, error) {
		p.mayBeStored(call)
		var reply v2.SendMessageResponse
		if err := p.invoke(ctx, v2.MessagingService_SendMessage_FullMethodName, raw, &reply); err != nil {
			return nil, err
		}
		return &reply, nil
	}
	reply, err := action(ctx, store)
	if err != nil {
		return err
	}
	return answer(in, reply)
}

func callOf(m *v2.Message) SendCall {
	sys := m.GetSystemProperties()
	return SendCall{
		ID: m.GetUserProperties()["id"], MessageID: sys.GetMessageId(),
		Topic: m.GetTopic().GetName(), Group: sys.GetMessageGroup(), Tag: sys.GetTag(),
		Keys: sys.GetKeys(), Properties: m.GetUserProperties(), Body: m.GetBody(),
	}
}
