// SPDX-License-Identifier: Apache-2.0

// Package flow runs on a laptop the very workflow definition that CloudFlow runs in the cloud: the subset of
// CloudFlow's Flow Definition Language (FDL, SpecVersion v1) that a migration needs.
//
// The invariant: whatever [Parse] accepts means the same here and there. So the subset is strict. A field, a
// state type, a function or a context path that this package does not implement is refused when the file is
// loaded, with its line, and a definition that relies on behaviour the vendor leaves undocumented (a missing
// key, a scalar item in a Map, a Fail inside a Processor) is an error instead of a guess.
//
// Supported: Task (FC:InvokeFunction), Pass, Choice, Map (inline), Wait, Succeed, Fail; Retry and Catch on Task
// and Map; InputConstructor, OutputConstructor; expressions under keys that end in ".$". Not supported:
// Parallel, distributed Map, WaitForCustomCallback.
//
// What calls the functions is the caller's: see [Invoker].
package flow

import (
	"context"
	"time"
)

// The vendor's limits that this package enforces, so that a flow which passes here is not cut short there.
const (
	// MaxData bounds the JSON of every state's input and output, in bytes.
	MaxData = 64 << 10
	// MaxConcurrency bounds the items of a Map that run at the same time.
	MaxConcurrency = 40
	// MaxEvents bounds the history of one execution in the cloud. Nothing is cut short here: a laptop run has no
	// history. Tests hold the project's flow against it.
	MaxEvents = 5000

	maxWaitSeconds  = 300
	maxRetrySeconds = 86400
	maxNesting      = 10
)

// Invoker calls a function by the name its resource ARN carries and waits for its answer, however long the
// function runs. It is called from several goroutines at once inside a Map.
//
// An error that carries `ErrorType() string` (anywhere in its chain) decides by that type which Retry and Catch
// rules apply; any other error has the type [TypeUnknown]. When ctx ends, Invoke must come back soon, with a
// result if the function still had one: a tail that drained is no failure.
type Invoker interface {
	Invoke(ctx context.Context, function string, body []byte) ([]byte, error)
}

// Options of one execution. The zero value is usable.
type Options struct {
	// Name is the execution's name, $Context.Execution.Name.
	Name string
	// Observe, when set, sees every event in order. It is never called concurrently and must not block for long.
	Observe func(Event)
}

// Kind says what an [Event] reports.
type Kind string

// The kinds of events, in the order in which one state meets them.
const (
	// Entered: a state begins.
	Entered Kind = "entered"
	// Invoked: a Task calls its function; Attempt counts from 0.
	Invoked Kind = "invoked"
	// Retrying: an attempt failed with Err; the next begins after Delay.
	Retrying Kind = "retrying"
	// Caught: the state failed with Err and a Catch rule took over.
	Caught Kind = "caught"
	// Exited: a state ended well.
	Exited Kind = "exited"
	// Failed: a state ended with Err and nothing caught it.
	Failed Kind = "failed"
)

// Event is one step of an execution, for progress displays and tests.
type Event struct {
	Time     time.Time
	Kind     Kind
	State    string        // the state's name
	Type     string        // the state's type, e.g. "Task"
	Item     int           // index of the Map item this state runs in, -1 outside a Map
	Function string        // Invoked only
	Attempt  int           // Invoked, Retrying
	Delay    time.Duration // Retrying; the duration of the pause for an Entered Wait
	Output   any           // Exited: the state's output, not to be changed
	Err      error         // Retrying, Caught, Failed
}

// Machine is a definition that has passed every check. It is immutable: any number of executions may run it at
// the same time.
type Machine struct {
	// Name is the flow's name.
	Name string
	root *scope
}

// scope is a set of states with an entry: the flow itself, or a Map's Processor.
type scope struct {
	start  string
	line   int
	states map[string]*state
	order  []string // as written, for messages
}

type state struct {
	name, typ string
	line      int
	next      string
	end       bool

	input  *template // InputConstructor, nil when absent
	output *template // OutputConstructor, nil when absent

	// Task
	function string
	body     *template
	retry    []retryRule
	catch    []catchRule

	// Choice
	branches []branch
	fallback string

	// Map
	items      expr
	processor  *scope
	concurrent int

	// Wait
	seconds expr

	// Fail
	code, detail string
}

type branch struct {
	condition expr
	next      string
	line      int
}

type retryRule struct {
	errors   []string
	attempts int
	interval time.Duration
	rate     float64 // 1 when the interval stays as it is
	ceiling  time.Duration
}

type catchRule struct {
	errors []string
	output *template // nil: the state's input goes on
	next   string
	line   int
}
