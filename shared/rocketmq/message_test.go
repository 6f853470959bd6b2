// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"slipway/shared/rocketmq"
)

// message is a small valid one with the properties the fault proxy looks at.
func message(topic, group, id string) *rocketmq.Message {
	return &rocketmq.Message{
		ID: id, Topic: topic, Group: group, Tag: "t", Keys: []string{rocketmq.EncodeKey(id)},
		Properties: []rocketmq.Property{{Name: "id", Value: id}, {Name: "seq", Value: "7"}},
		Body:       []byte(`{"id":"` + id + `"}`),
	}
}

// refusedFor fails the test unless err is a refusal for that reason.
func refusedFor(t testing.TB, err error, want rocketmq.Reason) {
	t.Helper()
	e, ok := errors.AsType[*rocketmq.RefusedError](err)
	if !ok {
		t.Fatalf("error %v, want a *RefusedError: %s", err, want)
	}
	if errors.Is(err, rocketmq.ErrAmbiguous) {
		t.Errorf("error %v is both refused and ambiguous", err)
	}
	if e.Reason != want {
		t.Errorf("refused: %v, want %s", err, want)
	}
}

// properties makes n of them with names and values of size bytes together.
func properties(n, size int) []rocketmq.Property {
	out := make([]rocketmq.Property, n)
	for i := range out {
		name := fmt.Sprintf("p%03d", i)
		out[i] = rocketmq.Property{Name: name, Value: strings.Repeat("v", size-len(name))}
	}
	return out
}
