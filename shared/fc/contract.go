// SPDX-License-Identifier: Apache-2.0

package fc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxEvent bounds a request's body; Function Compute's own bound for asynchronous invocations is 128 KB.
const maxEvent = 1 << 20

// Handler is the contract's routes.
func (s *ContainerServer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /initialize", s.initialize)
	mux.HandleFunc("POST /invoke", s.invoke)
	mux.HandleFunc("GET /pre-stop", s.preStop)
	mux.HandleFunc("GET /healthz", probe(s.Health))
	mux.HandleFunc("GET /readyz", probe(s.Ready))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		var status any = struct{}{}
		if s.Status != nil {
			status = s.Status()
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(status); err != nil {
			s.Runtime.Log.Error("answer /status", "error", err)
		}
	})
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
	}
	return mux
}

func probe(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if check != nil {
			if err := check(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	}
}

// line writes one of the log lines by which the platform ties output to requests.
func (s *ContainerServer) line(hook, edge, requestID string) {
	if s.Out != nil {
		fmt.Fprintf(s.Out, "FC %s %s RequestId: %s\n", hook, edge, requestID)
	}
}

// request takes over what the platform's headers say.
func (s *ContainerServer) request(r *http.Request) (context.Context, context.CancelFunc) {
	h := r.Header
	s.Runtime.Credentials.Set(Credentials{h.Get("X-Fc-Access-Key-Id"), h.Get("X-Fc-Access-Key-Secret"), h.Get("X-Fc-Security-Token")})
	attempt, _ := strconv.Atoi(h.Get("X-Fc-Retry-Count")) // absent on a first attempt
	ctx := within(r.Context(), Invocation{RequestID: h.Get("X-Fc-Request-Id"), Attempt: attempt})
	return context.WithDeadline(ctx, s.deadline(h))
}

// deadline is the absolute one if the platform gives it, else it is counted from now.
func (s *ContainerServer) deadline(h http.Header) time.Time {
	if ms, err := strconv.ParseInt(h.Get("X-Fc-Function-Deadline"), 10, 64); err == nil {
		return time.UnixMilli(ms)
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = MaxTimeout
	}
	if seconds, err := strconv.Atoi(h.Get("X-Fc-Function-Timeout")); err == nil && seconds > 0 {
		timeout = time.Duration(seconds) * time.Second
	}
	return time.Now().Add(timeout)
}

func (s *ContainerServer) initialize(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Fc-Request-Id")
	s.line("Initialize", "Start", id)
	defer s.line("Initialize", "End", id)
	ctx, cancel := s.request(r)
	defer cancel()
	var err error
	if s.Initialize != nil {
		err = s.Initialize(ctx)
	}
	s.answer(w, nil, err)
}

func (s *ContainerServer) invoke(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Fc-Request-Id")
	event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		s.answer(w, nil, &Error{Type: TypeInput, Message: fmt.Sprintf("read the event: %v", err), cause: err})
		return
	}
	ctx, cancel := s.request(r)
	defer cancel()
	cold, ok := s.begin(cancel)
	if !ok {
		s.answer(w, nil, &Error{Type: TypeBusy, Message: "this instance is at work or about to stop: it takes one invocation at a time", Retryable: true})
		return
	}
	out, err := s.run(ctx, id, cold, event)
	s.answer(w, out, err) // the instance is idle again before anybody can know that it answered
}

func (s *ContainerServer) run(ctx context.Context, id string, cold bool, event []byte) ([]byte, error) {
	defer s.end()
	s.line("Invoke", "Start", id)
	defer s.line("Invoke", "End", id)
	return summed(ctx, s.Runtime, cold, s.Handle, event)
}

// preStop ends the running invocation and answers when it has drained.
func (s *ContainerServer) preStop(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Fc-Request-Id")
	s.line("PreStop", "Start", id)
	defer s.line("PreStop", "End", id)
	select {
	case <-s.stop():
		s.answer(w, nil, nil)
	case <-r.Context().Done():
		s.answer(w, nil, errors.New("the invocation is still draining"))
	}
}

// answer sets the status twice, as the contract asks: without the header the platform takes everything for a success.
func (s *ContainerServer) answer(w http.ResponseWriter, body []byte, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusNotFound
		e := Classify(err)
		body, _ = json.Marshal(map[string]string{"errorType": e.Type, "errorMessage": e.Message}) // two strings always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Fc-Status", strconv.Itoa(status))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.Runtime.Log.Warn("the caller went away before the answer", "error", err)
	}
}
