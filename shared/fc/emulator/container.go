// SPDX-License-Identifier: Apache-2.0

package emulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// unhealthyAfter is how many failed looks at /healthz in a row end an instance.
const unhealthyAfter = 3

// ContainerFunction runs instances of a custom container's binary, one invocation at a time each, and speaks the HTTP
// contract to them.
type ContainerFunction struct {
	settings
	pool pool[*containerInstance]
}

// NewContainer makes the function; nothing is started before the first invocation.
func NewContainer(s Spec) *ContainerFunction { return &ContainerFunction{settings: newSettings(s)} }

// Starts counts the instances started so far.
func (f *ContainerFunction) Starts() int { return f.pool.starts() }

// Close kills all instances.
func (f *ContainerFunction) Close() { f.pool.close(func(i *containerInstance) { i.close() }) }

// Invoke runs one invocation. When ctx ends, the instance is told by /pre-stop and has Spec.PreStop to drain: an answer
// it still gives is the result. A process that exits, one that passes its deadline and one that stays unhealthy are
// errors of the type FC.Unknown.
func (f *ContainerFunction) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	inst, ok := f.pool.take()
	if !ok {
		var err error
		if inst, err = f.newInstance(ctx); err != nil {
			return nil, err
		}
	}
	out, reusable, err := inst.invoke(ctx, event)
	if reusable {
		f.pool.put(inst)
	} else {
		inst.close()
		f.pool.drop(inst)
	}
	return out, err
}

// containerInstance is one process and the address it serves.
type containerInstance struct {
	settings
	*process
	base   string
	client *http.Client
}

func (i *containerInstance) close() {
	i.process.kill()
	i.client.CloseIdleConnections()
}

func (f *ContainerFunction) newInstance(ctx context.Context) (*containerInstance, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port for %s: %w", f.Name, err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	listener.Close() // the container listens there next; nobody else is given the port meanwhile in practice
	i := &containerInstance{settings: f.settings, base: "http://" + addr.String(), client: &http.Client{Transport: &http.Transport{}}}
	if i.process, err = f.start(fmt.Sprintf("FC_SERVER_PORT=%d", addr.Port)); err != nil {
		return nil, err
	}
	if err := f.pool.add(i); err != nil {
		i.close()
		return nil, err
	}
	if err := i.ready(ctx, addr.String()); err != nil {
		i.close()
		f.pool.drop(i)
		return nil, err
	}
	return i, nil
}

// ready waits until the process accepts connections and runs its initializer.
func (i *containerInstance) ready(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case <-again.C:
		case <-i.exited:
			return i.crash()
		case <-ctx.Done():
			return unknown("the container does not listen on its port: %v", err)
		}
	}
	if !i.Initializer {
		return nil
	}
	r := i.request(ctx, http.MethodPost, "/initialize", requestID(), nil)
	if r.err != nil {
		return unknown("initialize: %v", r.err)
	}
	if r.failed {
		return failure(r.body)
	}
	return nil
}

// reply is an HTTP answer, or why there was none.
type reply struct {
	result
	err error
}

// request calls one hook of the contract.
func (i *containerInstance) request(ctx context.Context, method, path, id string, body []byte) reply {
	req, err := http.NewRequestWithContext(ctx, method, i.base+path, bytes.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(i.Timeout)
	}
	for key, value := range i.headers(id, deadline) {
		req.Header.Set(key, value)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := i.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	// Without the header the platform takes an answer for a success, and so does this.
	status := resp.Header.Get("X-Fc-Status")
	return reply{result{failed: status != "" && status != "200" || status == "" && resp.StatusCode >= 500, body: answer}, err}
}

func (i *containerInstance) invoke(ctx context.Context, event []byte) (out []byte, reusable bool, err error) {
	// The connection outlives ctx: a platform that stops an instance asks by /pre-stop, it does not hang up.
	life, hangUp := context.WithTimeout(context.WithoutCancel(ctx), i.Timeout)
	defer hangUp()
	id := requestID()
	answered := make(chan reply, 1)
	go func() { answered <- i.request(life, http.MethodPost, "/invoke", id, event) }()
	if i.Reached != nil {
		i.Reached(Running{Function: i.Name, RequestID: id, Event: event, PID: i.cmd.Process.Pid, Kill: i.kill})
	}
	sick := i.watch(life)
	select {
	case r := <-answered:
		return i.outcome(life, r, true)
	case <-sick:
		return nil, false, unknown("the instance stayed unhealthy and was replaced")
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(life, i.PreStop)
	defer cancel()
	if r := i.request(drain, http.MethodGet, "/pre-stop", requestID(), nil); r.err != nil || r.failed {
		return nil, false, context.Cause(ctx)
	}
	out, _, err = i.outcome(life, <-answered, false)
	if err != nil && ctx.Err() != nil {
		return nil, false, fmt.Errorf("%w while it drained: %w", context.Cause(ctx), err)
	}
	return out, false, err
}

// outcome tells a crash, a time-out and an answer apart.
func (i *containerInstance) outcome(life context.Context, r reply, reusable bool) ([]byte, bool, error) {
	switch {
	case r.err == nil && r.failed:
		return nil, reusable, failure(r.body)
	case r.err == nil:
		return r.body, reusable, nil
	case life.Err() != nil:
		return nil, false, unknown("function timed out after %v", i.Timeout)
	}
	// The connection broke: normally because the process is gone. One that still lives is as useless.
	i.kill()
	return nil, false, fmt.Errorf("%w (%w)", i.crash(), r.err)
}

// watch looks at /healthz until life ends; the channel is closed when the instance is to be replaced.
func (i *containerInstance) watch(life context.Context) <-chan struct{} {
	if i.HealthPeriod == 0 {
		return nil
	}
	sick := make(chan struct{})
	go func() {
		tick := time.NewTicker(i.HealthPeriod)
		defer tick.Stop()
		for bad := 0; bad < unhealthyAfter; {
			select {
			case <-life.Done():
				return
			case <-tick.C:
			}
			if i.healthy(life) {
				bad = 0
			} else {
				bad++
			}
		}
		close(sick)
	}()
	return sick
}

func (i *containerInstance) healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.base+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
