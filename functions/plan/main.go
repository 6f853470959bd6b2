// SPDX-License-Identifier: Apache-2.0

// Command plan plans a snapshot: position P0, table definitions and chunk bounds.
//
//   - Trigger: the workflow, after precheck and whenever tables are needed again, synchronously.
//   - Input: {"task": "shop", "again": []}; `again` names the tables of a new generation, none means the first plan. A sample is event.json.
//   - Output: {"workers": [{"worker": 0, "workers": 4}, ...], "chunks": 120}.
//   - Idempotency key: the task and the generation. A plan that exists is returned as it is.
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
	if err := fc.Event("plan", open, (*app.App).Plan); err != nil {
		slog.Error("plan", "error", err)
		os.Exit(1)
	}
}

func open(ctx context.Context, rt fc.Runtime) (*app.App, error) {
	return app.New(ctx, app.Env{
		State: os.Getenv("SLIPWAY_STATE"), Getenv: os.Getenv, Log: rt.Log, Credentials: rt.Credentials.Current,
	})
}
