// SPDX-License-Identifier: Apache-2.0

// Package admin creates, describes and deletes the topics and groups of an open-source RocketMQ, over its remoting
// protocol: one call costs milliseconds, where RocketMQ's own mqadmin takes seconds to start.
//
// A topic made here with Ordered keeps its queue list when a broker is away: the list is written to the name server as
// well (what `mqadmin updateTopic -o true` does), so a lane's queue does not move (rule D7). Managed instances of a
// cloud are administered by the cloud's own interface, not by this package.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound says that a topic does not exist.
var ErrNotFound = errors.New("no such topic")

// RocketMQ's request and response codes.
const (
	updateTopic     = 17
	updateGroup     = 200
	deleteTopic     = 215
	topicConfig     = 351
	putConfig       = 100
	deleteConfig    = 102
	topicRoute      = 105
	clusterInfo     = 106
	deleteFromNames = 216

	codeTopicNotExist = 17
	codeQueryNotFound = 22
)

// orderNamespace is where the name server keeps the queue lists of ordered topics.
const orderNamespace = "ORDER_TOPIC_CONFIG"

// Client administers one cluster. It keeps no connection and may be used by several goroutines.
type Client struct {
	nameServer           string
	accessKey, secretKey string
}

// Option changes a [Client].
type Option func(*Client)

// WithCredentials signs every call; without it calls go unsigned.
func WithCredentials(accessKey, secretKey string) Option {
	return func(c *Client) { c.accessKey, c.secretKey = accessKey, secretKey }
}

// New returns a client of the cluster that the name server at host:port knows.
func New(nameServer string, opts ...Option) *Client {
	c := &Client{nameServer: nameServer}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Topic describes a topic as each of its brokers has it.
type Topic struct {
	Name string
	// Type is the message type it takes: NORMAL, FIFO, DELAY or TRANSACTION.
	Type string
	// Queues is the number of queues on each broker.
	Queues int
	// Ordered fixes the queue list (D7).
	Ordered bool
}

// FIFO is a topic as Slipway writes to it.
func FIFO(name string, queues int) Topic {
	return Topic{Name: name, Type: "FIFO", Queues: queues, Ordered: true}
}

// CreateTopic creates the topic on every broker of the cluster, or changes it there.
func (c *Client) CreateTopic(ctx context.Context, t Topic) error {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", t.Name, err)
	}
	if t.Ordered {
		// First, so that no client ever sees the queues without the list that fixes them.
		var list []string
		for _, b := range brokers {
			list = append(list, b.Name+":"+strconv.Itoa(t.Queues))
		}
		if _, err := c.call(ctx, c.nameServer, putConfig, map[string]string{
			"namespace": orderNamespace, "key": t.Name, "value": strings.Join(list, ";"),
		}, nil); err != nil {
			return fmt.Errorf("fix the queues of topic %s: %w", t.Name, err)
		}
	}
	queues := strconv.Itoa(t.Queues)
	for _, b := range brokers {
		if _, err := c.call(ctx, b.Addr, updateTopic, map[string]string{
			"topic": t.Name, "defaultTopic": "TBW102", "readQueueNums": queues, "writeQueueNums": queues, "perm": "6",
			"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": strconv.FormatBool(t.Ordered),
			"attributes": "+message.type=" + t.Type,
		}, nil); err != nil {
			return fmt.Errorf("create topic %s on broker %s: %w", t.Name, b.Name, err)
		}
	}
	return nil
}

// DeleteTopic removes the topic everywhere; one that isn't there is no error.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	topic := map[string]string{"topic": name}
	for _, b := range brokers {
		if _, err := c.call(ctx, b.Addr, deleteTopic, topic, nil); err != nil && !missing(err) {
			return fmt.Errorf("delete topic %s on broker %s: %w", name, b.Name, err)
		}
	}
	if _, err := c.call(ctx, c.nameServer, deleteFromNames, topic, nil); err != nil && !missing(err) {
		return fmt.Errorf("delete topic %s on the name server: %w", name, err)
	}
	_, err = c.call(ctx, c.nameServer, deleteConfig, map[string]string{"namespace": orderNamespace, "key": name}, nil)
	if err != nil && !missing(err) {
		return fmt.Errorf("delete the queue list of topic %s: %w", name, err)
	}
	return nil
}

