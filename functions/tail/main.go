// SPDX-License-Identifier: Apache-2.0

// Command tail streams the binlog into the topic until it hands over, needs tables again or is stopped.
//
//   - Trigger: the workflow, as an asynchronous task of up to a day; a custom container (Dockerfile).
//   - Input: {"task": "shop", "epoch": 1, "id": "tail-shop-1-0"}. A sample is event.json.
//   - Output: {"again": [], "handover": 2, "stopped": false}.
//   - Idempotency key: the task and the epoch. The chain's lease lets one attempt work; another one waits or fails as Locked.
//   - Retryable errors: SourceUnreachable, SinkUnreachable, StoreUnreachable, Locked, and a crash (FC.Unknown).
package main

import (
	"context"
	"log/slog"
	"os"

	"slipway/shared/app"
	"slipway/shared/fc"
	"slipway/shared/telemetry"
)

func main() {
	if err := fc.Container("tail", open, (*telemetry.App).Tail); err != nil {
		slog.Error("tail", "error", err)
		os.Exit(1)
	}
}

func open(ctx context.Context, rt fc.Runtime) (*telemetry.App, error) {
	return telemetry.New(ctx, app.Env{
		State: os.Getenv("SLIPWAY_STATE"), Getenv: os.Getenv, Log: rt.Log, Credentials: rt.Credentials.Current,
	})
}
