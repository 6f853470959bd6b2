// SPDX-License-Identifier: Apache-2.0

package emulator

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const runtimeAPI = "/2020-11-11/runtime/invocation/"

// The runtime API's kinds of requests.
const (
	kindInvoke     = "0"
	kindInitialize = "1"
)

// EventFunction runs instances of an event function. An instance gets one request at a time; concurrent invocations have
// instances of their own, and an idle one is used again.
type EventFunction struct {
	settings
	pool pool[*eventInstance]
}

// NewEvent makes the function; nothing is started before the first invocation.
func NewEvent(s Spec) *EventFunction { return &EventFunction{settings: newSettings(s)} }

// Starts counts the instances started so far.
func (f *EventFunction) Starts() int { return f.pool.starts() }

// Close kills all instances.
func (f *EventFunction) Close() { f.pool.close(func(i *eventInstance) { i.close() }) }

// Invoke runs one invocation. A process that exits, and one that passes its deadline, is an error of the type FC.Unknown
// and its instance is never used again. So is one whose ctx ends.
func (f *EventFunction) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	inst, ok := f.pool.take()
	if !ok {
		var err error
		if inst, err = f.newInstance(ctx); err != nil {
			return nil, err
		}
	}
	out, reusable, err := inst.do(ctx, kindInvoke, event)
	if reusable {
		f.pool.put(inst)
	} else {
		inst.close()
		f.pool.drop(inst)
	}
	return out, err
}

func (f *EventFunction) newInstance(ctx context.Context) (*eventInstance, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime API: %w", err)
	}
	i := &eventInstance{settings: f.settings, queue: make(chan *job), pending: map[string]*job{}}
	i.server = &http.Server{Handler: i, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = i.server.Serve(listener) }() // ends with close
	if i.process, err = f.start("FC_RUNTIME_API=" + listener.Addr().String()); err != nil {
		i.server.Close()
		return nil, err
	}
	if err := f.pool.add(i); err != nil {
		i.close()
		return nil, err
	}
	if f.Initializer {
		if _, _, err := i.do(ctx, kindInitialize, nil); err != nil {
			i.close()
			f.pool.drop(i)
			return nil, err
		}
	}
	return i, nil
}

// job is one request to the process.
type job struct {
	id, kind string
	event    []byte
	deadline time.Time
	fetched  chan struct{} // closed when the process has it
	done     chan result   // buffered
}

type result struct {
	failed bool
	body   []byte
}

// eventInstance is one process and the runtime API it polls.
type eventInstance struct {
	settings
	*process
	server *http.Server
	queue  chan *job

	mu      sync.Mutex
	pending map[string]*job
}

func (i *eventInstance) close() {
	i.process.kill()
	i.server.Close()
}

// do hands a request to the process and waits for its answer; reusable is false when the instance is of no more use.
func (i *eventInstance) do(ctx context.Context, kind string, event []byte) (out []byte, reusable bool, err error) {
	j := &job{
		id: requestID(), kind: kind, event: event, deadline: time.Now().Add(i.Timeout),
		fetched: make(chan struct{}), done: make(chan result, 1),
	}
	late := time.NewTimer(i.Timeout)
	defer late.Stop()
	queue, fetched := i.queue, j.fetched
	for {
		select {
		case queue <- j:
			queue = nil
		case <-fetched:
			fetched = nil
			if kind == kindInvoke && i.Reached != nil {
				i.Reached(Running{Function: i.Name, RequestID: j.id, Event: event, PID: i.cmd.Process.Pid, Kill: i.kill})
			}
		case r := <-j.done:
			if r.failed {
				return nil, true, failure(r.body)
			}
			return r.body, true, nil
		case <-i.exited:
			return nil, false, i.crash()
		case <-late.C:
			return nil, false, unknown("function timed out after %v", i.Timeout)
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// ServeHTTP is the runtime API.
func (i *eventInstance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, runtimeAPI)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodGet && path == "next" {
		i.next(w, r)
		return
	}
	id, verb, _ := strings.Cut(path, "/")
	i.mu.Lock()
	j := i.pending[id]
	delete(i.pending, id)
	i.mu.Unlock()
	if j == nil || r.Method != http.MethodPost || verb != "response" && verb != "error" {
		http.Error(w, "unknown invocation", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the process died while answering: the caller learns it from its exit
	}
	w.WriteHeader(http.StatusOK)
	j.done <- result{failed: verb == "error", body: body}
}

func (i *eventInstance) next(w http.ResponseWriter, r *http.Request) {
	var j *job
	select {
	case j = <-i.queue:
	case <-r.Context().Done():
		return
	}
	i.mu.Lock()
	i.pending[j.id] = j
	i.mu.Unlock()
	for key, value := range i.headers(j.id, j.deadline) {
		w.Header().Set(key, value)
	}
	w.Header().Set("X-Fc-Function-Type", j.kind)
	_, _ = w.Write(j.event) // a process that is gone shows by its exit
	close(j.fetched)
}
