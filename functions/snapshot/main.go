// SPDX-License-Identifier: Apache-2.0

// Command snapshot reads one worker's share of the chunks, each exact at a known GTID set, and delivers them.
//
//   - Trigger: the workflow's Map over workers, synchronously, again and again while it answers more.
//   - Input: {"task": "shop", "worker": 0, "workers": 4}. A sample is event.json.
//   - Output: {"more": false}; true when the deadline came near before the share was read.
//   - Idempotency key: table, generation and chunk number. A chunk is stored once and sent from there; another attempt sends the same messages.
//   - Retryable errors: SourceUnreachable, SinkUnreachable, StoreUnreachable, Locked, and a crash (FC.Unknown).
package main

import (
	"context"
	"log/slog"
	"os"

	"slipway/shared/app"
	"slipway/shared/fc"
)

func main() {
	if err := fc.Event("snapshot", open, (*app.App).Snapshot); err != nil {
		slog.Error("snapshot", "error", err)
		os.Exit(1)
	}
}

func open(ctx context.Context, rt fc.Runtime) (*app.App, error) {
	return app.New(ctx, app.Env{
		State: os.Getenv("SLIPWAY_STATE"), Getenv: os.Getenv, Log: rt.Log, Credentials: rt.Credentials.Current,
	})
}
