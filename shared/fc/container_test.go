// SPDX-License-Identifier: Apache-2.0

package fc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/shared/fault"
	"slipway/shared/fc"
)

// server serves the contract over real HTTP with a scripted handler.
type server struct {
	*fc.ContainerServer
	url  string
	logs *bytes.Buffer // structured lines
	out  *bytes.Buffer // the platform's lines
}

func serve(t *testing.T, handle fc.Handler) *server {
	t.Helper()
	s := &server{logs: &bytes.Buffer{}, out: &bytes.Buffer{}}
	s.ContainerServer = &fc.ContainerServer{
		Runtime: fc.Runtime{Function: "tail", Log: slog.New(slog.NewJSONHandler(s.logs, nil)), Credentials: &fc.Vault{}},
		Handle:  handle, Out: s.out,
		Health: func() error { return errors.New("no progress for 5m0s") },
		Status: func() any { return map[string]int{"epoch": 3} },
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

func (s *server) do(t *testing.T, method, path, body string, headers ...string) (status int, fcStatus, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("x-fc-status"), string(b)
}

func TestContainerAnswersBothStatuses(t *testing.T) {
	s := serve(t, func(_ context.Context, event []byte) ([]byte, error) {
		if string(event) == "bad" {
			return nil, fmt.Errorf("send: %w", fault.New(fault.SinkRejected, "make it FIFO", "topic orders is NORMAL"))
		}
		return event, nil
	})
	if code, status, body := s.do(t, "POST", "/invoke", `{"a":1}`, "x-fc-request-id", "r1"); code != 200 || status != "200" || body != `{"a":1}` {
		t.Errorf("got %d %s %s", code, status, body)
	}
	code, status, body := s.do(t, "POST", "/invoke", "bad", "x-fc-request-id", "r2")
	if code != 404 || status != "404" || body != `{"errorMessage":"send: topic orders is NORMAL; remedy: make it FIFO","errorType":"SinkRejected"}` {
		t.Errorf("got %d %s %s", code, status, body)
	}
	if want := "FC Invoke Start RequestId: r1\nFC Invoke End RequestId: r1\nFC Invoke Start RequestId: r2\nFC Invoke End RequestId: r2\n"; s.out.String() != want {
		t.Errorf("the platform's lines are\n%s", s.out)
	}
}

func TestContainerProbes(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/healthz", 503, "no progress for 5m0s\n"},
		{"/readyz", 200, "ok\n"},
		{"/status", 200, "{\"epoch\":3}\n"},
		{"/metrics", 404, "404 page not found\n"},
		{"/other", 404, "404 page not found\n"},
	} {
		if code, _, body := s.do(t, "GET", c.path, ""); code != c.code || body != c.body {
			t.Errorf("%s: got %d %q, want %d %q", c.path, code, body, c.code, c.body)
		}
	}
	if code, status, _ := s.do(t, "POST", "/initialize", ""); code != 200 || status != "200" {
		t.Errorf("initialize: %d %s", code, status)
	}
}

func TestContainerTakesCredentialsFromEachRequest(t *testing.T) {
	var s *server
	s = serve(t, func(context.Context, []byte) ([]byte, error) {
		c, ok := s.Runtime.Credentials.Current()
		return fmt.Appendf(nil, "%v %s %s %s", ok, c.AccessKeyID, c.AccessKeySecret, c.SecurityToken), nil
	})
	for _, c := range []struct{ id, want string }{{"", "false   "}, {"k1", "true k1 s t"}, {"k2", "true k2 s t"}, {"", "true k2 s t"}} {
		if _, _, body := s.do(t, "POST", "/invoke", "", "x-fc-access-key-id", c.id, "x-fc-access-key-secret", "s", "x-fc-security-token", "t"); body != c.want {
			t.Errorf("with key %q: %q, want %q", c.id, body, c.want)
		}
	}
	if text := fmt.Sprint(fc.Credentials{AccessKeySecret: "hunter2"}); strings.Contains(text, "hunter2") {
		t.Errorf("printing credentials shows %s", text)
	}
}

func TestContainerDeadline(t *testing.T) {
	var left time.Duration
	s := serve(t, func(ctx context.Context, _ []byte) ([]byte, error) {
		deadline, ok := ctx.Deadline()
		if !ok {
			return nil, errors.New("no deadline")
		}
		left = time.Until(deadline)
		return nil, nil
	})
	for _, c := range []struct {
		name    string
		headers []string
		want    time.Duration
	}{
		{"none: the most there is", nil, fc.MaxTimeout},
		{"relative", []string{"x-fc-function-timeout", "600"}, 10 * time.Minute},
		{"absolute wins", []string{"x-fc-function-timeout", "600", "x-fc-function-deadline", fmt.Sprint(time.Now().Add(time.Hour).UnixMilli())}, time.Hour},
	} {
		if code, _, body := s.do(t, "POST", "/invoke", "", c.headers...); code != 200 || left > c.want || left < c.want-time.Minute {
			t.Errorf("%s: %d %s, %v left, want %v", c.name, code, body, left, c.want)
		}
	}
}

// TestPreStopDrainsTheInvocation: the running step is told, waited for, and its answer still goes out; then the instance
// takes nothing more.
func TestPreStopDrainsTheInvocation(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(ctx context.Context, _ []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		<-release
		return []byte(`{"handover":2}`), nil
	})
	answers := make(chan string, 2)
	go func() { _, _, body := s.do(t, "POST", "/invoke", ""); answers <- body }()
	<-started
	if _, status, body := s.do(t, "POST", "/invoke", ""); status != "404" || !strings.Contains(body, `"errorType":"Locked"`) {
		t.Errorf("a second invocation got %s %s", status, body)
	}
	stopped := make(chan string, 1)
	go func() { _, status, _ := s.do(t, "GET", "/pre-stop", ""); stopped <- status }()
	select {
	case <-stopped:
		t.Error("pre-stop did not wait for the invocation")
	case release <- struct{}{}: // only reached once the step saw its context end
	}
	if status, body := <-stopped, <-answers; status != "200" || body != `{"handover":2}` {
		t.Errorf("pre-stop %s, invocation %s", status, body)
	}
	if _, status, _ := s.do(t, "POST", "/invoke", ""); status != "404" {
		t.Errorf("a stopping instance took an invocation: %s", status)
	}
}

