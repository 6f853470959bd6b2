// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"slipway/shared/fault"
	"slipway/shared/rocketmq"
	"slipway/shared/servertest/server"
)

// A broker that checks signatures: the right ones pass, all others are named
// for what they are, at once.
func TestDialCredentials(t *testing.T) {
	broker(t) // runs where real servers do
	if testing.Short() {
		t.Skip("starts a RocketMQ of its own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cache, err := server.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	dist, err := cache.FetchRocketMQ(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	mq, err := dist.Start(ctx, server.RocketMQOptions{Dir: t.TempDir(), ACL: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mq.Stop(); err != nil {
			t.Error(err)
		}
	})
	for name, tc := range map[string]struct{ access, secret, says string }{
		"right":        {server.AccessKey, server.SecretKey, ""},
		"wrong secret": {server.AccessKey, "wrong", "check signature failed"},
		"unknown user": {"nobody", "x", "nobody is not found"},
		"none":         {"", "", "username cannot be null"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := rocketmq.Dial(ctx, rocketmq.Config{Endpoint: mq.Endpoint, AccessKey: tc.access, SecretKey: tc.secret})
			if tc.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := client.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			refusedFor(t, err, rocketmq.ReasonUnauthorized)
			for _, says := range []string{tc.says, mq.Endpoint, "destination.accessKey"} {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("Dial = %v, want it to say %q", err, says)
				}
			}
			if fault.ClassOf(err) != fault.SinkRejected || rocketmq.Retryable(err) {
				t.Errorf("Dial = %v of class %s, want a permanent SinkRejected", err, fault.ClassOf(err))
			}
		})
	}
}
