// SPDX-License-Identifier: Apache-2.0

// Package fault gives an error its class once, at the edge where it is first
// understood: what happens to it later (retry, exit code, the workflow's
// branch) follows from the class and is never guessed from its text.
package fault

import (
	"errors"
	"fmt"
)

// Class is a stable word for what an error means to whoever runs the task.
// It is the functions' error type and the CLI's error code.
type Class string

// The classes.
const (
	Config             Class = "Config"             // the task file or a flag is wrong
	Blocked            Class = "Blocked"            // the precheck found what must be mended first
	SourceUnreachable  Class = "SourceUnreachable"  // MySQL can't be reached or refuses the login
	SinkUnreachable    Class = "SinkUnreachable"    // RocketMQ can't be reached
	StoreUnreachable   Class = "StoreUnreachable"   // the state store failed
	Locked             Class = "Locked"             // another process owns the task
	PositionLost       Class = "PositionLost"       // the binlog we need is purged, or another server's
	CheckpointUnusable Class = "CheckpointUnusable" // state of a newer version, or contradicting the task
	SchemaMismatch     Class = "SchemaMismatch"     // the binlog contradicts the known definition
	UnreadableEvent    Class = "UnreadableEvent"    // an event or a value we refuse to guess at
	SinkRejected       Class = "SinkRejected"       // the broker refused a message for good
	Interrupted        Class = "Interrupted"        // stopped by a signal
	Internal           Class = "Internal"           // none of the above
)

// Error is an error with its class and remedy.
type Error struct {
	Class Class
	// Remedy is the statement or setting that mends it; "" when there is none.
	Remedy string
	Err    error
}

// New classifies a formatted error; use %w to keep the cause.
func New(c Class, remedy, format string, args ...any) *Error {
	return &Error{Class: c, Remedy: remedy, Err: fmt.Errorf(format, args...)}
}

// Error gives the cause, and the remedy behind it.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + "; remedy: " + e.Remedy
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorType is the class as Function Compute and CloudFlow see it.
func (e *Error) ErrorType() string { return string(e.Class) }

// Code is the class, as the command line's JSON has it.
func (e *Error) Code() string { return string(e.Class) }

// Retryable tells whether the same call can succeed later without anybody
// mending anything.
func (e *Error) Retryable() bool {
	//exhaustive:enforce
	switch e.Class {
	case SourceUnreachable, SinkUnreachable, StoreUnreachable, Locked:
		return true
	case Config, Blocked, PositionLost, CheckpointUnusable, SchemaMismatch, UnreadableEvent, SinkRejected, Interrupted, Internal:
	}
	return false
}

// ClassOf gives the class of the outermost classified error in err's chain;
// Internal when there is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Internal
}

// Retryable tells whether err is classified and retryable.
func Retryable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Retryable()
}

// ExitCode is the process exit code for err: see docs/cli.md.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	//exhaustive:enforce
	switch ClassOf(err) {
	case Config:
		return 2
	case Blocked:
		return 3
	case SourceUnreachable:
		return 10
	case Locked:
		return 11
	case PositionLost, CheckpointUnusable:
		return 12
	case SinkRejected, SinkUnreachable:
		return 13
	case Interrupted:
		return 130
	case StoreUnreachable, SchemaMismatch, UnreadableEvent, Internal:
	}
	return 1
}
