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
		return failed(createTopic(topic), "topic %s does not exist, or no broker of it can be reached", topic)
	case !facts.FIFO():
		return failed("mqadmin deleteTopic -c DefaultCluster -t "+topic+"\n"+createTopic(topic),
			"topic %s takes %s messages; it must be FIFO (ordered) for rows to stay in order. A topic's type can't be changed: deleting it deletes its messages, so name another one if they are needed",
			topic, strings.Join(facts.Types, ", "))
	case len(facts.Queues) == 0:
		return failed("mqadmin updateTopicPerm -c DefaultCluster -t "+topic+" -p 6", "topic %s has no queue that takes messages", topic)
	}
	return success("topic %s is FIFO and has %d queues", topic, len(facts.Queues))
}

// createTopic is the command that makes a topic as it must be: FIFO, and with
// ordered-topic configuration, so that a broker that stops keeps its queues in
// the route (rule D7). NAMESRV_ADDR tells mqadmin the name server.
func createTopic(topic string) string {
	return "mqadmin updateTopic -c DefaultCluster -t " + topic + " -o true -r 8 -w 8 -a +message.type=FIFO"
}

func topicRefused(err error, topic, user string) Finding {
	if e, ok := errors.AsType[*rocketmq.RefusedError](err); ok && e.Reason == rocketmq.ReasonUnauthorized {
		return failed(fmt.Sprintf("mqadmin createAcl -c DefaultCluster -s User:%s -r Topic:%s -a Pub -d Allow", user, topic),
			"the account may not send to topic %s: %s", topic, e.Err)
	}
	what, remedy := explain(err)
	return failed(remedy, "topic %s can't be asked for: %s", topic, what)
}
