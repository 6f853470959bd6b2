// SPDX-License-Identifier: Apache-2.0

// Command settle looks whether the snapshot is complete, seals the seam for the tail, or ends a full-only task.
//
//   - Trigger: the workflow, after the snapshot, synchronously.
//   - Input: {"task": "shop"}. A sample is event.json.
//   - Output: {"more": false, "wait": 0, "again": [], "done": false, "epoch": 1}.
//   - Idempotency key: the task and its generations. A seam that is sealed is returned as it is.
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
	if err := fc.Event("settle", open, (*app.App).Settle); err != nil {
		slog.Error("settle", "error", err)
		os.Exit(1)
	}
}

func open(ctx context.Context, rt fc.Runtime) (*app.App, error) {
	return app.New(ctx, app.Env{
		State: os.Getenv("SLIPWAY_STATE"), Getenv: os.Getenv, Log: rt.Log, Credentials: rt.Credentials.Current,
	})
}
