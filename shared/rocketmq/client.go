// SPDX-License-Identifier: Apache-2.0

// Package rocketmq is the sink: it stores messages in RocketMQ 5 over gRPC.
//
// Its invariant (rule D5): one Send makes at most one attempt to store, and
// its result tells what became of it: nil means stored, a *RefusedError
// certainly not stored, ErrAmbiguous that nobody knows. RocketMQ's own client
// retries by itself and unmarked; everything it sends passes a register here
// that lets each Send through once, right behind the lease check (rule C2). A
// Send returns only when no attempt of it can reach the wire any more.
package rocketmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
	"github.com/apache/rocketmq-clients/golang/v5/pkg/utils"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"slipway/shared/fault"
)

const (
	// DefaultSendTimeout bounds one attempt to store.
	DefaultSendTimeout = 3 * time.Second
	// joinGrace is how long past its deadline a call may take to come back
	// before Send gives the process up.
	joinGrace = 5 * time.Second
	// startLimit bounds Dial when its context has no earlier end: RocketMQ's
	// client would wait for the broker's settings for ever.
	startLimit = 30 * time.Second
)

// Config says where messages go and how.
type Config struct {
	// Endpoint is host:port of the gRPC proxy; several are joined by ";".
	Endpoint string
	// AccessKey and SecretKey are "" for a broker without access control.
	AccessKey, SecretKey string
	// Namespace is the instance id at Alibaba Cloud, else "".
	Namespace string
	// TLS encrypts the connections. All clients open at one time in a process
	// must agree on it.
	TLS bool
	// TLSConfig says what to verify; nil verifies nothing, as RocketMQ's own
	// clients do by default. Used with TLS only.
	TLSConfig *tls.Config
	// Topics are those Send will be called for. Without any the client only
	// answers questions (Topic, Queues).
	Topics []string
	// SendTimeout bounds each attempt to store; 0 means DefaultSendTimeout.
	SendTimeout time.Duration
	// Gate is the lease check of rule C2, called right before every call that
	// could store; its error ends the Send as refused. nil lets all through.
	Gate func() error
	// Logger gets what is worth telling; nil discards it.
	Logger *slog.Logger
}

// Client sends messages to one RocketMQ. Its methods may be called at the same
// time from any number of goroutines, Send with one call per message group.
type Client struct {
	cfg       Config
	log       *slog.Logger
	joinGrace time.Duration
	endpoints *v2.Endpoints
	producer  rmq.Producer
	signer    rmq.Client
	routes    v2.MessagingServiceClient
	// ctx ends with Close; the client's telemetry streams hang on it, because
	// RocketMQ's client leaves them open.
	ctx    context.Context
	cancel context.CancelFunc
	closed atomic.Bool
	// sessionErr has the error of a telemetry stream that broke unheard.
	sessionErr chan error
	// started is written by Dial only.
	started bool
	// lanes holds the topic and group of every Send under way.
	lanes sync.Map
	// library counts the library's Sends, which outlive ours a little.
	library sync.WaitGroup
}

