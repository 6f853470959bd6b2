// SPDX-License-Identifier: Apache-2.0

package rocketmqtest

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// outgoing carries a call's metadata on to the broker, but for what belongs to
// the connection; the call's deadline and cancellation go with ctx.
func outgoing(ctx context.Context) context.Context {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for k, v := range in {
		if !strings.HasPrefix(k, ":") && !strings.HasPrefix(k, "grpc-") && k != "content-type" && k != "user-agent" {
			out[k] = v
		}
	}
	return metadata.NewOutgoingContext(ctx, out)
}

// call reads the one request of a unary call, passes it on and decodes the
// answer.
func (p *Proxy) call(ctx context.Context, in grpc.ServerStream, method string, reply proto.Message) error {
	var req frame
	if err := in.RecvMsg(&req); err != nil {
		return err
	}
	return p.invoke(ctx, method, req, reply)
}

func (p *Proxy) invoke(ctx context.Context, method string, req frame, reply proto.Message) error {
	var raw frame
	if err := p.backend.Invoke(ctx, method, &req, &raw); err != nil {
		return err
	}
	return proto.Unmarshal(raw, reply)
}

// answer ends a unary call.
func answer(in grpc.ServerStream, reply proto.Message) error {
	raw, err := proto.Marshal(reply)
	if err != nil {
		return err
	}
	return in.SendMsg((*frame)(&raw))
}

// ended is what a handler returns after its backend's stream ended.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
