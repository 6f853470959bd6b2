// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Route is where the name server says a topic's queues are.
type Route struct {
	// Brokers are the masters that can be reached now.
	Brokers []Broker
	// Queues lists the writable queues, sorted by broker.
	Queues []BrokerQueues
	// Fixed is the queue list of an ordered topic, "broker:queues" joined by ";", or "" (D7).
	Fixed string
}

// BrokerQueues counts one broker's queues of a topic.
type BrokerQueues struct {
	Broker string
	Queues int
}

// Route asks the name server for a topic's route; [ErrNotFound] when no broker has registered the topic.
func (c *Client) Route(ctx context.Context, name string) (Route, error) {
	body, err := c.call(ctx, c.nameServer, topicRoute, map[string]string{"topic": name}, nil)
	if missing(err) {
		return Route{}, fmt.Errorf("topic %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return Route{}, fmt.Errorf("route of topic %s: %w", name, err)
	}
	var answer struct {
		OrderTopicConf string
		BrokerDatas    []brokerData
		QueueDatas     []struct {
			BrokerName     string
			WriteQueueNums int
		}
	}
	if err := json.Unmarshal(quoteKeys(body), &answer); err != nil {
		return Route{}, fmt.Errorf("route of topic %s: %w", name, err)
	}
	r := Route{Brokers: masters(answer.BrokerDatas), Fixed: answer.OrderTopicConf}
	for _, q := range answer.QueueDatas {
		r.Queues = append(r.Queues, BrokerQueues{Broker: q.BrokerName, Queues: q.WriteQueueNums})
	}
	slices.SortFunc(r.Queues, func(a, b BrokerQueues) int { return strings.Compare(a.Broker, b.Broker) })
	return r, nil
}