// Dial connects, proves that the endpoint answers, that the credentials are
// accepted and that every topic exists, and starts the sender. It takes at
// least a second when there are topics and never longer than ctx allows. Errors
// are *fault.Error and name what to mend; with a missing topic they hold a
// *RefusedError as well.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func newClient(cfg Config) (*Client, error) {
	endpoints, err := utils.ParseTarget(cfg.Endpoint)
	if err != nil {
		return nil, fault.New(fault.Config, "give host:port of the RocketMQ gRPC proxy (port 8081 by default)",
			"rocketmq: destination endpoint %q: %w", cfg.Endpoint, err)
	}
	if cfg.SendTimeout <= 0 {
		cfg.SendTimeout = DefaultSendTimeout
	}
	if cfg.Gate == nil {
		cfg.Gate = func() error { return nil }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, log: cfg.Logger.With("endpoint", cfg.Endpoint), joinGrace: joinGrace, endpoints: endpoints, sessionErr: make(chan error, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := process.join(c); err != nil {
		c.cancel()
		return nil, err
	}
	if err := c.prepare(); err != nil {
		process.leave(c)
		c.cancel()
		return nil, err
	}
	return c, nil
}

// prepare makes the client's parts; nothing goes over the network yet.
func (c *Client) prepare() error {
	conn, err := process.conn(target(c.endpoints))
	if err != nil {
		return fault.New(fault.Config, "", "rocketmq: %w", err)
	}
	c.routes = v2.NewMessagingServiceClient(conn)
	keep := func(cfg *rmq.Config, opts ...rmq.ClientOption) (rmq.Client, error) {
		// The client's one timeout is for queries and sends alike; ours, behind
		// the register, is the one that counts.
		opts = append(opts, rmq.WithQueryRouteTimeout(2*c.cfg.SendTimeout))
		client, err := rmq.NewClient(cfg, opts...)
		c.signer = client
		return client, err
	}
	c.producer, err = rmq.NewProducer(&rmq.Config{
		Endpoint:    c.cfg.Endpoint,
		NameSpace:   c.cfg.Namespace,
		Credentials: &credentials.SessionCredentials{AccessKey: c.cfg.AccessKey, AccessSecret: c.cfg.SecretKey},
	}, rmq.WithTopics(c.cfg.Topics...), rmq.WithClientFunc(keep))
	if err != nil {
		return fault.New(fault.Config, "", "rocketmq: client: %w", err)
	}
	process.name(c.signer.GetClientID(), c)
	return nil
}

// start asks for every topic first: the sender's own start gives no clear
// error for a wrong endpoint, wrong credentials or a missing topic.
func (c *Client) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit,
		fmt.Errorf("no answer within %v: %w", startLimit, context.DeadlineExceeded))
	defer cancel()
	if len(c.cfg.Topics) == 0 {
		return c.probe(ctx)
	}
	for _, topic := range c.cfg.Topics {
		if _, err := c.Queues(ctx, topic); err != nil {
			return err
		}
	}
	started := make(chan error, 1)
	go func() { started <- c.producer.Start() }()
	select {
	case err := <-started:
		if err != nil {
			return unreachable(c.cfg.Endpoint, c.startError(err))
		}
		c.started = true
		c.log.Debug("rocketmq sender started", "topics", len(c.cfg.Topics))
		return nil
	case err := <-c.sessionErr:
		go c.stopAfter(started)
		return unreachable(c.cfg.Endpoint, fmt.Errorf("the sender's session: %w", err))
	case <-ctx.Done():
		go c.stopAfter(started)
		return unreachable(c.cfg.Endpoint, fmt.Errorf("the sender's start: %w", context.Cause(ctx)))
	}
}

// stopAfter stops a sender whose start Dial gave up on. Close ends its session,
// which ends a start that hangs.
func (c *Client) stopAfter(started <-chan error) {
	if <-started == nil {
		c.stop()
	}
}

// startError prefers the session's own error to what the library makes of it,
// and gives it a moment to arrive.
func (c *Client) startError(err error) error {
	select {
	case session := <-c.sessionErr:
		return fmt.Errorf("the sender's session: %w", session)
	case <-time.After(200 * time.Millisecond):
		return err
	}
}

// Close ends the client. No Send may be under way. RocketMQ's client keeps four
// idle goroutines for the life of the process (its issue 1305).
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	defer c.cancel()
	defer process.leave(c)
	if c.started {
		c.drain()
		c.stop()
	}
	return nil
}

// drain waits for the library's Sends; their attempts are over or sealed.
func (c *Client) drain() {
	drained := make(chan struct{})
	go func() {
		c.library.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(2 * c.cfg.SendTimeout): // one that waits for the broker's settings
	}
}

func (c *Client) stop() {
	if err := c.producer.GracefulStop(); err != nil {
		c.log.Debug("rocketmq sender was not running", "error", err)
	}
}
