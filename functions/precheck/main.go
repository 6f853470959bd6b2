// SPDX-License-Identifier: Apache-2.0

// Command precheck checks whether a task can run: both ends, the store, privileges, server settings, tables and topics.
//
//   - Trigger: the workflow's first step (infra/flow.yaml), synchronously; or by hand.
//   - Input: {"task": "shop"}. A sample is event.json.
//   - Output: {"report": {"failed": 0, "warnings": 1, "passed": 38}, "blocked": false}; the whole report is precheck.json.
//   - Idempotency key: the task. It writes nothing but its report; running it again replaces that.
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
	if err := fc.Event("precheck", open, (*app.App).Precheck); err != nil {
		slog.Error("precheck", "error", err)
		os.Exit(1)
	}
}

func open(ctx context.Context, rt fc.Runtime) (*app.App, error) {
	return app.New(ctx, app.Env{
		State: os.Getenv("SLIPWAY_STATE"), Getenv: os.Getenv, Log: rt.Log, Credentials: rt.Credentials.Current,
	})
}
