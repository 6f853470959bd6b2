// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/shared/fault"
)

// TopicFacts is what the broker says about a topic.
type TopicFacts struct {
	Exists bool
	// Types are the message types the topic takes, as RocketMQ names them:
	// FIFO, NORMAL, DELAY, TRANSACTION …
	Types []string
	// Queues that take messages, as Client.Queues gives them.
	Queues []string
}

// FIFO tells whether the topic takes messages with a group, which ours are.
func (f TopicFacts) FIFO() bool { return slices.Contains(f.Types, v2.MessageType_FIFO.String()) }

// probeTopic is asked for where any answer will do.
const probeTopic = "slipway-probe"

// probe proves that the endpoint is RocketMQ's and takes the credentials.
func (c *Client) probe(ctx context.Context) error {
	_, err := c.Topic(ctx, probeTopic)
	if e, ok := errors.AsType[*RefusedError](err); ok {
		// A known user that may not see this topic: which means nothing. Brokers say so
		// by either code; an unknown user never gets to a question of permission.
		if e.Code == v2.Code_FORBIDDEN.String() || strings.Contains(e.Error(), "has no permission to access") {
			return nil
		}
		e.Topic = ""
	}
	return err
}

// Topic asks for a topic's facts. A missing topic is a fact, no error.
func (c *Client) Topic(ctx context.Context, topic string) (TopicFacts, error) {
	queues, err := c.route(ctx, topic)
	if e, ok := errors.AsType[*RefusedError](err); ok && e.Reason == ReasonNoTopic {
		return TopicFacts{}, nil
	}
	if err != nil {
		return TopicFacts{}, err
	}
	facts := TopicFacts{Exists: true, Queues: writable(queues)}
	for _, q := range queues {
		for _, t := range q.GetAcceptMessageTypes() {
			if name := t.String(); !slices.Contains(facts.Types, name) {
				facts.Types = append(facts.Types, name)
			}
		}
	}
	slices.Sort(facts.Types)
	return facts, nil
}

// Queues lists a topic's queues that take messages as "broker/number", sorted
// by broker, then number. RocketMQ maps a group to one of them by this list: a
// changed list moves lanes (rule D7). A missing topic is a *RefusedError.
func (c *Client) Queues(ctx context.Context, topic string) ([]string, error) {
	queues, err := c.route(ctx, topic)
	if err != nil {
		return nil, err
	}
	return writable(queues), nil
}

func writable(queues []*v2.MessageQueue) []string {
	queues = slices.DeleteFunc(slices.Clone(queues), func(q *v2.MessageQueue) bool {
		return q.GetPermission() != v2.Permission_WRITE && q.GetPermission() != v2.Permission_READ_WRITE
	})
	slices.SortFunc(queues, func(a, b *v2.MessageQueue) int {
		return cmp.Or(cmp.Compare(a.GetBroker().GetName(), b.GetBroker().GetName()), cmp.Compare(a.GetId(), b.GetId()))
	})
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = fmt.Sprintf("%s/%d", q.GetBroker().GetName(), q.GetId())
	}
	return names
}

// route asks the broker, past all caches.
func (c *Client) route(ctx context.Context, topic string) ([]*v2.MessageQueue, error) {
	if c.closed.Load() {
		return nil, unreachable(c.cfg.Endpoint, errors.New("the client is closed"))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*c.cfg.SendTimeout,
		fmt.Errorf("no answer within %v: %w", 2*c.cfg.SendTimeout, context.DeadlineExceeded))
	defer cancel()
	reply, err := c.routes.QueryRoute(c.signer.Sign(ctx), &v2.QueryRouteRequest{
		Topic:     &v2.Resource{Name: topic, ResourceNamespace: c.cfg.Namespace},
		Endpoints: c.endpoints,
	})
	if err != nil {
		if reason, ok := refusalOf(status.Code(err)); ok {
			return nil, (&RefusedError{Reason: reason, Topic: topic, Err: fmt.Errorf("%s: %w", c.cfg.Endpoint, err)}).fault()
		}
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", cause, err)
		}
		return nil, unreachable(c.cfg.Endpoint, err)
	}
	st := reply.GetStatus()
	if st.GetCode() == v2.Code_OK {
		return reply.GetMessageQueues(), nil
	}
	refused := &RefusedError{Topic: topic, Code: st.GetCode().String(), Err: fmt.Errorf("%s: %s", c.cfg.Endpoint, st.GetMessage())}
	reason, ok := reasonOf(st.GetCode())
	if !ok {
		return nil, unreachable(c.cfg.Endpoint, fmt.Errorf("%s: %s", refused.Code, st.GetMessage()))
	}
	refused.Reason = reason
	return nil, refused.fault()
}

// unreachable says what usually is wrong when the endpoint gives no answer.
func unreachable(endpoint string, err error) error {
	remedy := "check that RocketMQ runs and destination.endpoint is its gRPC proxy (port 8081 by default)"
	switch {
	case status.Code(err) == codes.Unimplemented:
		remedy = "destination.endpoint answers, but is no RocketMQ 5 gRPC proxy"
	case status.Code(err) == codes.DeadlineExceeded:
		remedy += "; a firewall that drops packets looks like this too"
	}
	return fault.New(fault.SinkUnreachable, remedy, "rocketmq: %s: %w", endpoint, err)
}
