// SPDX-License-Identifier: Apache-2.0

// Package emulator runs the very binaries that are deployed the way Function Compute runs them, on this machine: event
// functions against the runtime API, custom containers under their HTTP contract. Both are called by name through
// [Cloud], which is a workflow's invoker.
//
// The invariant: nothing is simulated inside the function's process. It is started, spoken to over its real protocol,
// left at its deadline, and may be killed at any moment ([Running].Kill); what the caller then sees is what the platform
// would report. It is for tests and demonstrations: no sandbox, no scaling, no retries of asynchronous invocations.
package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"slipway/shared/fc"
)

// Spec describes one deployed function.
type Spec struct {
	// Name is the function's name, as a workflow calls it.
	Name string
	// Binary and Args start an instance.
	Binary string
	Args   []string
	// Env is the whole environment of an instance but for the FC_ variables, which the emulator adds.
	Env []string
	// Timeout of an invocation; 0 means a minute.
	Timeout time.Duration
	// PreStop is how long a cancelled container may drain; 0 means 90 seconds.
	PreStop time.Duration
	// HealthPeriod is the time between looks at a container's /healthz during an invocation; 0 switches them off.
	// The third failure in a row kills the instance.
	HealthPeriod time.Duration
	// Initializer says that the initializer hook is configured.
	Initializer bool
	// Credentials are asked for at each request; nil sends fixed ones.
	Credentials func() fc.Credentials
	// Logs takes what the instances write to their standard output and error.
	Logs io.Writer
	// Reached, when set, learns of every invocation that has reached an instance. It must return soon.
	Reached func(Running)
}

// Running is an invocation under way.
type Running struct {
	Function, RequestID string
	Event               []byte
	PID                 int
	// Kill ends the instance as SIGKILL does, now or later, and returns when the process is gone.
	Kill func()
}

// Function is one deployed function.
type Function interface {
	// Invoke calls it once and waits. A failure is an *[fc.Error].
	Invoke(ctx context.Context, event []byte) ([]byte, error)
	// Starts counts the instances started so far.
	Starts() int
	// Close kills all instances.
	Close()
}

// Cloud calls functions by name: a workflow's invoker.
type Cloud map[string]Function

// Invoke calls a function and waits for it.
func (c Cloud) Invoke(ctx context.Context, function string, body []byte) ([]byte, error) {
	f, ok := c[function]
	if !ok {
		return nil, &fc.Error{Type: "FC.FunctionNotFound", Message: fmt.Sprintf("there is no function %q", function)}
	}
	return f.Invoke(ctx, body)
}

// Close kills the instances of all functions.
func (c Cloud) Close() {
	for _, f := range c {
		f.Close()
	}
}

func unknown(format string, args ...any) error {
	return &fc.Error{Type: fc.TypeUnknown, Message: fmt.Sprintf(format, args...)}
}

// failure reads the body of a failed invocation.
func failure(body []byte) error {
	var e struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(body, &e); err != nil || e.ErrorType == "" {
		return unknown("the function failed with %.200q", body)
	}
	return &fc.Error{Type: e.ErrorType, Message: e.ErrorMessage}
}

// settings are a Spec with its defaults, and what all instances share.
type settings struct {
	Spec
	logs *lockedWriter
}

func newSettings(s Spec) settings {
	if s.Timeout == 0 {
		s.Timeout = time.Minute
	}
	if s.PreStop == 0 {
		s.PreStop = 90 * time.Second
	}
	if s.Credentials == nil {
		s.Credentials = func() fc.Credentials {
			return fc.Credentials{AccessKeyID: "STS.local", AccessKeySecret: "local", SecurityToken: "local"}
		}
	}
	if s.Logs == nil {
		s.Logs = io.Discard
	}
	return settings{Spec: s, logs: &lockedWriter{w: s.Logs}}
}

// headers are the common ones of both contracts.
func (s settings) headers(requestID string, deadline time.Time) map[string]string {
	c := s.Credentials()
	return map[string]string{
		"X-Fc-Request-Id": requestID, "X-Fc-Function-Name": s.Name, "X-Fc-Function-Handler": "main", "X-Fc-Function-Memory": "512",
		"X-Fc-Function-Timeout":  fmt.Sprint(int(max(s.Timeout.Seconds(), 1))),
		"X-Fc-Function-Deadline": fmt.Sprint(deadline.UnixMilli()), "X-Fc-Retry-Count": "0", "X-Fc-Region": "local", "X-Fc-Account-Id": "0",
		"X-Fc-Access-Key-Id": c.AccessKeyID, "X-Fc-Access-Key-Secret": c.AccessKeySecret, "X-Fc-Security-Token": c.SecurityToken,
	}
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// process is an instance's operating-system process.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it is gone and err is set
	err    error
}

func (s settings) start(env ...string) (*process, error) {
	cmd := exec.Command(s.Binary, s.Args...)
	cmd.Env = append(append([]string{}, s.Env...), env...)
	cmd.Env = append(cmd.Env, "FC_FUNCTION_NAME="+s.Name, "FC_REGION=local", "FC_ACCOUNT_ID=0")
	cmd.Stdout, cmd.Stderr = s.logs, s.logs
	cmd.WaitDelay = time.Second
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// kill is SIGKILL; it returns when the process is gone.
func (p *process) kill() {
	// The only error is that the process has already ended.
	_ = p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) crash() error {
	return unknown("process exited unexpectedly before completing the request: %v", p.err)
}
