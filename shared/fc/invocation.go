// SPDX-License-Identifier: Apache-2.0

package fc

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Credentials are the temporary keys of the function's role. They come with each request and expire within hours.
type Credentials struct {
	AccessKeyID, AccessKeySecret, SecurityToken string
}

// LogValue keeps secrets out of logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue("***") }

// String keeps secrets out of messages.
func (c Credentials) String() string { return "***" }

// Vault holds the newest credentials. Whoever signs requests asks it each time, and so follows the rotation.
// It is safe for concurrent use; the zero value is empty.
type Vault struct{ current atomic.Pointer[Credentials] }

// Current gives the newest credentials; false when no request has brought any yet.
func (v *Vault) Current() (Credentials, bool) {
	c := v.current.Load()
	if c == nil {
		return Credentials{}, false
	}
	return *c, true
}

// Set replaces the credentials. Empty ones are ignored: a request without keys takes none away.
func (v *Vault) Set(c Credentials) {
	if c.AccessKeyID != "" {
		v.current.Store(&c)
	}
}

// Invocation is what the platform says about the request being served.
type Invocation struct {
	// RequestID names it in the platform's logs.
	RequestID string
	// Attempt counts the platform's own retries of the same request, from 0.
	Attempt int
}

type invocationKey struct{}

// From gives the invocation a step runs in; false outside Function Compute.
func From(ctx context.Context) (Invocation, bool) {
	i, ok := ctx.Value(invocationKey{}).(Invocation)
	return i, ok
}

func within(ctx context.Context, i Invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, i)
}

// Runtime is what a function offers to the code that opens its application.
type Runtime struct {
	// Function is the name the step goes by.
	Function string
	// Log writes JSON lines to where the platform collects them.
	Log *slog.Logger
	// Credentials follow the requests.
	Credentials *Vault
}

// summed runs the handler and logs one line about it, the line that dashboards and alerts are built on.
func summed(ctx context.Context, rt Runtime, cold bool, handle Handler, event []byte) ([]byte, error) {
	start := time.Now()
	out, err := handle(ctx, event)
	inv, _ := From(ctx)
	attrs := []slog.Attr{
		slog.String("function", rt.Function), slog.String("requestId", inv.RequestID), slog.Int("attempt", inv.Attempt),
		slog.Bool("cold", cold), slog.Int64("millis", time.Since(start).Milliseconds()),
		slog.Int("bytesIn", len(event)), slog.Int("bytesOut", len(out)), slog.Bool("ok", err == nil),
	}
	if deadline, ok := ctx.Deadline(); ok {
		attrs = append(attrs, slog.Int64("millisLeft", time.Until(deadline).Milliseconds()))
	}
	level := slog.LevelInfo
	if err != nil {
		e := Classify(err)
		level = slog.LevelError
		attrs = append(attrs, slog.String("errorType", e.Type), slog.String("error", e.Message), slog.Bool("retryable", e.Retryable))
	}
	rt.Log.LogAttrs(ctx, level, "invocation", attrs...)
	return out, err
}
