// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// RocketMQ's limits, known before sending.
const (
	// MaxBodyBytes is the largest body a broker takes, in bytes.
	MaxBodyBytes = 4194304
	// MaxPropertiesBytes is the most that names and values of all properties,
	// the keys and the tag may have together, in bytes.
	MaxPropertiesBytes = 16384
	// MaxProperties is the most properties a message may have.
	MaxProperties = 128
	// MaxGroupBytes is the longest message group, in bytes: the broker says its
	// limit is 64 and refuses 64.
	MaxGroupBytes = 63
)

// Property is a user property of a message.
type Property struct{ Name, Value string }

// Message is what Send stores.
type Message struct {
	// ID is the message's identity (rule D3); here it only names the message in
	// errors. Consumers see the property of that name.
	ID string
	// Topic must be a FIFO topic.
	Topic string
	// Group is the message group, which is the lane: messages of one group are
	// stored in one queue, in the order they were sent.
	Group string
	// Tag and Keys must be as EncodeKey makes them; Tag may be "".
	Tag  string
	Keys []string
	// Properties keep their order here; RocketMQ stores them as a set.
	Properties []Property
	// Body must not be empty.
	Body []byte
}

// check refuses what the broker would refuse, without asking it.
func (m *Message) check() *RefusedError {
	switch {
	case len(m.Body) == 0:
		return m.refused(ReasonIllegal, fmt.Errorf("the body is empty"))
	case len(m.Body) > MaxBodyBytes:
		return m.refused(ReasonTooLarge, fmt.Errorf("the body has %d bytes, RocketMQ takes %d", len(m.Body), MaxBodyBytes))
	case strings.TrimSpace(m.Topic) == "":
		return m.refused(ReasonIllegal, fmt.Errorf("no topic"))
	case !carriable(m.Group) || strings.TrimSpace(m.Group) == "" || len(m.Group) > MaxGroupBytes:
		return m.refused(ReasonIllegal, fmt.Errorf("group %q: needs 1 to %d bytes of UTF-8 without control characters", m.Group, MaxGroupBytes))
	case !encoded(m.Tag):
		return m.refused(ReasonIllegal, fmt.Errorf("tag %q: use EncodeKey", m.Tag))
	}
	for _, k := range m.Keys {
		if k == "" || !encoded(k) {
			return m.refused(ReasonIllegal, fmt.Errorf("key %q: use EncodeKey", k))
		}
	}
	return m.checkProperties()
}

func (m *Message) checkProperties() *RefusedError {
	if len(m.Properties) > MaxProperties {
		return m.refused(ReasonTooLarge, fmt.Errorf("%d properties, RocketMQ takes %d", len(m.Properties), MaxProperties))
	}
	size := len(m.Tag)
	for _, k := range m.Keys {
		size += len(k)
	}
	seen := make(map[string]bool, len(m.Properties))
	for _, p := range m.Properties {
		if p.Name == "" || seen[p.Name] || !carriable(p.Name) || !carriable(p.Value) {
			return m.refused(ReasonIllegal,
				fmt.Errorf("property %q: needs a name of its own, and UTF-8 without control characters in name and value", p.Name))
		}
		seen[p.Name] = true
		size += len(p.Name) + len(p.Value)
	}
	if size > MaxPropertiesBytes {
		return m.refused(ReasonTooLarge, fmt.Errorf("properties, keys and tag have %d bytes, RocketMQ takes %d", size, MaxPropertiesBytes))
	}
	return nil
}

// carriable tells whether RocketMQ can carry s in a property: control
// characters separate its properties from each other.
func carriable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