// TopicConfig describes the topic as the cluster's first broker has it; [ErrNotFound] when it hasn't.
func (c *Client) TopicConfig(ctx context.Context, name string) (Topic, error) {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return Topic{}, fmt.Errorf("describe topic %s: %w", name, err)
	}
	body, err := c.call(ctx, brokers[0].Addr, topicConfig, map[string]string{"topic": name}, nil)
	if missing(err) {
		return Topic{}, fmt.Errorf("topic %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return Topic{}, fmt.Errorf("describe topic %s: %w", name, err)
	}
	var answer struct {
		WriteQueueNums int
		Order          bool
		Attributes     map[string]string
	}
	if err := json.Unmarshal(quoteKeys(body), &answer); err != nil {
		return Topic{}, fmt.Errorf("describe topic %s: %w", name, err)
	}
	t := Topic{Name: name, Type: answer.Attributes["message.type"], Queues: answer.WriteQueueNums, Ordered: answer.Order}
	if t.Type == "" {
		t.Type = "NORMAL" // a topic without the attribute takes plain messages
	}
	return t, nil
}

// Group describes a consumer group.
type Group struct {
	Name string
	// Orderly hands a queue's messages to one consumer at a time, in order.
	Orderly bool
}

// CreateGroup creates the group on every broker, or changes it there.
func (c *Client) CreateGroup(ctx context.Context, g Group) error {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return fmt.Errorf("create group %s: %w", g.Name, err)
	}
	body, err := json.Marshal(map[string]any{
		"groupName": g.Name, "consumeEnable": true, "consumeFromMinEnable": true, "consumeMessageOrderly": g.Orderly,
		"retryQueueNums": 1, "retryMaxTimes": 16, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1,
		"notifyConsumerIdsChangedEnable": true,
	})
	if err != nil {
		return err
	}
	for _, b := range brokers {
		if _, err := c.call(ctx, b.Addr, updateGroup, nil, body); err != nil {
			return fmt.Errorf("create group %s on broker %s: %w", g.Name, b.Name, err)
		}
	}
	return nil
}

// Broker is a master of the cluster.
type Broker struct {
	// Name is the broker's; Addr its host:port.
	Name, Addr string
}

// Brokers lists the cluster's masters by name; none is an error.
func (c *Client) Brokers(ctx context.Context) ([]Broker, error) {
	body, err := c.call(ctx, c.nameServer, clusterInfo, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("list brokers: %w", err)
	}
	var answer struct {
		BrokerAddrTable map[string]brokerData
	}
	if err := json.Unmarshal(quoteKeys(body), &answer); err != nil {
		return nil, fmt.Errorf("list brokers: %w", err)
	}
	brokers := masters(slices.Collect(maps.Values(answer.BrokerAddrTable)))
	if len(brokers) == 0 {
		return nil, fmt.Errorf("list brokers: the name server at %s knows none; wait for a broker to register", c.nameServer)
	}
	return brokers, nil
}

// brokerData is a broker's name and its members' addresses; member 0 is the master.
type brokerData struct {
	BrokerName  string
	BrokerAddrs map[string]string
}

func masters(all []brokerData) []Broker {
	var list []Broker
	for _, b := range all {
		if addr := b.BrokerAddrs["0"]; addr != "" {
			list = append(list, Broker{Name: b.BrokerName, Addr: addr})
		}
	}
	slices.SortFunc(list, func(a, b Broker) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// missing says that a server refused because there is no such topic or entry.
func missing(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && (r.Code == codeTopicNotExist || r.Code == codeQueryNotFound)
}
