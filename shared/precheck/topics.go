// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway/shared/rocketmq"
)

// checkTopics asks for every topic a row or statement may go to.
func checkTopics(ctx context.Context, s *session) ([]Finding, error) {
	c, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, topic := range s.task.Topics() {
		facts, err := c.Topic(ctx, topic)
		if err != nil {
			findings = append(findings, topicRefused(err, topic, s.task.Destination.AccessKey.Reveal()).about(topic))
			continue
		}
		findings = append(findings, topicFinding(facts, topic).about(topic))
	}
	return findings, nil
}

// topicFinding judges a topic by what the broker says of it.
func topicFinding(facts rocketmq.TopicFacts, topic string) Finding {
	switch {
	case !facts.Exists:
		return failed(createTopic(topic, 0), "topic %s does not exist, or no broker of it can be reached (one that was just made shows within half a minute)", topic)
	case !facts.FIFO():
		return failed(createTopic(topic, queuesOfABroker(facts.Queues)),
			"topic %s takes %s messages; it must be FIFO (ordered) for rows to stay in order. Let nothing else write to it. Brokers may take half a minute to tell everybody",
			topic, strings.Join(facts.Types, ", "))
	case len(facts.Queues) == 0:
		return failed("mqadmin updateTopicPerm -c DefaultCluster -t "+topic+" -p 6", "topic %s has no queue that takes messages", topic)
	}
	return success("topic %s is FIFO and has %d queues", topic, len(facts.Queues))
}

// createTopic is the command that makes a topic as it must be, whether it is
// there or not: FIFO, with ordered-topic configuration, so that a broker that
// stops keeps its queues in the route (rule D7), and not fewer queues than it
// has. NAMESRV_ADDR tells mqadmin the name server.
func createTopic(topic string, queues int) string {
	n := max(queues, 8)
	return fmt.Sprintf("mqadmin updateTopic -c DefaultCluster -t %s -o true -r %d -w %d -a +message.type=FIFO", topic, n, n)
}

// queuesOfABroker is the most queues any broker has of a topic.
func queuesOfABroker(queues []string) int {
	most, count := 0, map[string]int{}
	for _, q := range queues {
		broker, _, _ := strings.Cut(q, "/")
		count[broker]++
		most = max(most, count[broker])
	}
	return most
}

func topicRefused(err error, topic, user string) Finding {
	if e, ok := errors.AsType[*rocketmq.RefusedError](err); ok && e.Reason == rocketmq.ReasonUnauthorized {
		return failed(allowTopic(user, topic),
			"the account may not send to topic %s: %s", topic, e.Err)
	}
	what, remedy := explain(err)
	return failed(remedy, "topic %s can't be asked for: %s", topic, what)
}
