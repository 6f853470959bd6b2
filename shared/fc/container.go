// SPDX-License-Identifier: Apache-2.0

package fc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// MaxTimeout is the longest an invocation may run on Function Compute.
const MaxTimeout = 86400 * time.Second

// Probes is what a container's application tells about itself. All methods must be quick and safe at any time.
type Probes interface {
	// Health is nil while the work makes progress or there is none to make; the platform replaces an unhealthy instance.
	Health() error
	// Ready is nil once the work is under way.
	Ready() error
	// Status is marshalled to JSON for people and the command line.
	Status() any
	// Metrics serves the Prometheus exposition.
	Metrics() http.Handler
}

// Container serves one step under the HTTP contract of a custom container, on $FC_SERVER_PORT or 9000. SIGTERM and SIGINT
// end it as /pre-stop does: the running invocation's context ends, it is waited for, and Container returns nil. A second
// signal kills the process.
func Container[A Probes, In, Out any](name string, open Open[A], step func(A, context.Context, In) (Out, error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on signals have their default effect
	LimitMemory()
	port := os.Getenv("FC_SERVER_PORT")
	if port == "" {
		port = "9000"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("0.0.0.0", port))
	if err != nil {
		return fmt.Errorf("listen where Function Compute calls, on the port of customContainerConfig: %w", err)
	}
	return newContainer(newRuntime(name), open, step).Serve(ctx, listener)
}

// ContainerServer is the container's HTTP server, for code that brings its own handlers. Handle is required.
type ContainerServer struct {
	Runtime Runtime
	// Initialize is called by POST /initialize.
	Initialize func(context.Context) error
	// Handle serves POST /invoke, one at a time. Its context ends at the deadline, at /pre-stop and when the caller
	// goes away: it then drains and returns.
	Handle Handler
	// The probes; nil means healthy, ready, {} and 404.
	Health, Ready func() error
	Status        func() any
	Metrics       http.Handler
	// Out takes the platform's own log lines, which must be on standard output.
	Out io.Writer
	// Timeout of an invocation whose request names none; 0 means [MaxTimeout].
	Timeout time.Duration

	mu       sync.Mutex
	warm     bool
	stopping bool
	cancel   context.CancelFunc // of the running invocation, nil when idle
	idle     chan struct{}      // closed when the running invocation has ended
}

func newContainer[A Probes, In, Out any](rt Runtime, open Open[A], step func(A, context.Context, In) (Out, error)) *ContainerServer {
	app := &opened[A]{open: open, rt: rt}
	return &ContainerServer{
		Runtime: rt, Out: os.Stdout, Handle: bind(app, step),
		Initialize: func(ctx context.Context) error {
			_, err := app.get(ctx)
			return err
		},
		Health: func() error {
			if a, ok := app.current(); ok {
				return a.Health()
			}
			return nil
		},
		Ready: func() error {
			if a, ok := app.current(); ok {
				return a.Ready()
			}
			return errors.New("not initialized")
		},
		Status: func() any {
			if a, ok := app.current(); ok {
				return a.Status()
			}
			return struct{}{}
		},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if a, ok := app.current(); ok {
				a.Metrics().ServeHTTP(w, r)
			}
		}),
	}
}

// Serve answers on the listener until ctx ends and the running invocation has been waited for.
func (s *ContainerServer) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the container contract: %w", err)
	case <-ctx.Done():
	}
	// The platform kills what outlives its grace period; until then a draining invocation has all the time there is.
	s.stop()
	if err := server.Shutdown(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("shut the container's server down: %w", err)
	}
	return nil
}

// begin makes this the running invocation; false when there is one or the instance is about to stop.
func (s *ContainerServer) begin(cancel context.CancelFunc) (cold, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.cancel != nil {
		return false, false
	}
	cold, s.warm = !s.warm, true
	s.cancel, s.idle = cancel, make(chan struct{})
	return cold, true
}

func (s *ContainerServer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	s.cancel = nil
	close(s.idle)
}

// stop refuses new invocations, ends the running one and gives what is closed when it has drained.
func (s *ContainerServer) stop() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	if s.cancel == nil {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	s.cancel()
	return s.idle
}
