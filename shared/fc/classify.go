// SPDX-License-Identifier: Apache-2.0

package fc

import (
	"context"
	"errors"
)

// Error types that this package itself gives. All others are the codes of the error classes.
const (
	// TypeUnknown is a function that crashed or ran out of time. The workflow retries it.
	TypeUnknown = "FC.Unknown"
	// TypeInternal is an error nobody classified: a defect. It is permanent.
	TypeInternal = "Internal"
	// TypeInput is an event that is not what the function takes. It is permanent.
	TypeInput = "Config"
	// TypeBusy is an invocation that met an instance which is already at work or about to stop. The workflow retries it.
	TypeBusy = "Locked"
)

// Coded is what this package needs to know of an error class. Code is the error type that the workflow's rules match.
type Coded interface {
	error
	Code() string
	Retryable() bool
}

// Error is a failed invocation as Function Compute and CloudFlow see it: the pair errorType, errorMessage.
type Error struct {
	// Type decides about retries.
	Type string
	// Message is for people; it carries the remedy.
	Message string
	// Retryable is what the error class said. Across a process border it is lost and false.
	Retryable bool

	cause error
}

// Error is the message; the type is in [Error.ErrorType].
func (e *Error) Error() string { return e.Message }

// ErrorType is what a workflow's Retry and Catch match.
func (e *Error) ErrorType() string { return e.Type }

// Unwrap gives the classified error, nil once it has crossed a process border.
func (e *Error) Unwrap() error { return e.cause }

// Classify gives err the type under which it leaves the function; nil stays nil. The outermost class in the chain
// counts. A deadline that passed without anybody classifying it is what Function Compute would have reported had the
// function been a moment slower.
func Classify(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Type: TypeInternal, Message: err.Error(), cause: err}
	var coded Coded
	switch {
	case errors.As(err, &coded):
		e.Type, e.Retryable = coded.Code(), coded.Retryable()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Type, e.Retryable = TypeUnknown, true
	}
	return e
}