func TestServeDrainsOnSignal(t *testing.T) {
	started := make(chan struct{})
	s := serve(t, func(ctx context.Context, _ []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		return []byte(`drained`), nil
	})
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done, answer := make(chan error, 1), make(chan string, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	go func() { _, _, body := s.do(t, "POST", "/invoke", ""); answer <- body }()
	<-started
	cancel()
	if body, err := <-answer, <-done; body != "drained" || err != nil {
		t.Errorf("got %s, %v", body, err)
	}
}

// TestInvocationSummary: one line for each invocation, with what alerts need.
func TestInvocationSummary(t *testing.T) {
	s := serve(t, func(_ context.Context, event []byte) ([]byte, error) {
		if len(event) > 0 {
			return nil, fault.New(fault.SourceUnreachable, "", "dial")
		}
		return []byte("{}"), nil
	})
	s.do(t, "POST", "/invoke", "", "x-fc-request-id", "r1", "x-fc-retry-count", "2")
	s.do(t, "POST", "/invoke", "x", "x-fc-request-id", "r2")
	lines := strings.Split(strings.TrimSpace(s.logs.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %q", lines)
	}
	for i, want := range []map[string]any{
		{"level": "INFO", "msg": "invocation", "function": "tail", "requestId": "r1", "attempt": 2.0, "cold": true, "ok": true, "bytesIn": 0.0, "bytesOut": 2.0},
		{"level": "ERROR", "requestId": "r2", "cold": false, "ok": false, "errorType": "SourceUnreachable", "error": "dial", "retryable": true},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("line %d: %s is %v, want %v", i, key, got[key], value)
			}
		}
		if _, ok := got["millis"].(float64); !ok {
			t.Errorf("line %d has no duration: %s", i, lines[i])
		}
	}
}

func TestClassify(t *testing.T) {
	own := &fc.Error{Type: "X"}
	for _, c := range []struct {
		name  string
		err   error
		typ   string
		again bool
	}{
		{"class", fault.New(fault.PositionLost, "", "purged"), "PositionLost", false},
		{"wrapped class", fmt.Errorf("read: %w", fault.New(fault.StoreUnreachable, "", "away")), "StoreUnreachable", true},
		{"already classified", fmt.Errorf("x: %w", own), "X", false},
		{"out of time", fmt.Errorf("read: %w", context.DeadlineExceeded), fc.TypeUnknown, true},
		{"defect", errors.New("x"), fc.TypeInternal, false},
	} {
		if e := fc.Classify(c.err); e.Type != c.typ || e.Retryable != c.again {
			t.Errorf("%s: got %+v", c.name, e)
		}
	}
	if fc.Classify(nil) != nil {
		t.Error("no error became one")
	}
}

func TestLocalRunsHandlersInProcess(t *testing.T) {
	type in struct{ N int }
	type out struct {
		N int `json:"n"`
	}
	l := fc.Local{"double": fc.JSON(func(_ context.Context, i in) (out, error) { return out{2 * i.N}, nil })}
	if got, err := l.Invoke(t.Context(), "double", []byte(`{"n":21}`)); err != nil || string(got) != `{"n":42}` {
		t.Errorf("got %s, %v", got, err)
	}
	for _, c := range []struct{ function, event, typ string }{
		{"triple", `{}`, fc.TypeInternal}, {"double", `{"m":1}`, fc.TypeInput}, {"double", `{"n":1} {}`, fc.TypeInput}, {"double", ``, fc.TypeInput},
	} {
		_, err := l.Invoke(t.Context(), c.function, []byte(c.event))
		if e, ok := errors.AsType[*fc.Error](err); !ok || e.Type != c.typ {
			t.Errorf("%s %s: got %v", c.function, c.event, err)
		}
	}
}

func TestBinariesSayWhereTheyRun(t *testing.T) {
	t.Setenv("FC_RUNTIME_API", "")
	err := fc.Event("x", func(context.Context, fc.Runtime) (int, error) { return 0, nil }, func(int, context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	if err == nil || !strings.Contains(err.Error(), "slipway run") {
		t.Errorf("got %v", err)
	}
}
