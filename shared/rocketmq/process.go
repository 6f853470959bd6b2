// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/pkg/utils"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"slipway/shared/fault"
)

// process is the one place that holds what RocketMQ's client can only be told
// process-wide: how connections are made. It is a variable of this package
// because it replaces one of that package.
var process = &hub{conns: map[string]*grpc.ClientConn{}, clients: map[*Client]struct{}{}, byID: map[string]*Client{}}

// hub makes the connections of all clients of the process, one per target. The
// client library closes and remakes its connection at every Unavailable, which
// breaks the calls of all lanes on it; here it gets the same connection again,
// and gRPC mends that one by itself.
type hub struct {
	mu      sync.Mutex
	hooked  bool
	tls     bool
	tlsConf *tls.Config
	conns   map[string]*grpc.ClientConn
	clients map[*Client]struct{}
	byID    map[string]*Client // by the library's client id
}

// sugarBaseLogger is the library's logger, which writes a file under the home
// directory. The library offers to move that file, not to do without.
//
//go:linkname sugarBaseLogger github.com/apache/rocketmq-clients/golang/v5.sugarBaseLogger
var sugarBaseLogger *zap.SugaredLogger

// join admits a client, and with the first one takes over the library's
// connections and silences its logger. (Its second logger, a file in the
// temporary directory, belongs to the connections it doesn't make any more.)
func (h *hub) join(c *Client) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.clients) > 0 && (h.tls != c.cfg.TLS || h.tlsConf != c.cfg.TLSConfig) {
		return fault.New(fault.Config, "use the same TLS setting for every RocketMQ endpoint of a process, or separate processes",
			"rocketmq: TLS is %s for %s, but a client of this process is open with another setting, and the setting is process-wide",
			onOff(c.cfg.TLS), c.cfg.Endpoint)
	}
	h.tls, h.tlsConf = c.cfg.TLS, c.cfg.TLSConfig
	if !h.hooked {
		sugarBaseLogger = zap.NewNop().Sugar()
		newRPCClient := rmq.NewRpcClient
		rmq.NewRpcClient = func(target string, opts ...rmq.RpcClientOption) (rmq.RpcClient, error) {
			return newRPCClient(target, append(opts, rmq.WithRpcClientClientConnFunc(h.connect))...)
		}
		h.hooked = true
	}
	h.clients[c] = struct{}{}
	return nil
}

// name tells the hub under which id the library knows the client.
func (h *hub) name(id string, c *Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byID[id] = c
}

// leave lets a client go, and with the last one all connections.
func (h *hub) leave(c *Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	if c.signer != nil {
		delete(h.byID, c.signer.GetClientID())
	}
	if len(h.clients) > 0 {
		return
	}
	for target, conn := range h.conns {
		_ = conn.Close() // its only error is being closed already
		delete(h.conns, target)
	}
}

// shared is a connection as the library sees it; closing it is the hub's.
type shared struct{ conn *grpc.ClientConn }

func (s shared) Conn() *grpc.ClientConn { return s.conn }
func (s shared) Close() error           { return nil }

func (h *hub) connect(target string, _ ...rmq.ConnOption) (rmq.ClientConn, error) {
	conn, err := h.conn(target)
	if err != nil {
		return nil, err
	}
	return shared{conn}, nil
}

// conn gives the connection to a target. It doesn't wait for it to stand: a
// call on it does.
func (h *hub) conn(target string) (*grpc.ClientConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if conn := h.conns[target]; conn != nil {
		return conn, nil
	}
	if len(h.clients) == 0 {
		return nil, errors.New("every client of this process is closed")
	}
	creds := insecure.NewCredentials()
	if h.tls {
		conf := h.tlsConf
		if conf == nil {
			conf = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // as RocketMQ's own clients; TLSConfig verifies
		}
		creds = credentials.NewTLS(conf)
	}
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(creds),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithUnaryInterceptor(h.unary),
		grpc.WithStreamInterceptor(h.stream),
		grpc.WithStatsHandler(wireWatch{}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}))
	if err != nil {
		return nil, err
	}
	h.conns[target] = conn
	return conn, nil
}

// unary is the register's door: a SendMessage passes only as the one attempt
// of a Send.
func (h *hub) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if method != v2.MessagingService_SendMessage_FullMethodName {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return status.Error(codes.FailedPrecondition, "slipway: a message that did not come through Client.Send")
	}
	return a.run(ctx, reply.(*v2.SendMessageResponse), func(ctx context.Context) error {
		return invoke(ctx, method, req, reply, cc, opts...)
	})
}

// wireWatch notes when an attempt is handed to a connection: one that failed
// before that has certainly not been stored.
type wireWatch struct{}

func (wireWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (wireWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (wireWatch) HandleConn(context.Context, stats.ConnStats)                       {}

func (wireWatch) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); !ok {
		return
	}
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		a.onWire.Store(true)
	}
}

// target names an endpoint as the library names its connections, so that both
// share one.
func target(endpoints *v2.Endpoints) string {
	switch endpoints.GetScheme() {
	case v2.AddressScheme_IPv4, v2.AddressScheme_IPv6:
		return rmq.DefaultScheme + ":///" + utils.EndpointsToString(endpoints)
	}
	return utils.ParseAddress(endpoints.GetAddresses()[0])
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
