// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"errors"
	"fmt"
	"slices"
)

// Error types that this package raises or gives a meaning to. The first two are the vendor's own words; the
// others name what the vendor leaves unnamed.
const (
	// TypeAll in a rule matches every error.
	TypeAll = "FnF.ALL"
	// TypeUnknown is a function that failed without an error type of its own: a crash, a time-out.
	TypeUnknown = "FC.Unknown"
	// TypeDataLimit is a state whose input or output is larger than [MaxData].
	TypeDataLimit = "FnF.DataLimitExceeded"
	// TypeBadData is a value that a state can't use: a missing key, a wrong type, an answer that is no object.
	TypeBadData = "FnF.BadData"
)

// Error is how an execution ends badly: in a Fail state, or with an error that no rule caught.
type Error struct {
	// State is where it ended.
	State string
	// Code is the Fail state's Code, or the error type that nothing caught.
	Code string
	// Detail is for people.
	Detail string
	// Output is what a Fail state's OutputConstructor made of its input, nil otherwise.
	Output any
	// Cause is the error behind it. For a Fail state it is the last error that was caught on the way, if any.
	Cause error
}

// Error names the state, the code and what happened.
func (e *Error) Error() string {
	if e.Cause != nil && e.Cause.Error() != e.Detail {
		return fmt.Sprintf("flow: %s: %s: %s: %v", e.State, e.Code, e.Detail, e.Cause)
	}
	return fmt.Sprintf("flow: %s: %s: %s", e.State, e.Code, e.Detail)
}

// Unwrap gives the cause, so that a caller finds the function's own error with errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// ErrorType is the code, so that an outer rule sees through.
func (e *Error) ErrorType() string { return e.Code }

// dataError is a failure of the definition against the data it met.
type dataError struct{ code, detail string }

func (e *dataError) Error() string     { return e.detail }
func (e *dataError) ErrorType() string { return e.code }

func badData(format string, args ...any) error {
	return &dataError{TypeBadData, fmt.Sprintf(format, args...)}
}

// errorType is the type that rules match against.
func errorType(err error) string {
	var typed interface{ ErrorType() string }
	if errors.As(err, &typed) && typed.ErrorType() != "" {
		return typed.ErrorType()
	}
	return TypeUnknown
}

func matches(rule []string, typ string) bool {
	return slices.Contains(rule, typ) || slices.Contains(rule, TypeAll)
}
