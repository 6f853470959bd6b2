// SPDX-License-Identifier: Apache-2.0

// Package rocketmqtest makes a real RocketMQ misbehave on request: a gRPC proxy
// in front of it that passes everything through, except that a test decides for
// each SendMessage what becomes of it, and whether the broker is there at all.
//
// Its invariant: what it does not touch reaches the broker as it was sent, and
// what it says was stored the broker has acknowledged.
package rocketmqtest

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"sync"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Proxy is the fault proxy. Its methods may be called at any time from any
// goroutine.
type Proxy struct {
	t       testing.TB
	backend *grpc.ClientConn
	addr    *net.TCPAddr
	// ctx ends with the test; late lets the test wait for late stores.
	ctx  context.Context
	late sync.WaitGroup

	mu      sync.Mutex
	server  *grpc.Server // nil while down
	onSend  func(SendCall) Action
	onRoute func(*v2.QueryRouteResponse)
	mute    bool
	broken  bool
	// sessions counts the telemetry streams under way.
	sessions int
	calls    []SendCall
	byID     map[string]int
	rules    rules
}

// NewProxy starts a proxy on a free port of the loopback in front of backend,
// host:port of a real gRPC proxy. It ends with the test.
func NewProxy(t testing.TB, backend string) *Proxy {
	t.Helper()
	conn, err := grpc.NewClient(backend, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(maxFrame)))
	if err != nil {
		t.Fatalf("rocketmqtest: backend %s: %v", backend, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{t: t, backend: conn, ctx: ctx, byID: map[string]int{}}
	p.listen("127.0.0.1:0")
	t.Cleanup(func() {
		p.Down()
		cancel()
		p.late.Wait()
		_ = conn.Close() // being closed already is its only error
	})
	return p
}

// Endpoint is host:port for rocketmq.Config.Endpoint; use it without TLS.
func (p *Proxy) Endpoint() string { return p.addr.String() }

// OnSend sets what decides about each SendMessage, in place of any before it.
// decide runs before the message is passed on, for several lanes at a time; a
// nil Action passes.
func (p *Proxy) OnSend(decide func(call SendCall) Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onSend = decide
}

// OnRoute sets what may change each answer to a route query, on its way back.
func (p *Proxy) OnRoute(change func(*v2.QueryRouteResponse)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onRoute = change
}

// MuteTelemetry leaves clients without the broker's settings from now on, which
// their start waits for.
func (p *Proxy) MuteTelemetry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
}

// BreakTelemetry ends clients' sessions with an error from now on, before the
// first answer.
func (p *Proxy) BreakTelemetry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
}

// Sessions counts the clients' telemetry streams that are open.
func (p *Proxy) Sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions
}

// Calls lists every SendMessage so far, in the order they came.
func (p *Proxy) Calls() []SendCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]SendCall(nil), p.calls...)
}

// Down takes the broker away: connections break, new ones are refused. Calls
// already passed on may still be stored.
func (p *Proxy) Down() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		server.Stop()
	}
}

// Up brings the broker back under the same endpoint.
func (p *Proxy) Up() {
	p.t.Helper()
	p.mu.Lock()
	up := p.server != nil
	p.mu.Unlock()
	if !up {
		p.listen(p.addr.String())
	}
}

func (p *Proxy) listen(addr string) {
	p.t.Helper()
	lis, err := new(net.ListenConfig).Listen(p.ctx, "tcp", addr)
	if err != nil {
		p.t.Fatalf("rocketmqtest: %v", err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.MaxRecvMsgSize(maxFrame),
		grpc.UnknownServiceHandler(p.handle))
	p.mu.Lock()
	p.addr = lis.Addr().(*net.TCPAddr)
	p.server = server
	p.mu.Unlock()
	go func() { _ = server.Serve(lis) }() // ends when Down stops it
}

// handle is every call of every method.
func (p *Proxy) handle(_ any, in grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(in)
	if !ok {
		return status.Error(codes.Internal, "rocketmqtest: a call without a method")
	}
	ctx := outgoing(in.Context())
	switch method {
	case v2.MessagingService_SendMessage_FullMethodName:
		return p.send(ctx, in)
	case v2.MessagingService_QueryRoute_FullMethodName:
		return p.route(ctx, in)
	case v2.MessagingService_QueryAssignment_FullMethodName:
		return p.assignment(ctx, in)
	case v2.MessagingService_Telemetry_FullMethodName:
		return p.telemetry(ctx, in)
	}
	return p.pipe(ctx, in, method)
}

func (p *Proxy) telemetry(ctx context.Context, in grpc.ServerStream) error {
	p.mu.Lock()
	mute, broken := p.mute, p.broken
	p.sessions++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.sessions--
		p.mu.Unlock()
	}()
	switch {
	case broken:
		return status.Error(codes.Internal, "rocketmqtest: session broken")
	case mute:
		<-ctx.Done()
		return nil
	}
	return p.pipe(ctx, in, v2.MessagingService_Telemetry_FullMethodName)
}

// route keeps clients on the proxy: every broker it names is the proxy.
func (p *Proxy) route(ctx context.Context, in grpc.ServerStream) error {
	var reply v2.QueryRouteResponse
	if err := p.call(ctx, in, v2.MessagingService_QueryRoute_FullMethodName, &reply); err != nil {
		return err
	}
	for _, q := range reply.GetMessageQueues() {
		p.redirect(q)
	}
	p.mu.Lock()
	change := p.onRoute
	p.mu.Unlock()
	if change != nil {
		change(&reply)
	}
	return answer(in, &reply)
}

func (p *Proxy) assignment(ctx context.Context, in grpc.ServerStream) error {
	var reply v2.QueryAssignmentResponse
	if err := p.call(ctx, in, v2.MessagingService_QueryAssignment_FullMethodName, &reply); err != nil {
		return err
	}
	for _, a := range reply.GetAssignments() {
		p.redirect(a.GetMessageQueue())
	}
	return answer(in, &reply)
}

func (p *Proxy) redirect(q *v2.MessageQueue) {
	host, port, _ := net.SplitHostPort(p.addr.String())
	n, _ := strconv.ParseInt(port, 10, 32) // our own address
	if b := q.GetBroker(); b != nil {
		b.Endpoints = &v2.Endpoints{
			Scheme:    v2.AddressScheme_IPv4,
			Addresses: []*v2.Address{{Host: host, Port: int32(n)}},
		}
	}
}

// pipe passes a call of any kind through, frame by frame.
func (p *Proxy) pipe(ctx context.Context, in grpc.ServerStream, method string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := p.backend.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for {
			var f frame
			if in.RecvMsg(&f) != nil {
				_ = out.CloseSend() // never fails
				return
			}
			if out.SendMsg(&f) != nil {
				return // its error comes out of RecvMsg below
			}
		}
	}()
	for {
		var f frame
		if err := out.RecvMsg(&f); err != nil {
			return ended(err)
		}
		if err := in.SendMsg(&f); err != nil {
			return err
		}
	}
}

// rawCodec leaves messages as the bytes they are on the wire.
type rawCodec struct{}

type frame []byte

// maxFrame is what the broker's own proxy takes and then some, in bytes.
const maxFrame = 256 << 20

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*frame), nil }
func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*frame) = bytes.Clone(data)
	return nil
}
