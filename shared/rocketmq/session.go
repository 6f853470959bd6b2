// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"context"

	"github.com/apache/rocketmq-clients/golang/v5/metadata"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	grpcmd "google.golang.org/grpc/metadata"
)

// stream ties the library's telemetry streams to their client's life.
func (h *hub) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	c := h.owner(ctx)
	if c == nil || method != v2.MessagingService_Telemetry_FullMethodName {
		return open(ctx, desc, cc, method, opts...)
	}
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(c.ctx, cancel)
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &session{ClientStream: s, client: c}, nil
}

// owner is the client a call belongs to, by the id the library signs it with.
func (h *hub) owner(ctx context.Context) *Client {
	md, _ := grpcmd.FromOutgoingContext(ctx)
	id := md.Get(metadata.ClintID)
	if len(id) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byID[id[0]]
}

// session is a telemetry stream. What the library would do with its answers
// while sends are under way is not synchronised, so they are made harmless:
// an error in place of the first, which the start waits for, goes to our client
// while the library gets settings that say nothing; and the broker's retry
// policy and metrics are left out. The library then keeps its own policy, three
// attempts at once, of which the register lets one through.
type session struct {
	grpc.ClientStream
	client *Client
	heard  bool // owned by the library's one reading goroutine
}

func (s *session) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	first := !s.heard
	s.heard = true
	command := m.(*v2.TelemetryCommand)
	if err == nil {
		if settings := command.GetSettings(); settings != nil {
			settings.BackoffPolicy, settings.Metric = nil, nil
		}
		return nil
	}
	if !first {
		return err
	}
	select {
	case s.client.sessionErr <- err:
	default: // one is enough
	}
	command.Command = &v2.TelemetryCommand_Settings{Settings: &v2.Settings{}}
	return nil
}
