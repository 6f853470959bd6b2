// SPDX-License-Identifier: Apache-2.0

package emulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"slipway/shared/fc"
	"slipway/shared/fc/emulator"
	"slipway/shared/flow"
)

func spec(t *testing.T, role string) emulator.Spec {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return emulator.Spec{
		Name: "slipway-" + role, Binary: self, Timeout: 20 * time.Second, Initializer: true,
		Env: []string{roleVariable + "=" + role, "GOCOVERDIR=" + t.TempDir()},
	}
}

// deploy makes the function of a role; the same rules hold for both.
func deploy(t *testing.T, s emulator.Spec) emulator.Function {
	t.Helper()
	var f emulator.Function
	if strings.HasSuffix(s.Name, "event") {
		f = emulator.NewEvent(s)
	} else {
		f = emulator.NewContainer(s)
	}
	t.Cleanup(f.Close)
	return f
}

func both(t *testing.T, test func(t *testing.T, role string)) {
	for _, role := range []string{"event", "container"} {
		t.Run(role, func(t *testing.T) { test(t, role) })
	}
}

func TestInvokeAnswersAndReusesTheInstance(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		f := deploy(t, spec(t, role))
		for i := range 3 {
			got, err := f.Invoke(t.Context(), []byte(`{"op":"echo","arg":"hello"}`))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(`{"text":"hello","steps":%d}`, i+1); string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if f.Starts() != 1 {
			t.Errorf("%d instances for 3 calls in a row", f.Starts())
		}
	})
}

func TestErrorsKeepTheirTypeAcrossTheProcess(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		f := deploy(t, spec(t, role))
		for _, c := range []struct{ event, typ, text string }{
			{`{"op":"fail","arg":"SinkRejected"}`, "SinkRejected", "cannot go on; remedy: mend it"},
			{`{"op":"fail","arg":"SourceUnreachable"}`, "SourceUnreachable", "cannot go on"},
			{`{"op":"unclassified"}`, fc.TypeInternal, "a defect"},
			{`{"op":"echo","extra":1}`, fc.TypeInput, "unknown field"},
			{`not json`, fc.TypeInput, "is not what this function takes"},
		} {
			_, err := f.Invoke(t.Context(), []byte(c.event))
			fe, ok := errors.AsType[*fc.Error](err)
			if !ok || fe.Type != c.typ || !strings.Contains(fe.Message, c.text) {
				t.Errorf("%s: got %#v, want %s: %s", c.event, err, c.typ, c.text)
			}
		}
		if f.Starts() != 1 {
			t.Errorf("%d instances: an error is no crash", f.Starts())
		}
	})
}

func TestACrashIsUnknownAndTheNextCallHasANewInstance(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		f := deploy(t, spec(t, role))
		_, err := f.Invoke(t.Context(), []byte(`{"op":"exit"}`))
		if fe, ok := errors.AsType[*fc.Error](err); !ok || fe.Type != fc.TypeUnknown || !strings.Contains(err.Error(), "exited unexpectedly") {
			t.Errorf("got %v", err)
		}
		if got, err := f.Invoke(t.Context(), []byte(`{"op":"echo"}`)); err != nil || string(got) != `{"text":"","steps":1}` {
			t.Errorf("got %s, %v", got, err)
		}
		if f.Starts() != 2 {
			t.Errorf("%d instances, want 2", f.Starts())
		}
	})
}

func TestTheDeadlineIsPassedOnAndEnforced(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		s := spec(t, role)
		s.Timeout = 2 * time.Second
		f := deploy(t, s)
		_, err := f.Invoke(t.Context(), []byte(`{"op":"hang"}`))
		if fe, ok := errors.AsType[*fc.Error](err); !ok || fe.Type != fc.TypeUnknown || !strings.Contains(err.Error(), "timed out after 2s") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCredentialsFollowEachRequest(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		s, n := spec(t, role), 0
		s.Credentials = func() fc.Credentials {
			n++
			return fc.Credentials{AccessKeyID: fmt.Sprint("STS.", n)}
		}
		f := deploy(t, s)
		var got []string
		for range 2 {
			b, err := f.Invoke(t.Context(), []byte(`{"op":"credentials"}`))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(b))
		}
		if want := []string{`{"text":"STS.2","steps":1}`, `{"text":"STS.3","steps":2}`}; !slices.Equal(got, want) { // the initializer had the first
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestConcurrentCallsHaveInstancesOfTheirOwn(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		s := spec(t, role)
		ctx, cancel := context.WithCancel(t.Context())
		var reached sync.WaitGroup
		reached.Add(3)
		s.Reached = func(emulator.Running) { reached.Done() }
		f := deploy(t, s)
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() { _, _ = f.Invoke(ctx, []byte(`{"op":"drain"}`)) })
		}
		reached.Wait()
		cancel()
		calls.Wait()
		if f.Starts() != 3 {
			t.Errorf("%d instances for 3 calls at once", f.Starts())
		}
	})
}

// logs keeps what instances write, and closes seen when the text has appeared.
type logs struct {
	text string
	seen chan struct{}

	mu   sync.Mutex
	all  bytes.Buffer
	done bool
}

func awaitLog(text string) *logs { return &logs{text: text, seen: make(chan struct{})} }

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(b)
	if !l.done && strings.Contains(l.all.String(), l.text) {
		l.done = true
		close(l.seen)
	}
	return len(b), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// TestAContainerDrains: its answer still counts when the caller gives up and when the process gets SIGTERM, so that a
// tail may hand over on the way out.
func TestAContainerDrains(t *testing.T) {
	for name, end := range map[string]func(cancel func(), pid int) error{
		"the caller gives up": func(cancel func(), _ int) error { cancel(); return nil },
		"SIGTERM":             func(_ func(), pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, "container")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			started := awaitLog("FC Invoke Start RequestId: 1-local-")
			s.Logs = started
			s.Reached = func(r emulator.Running) {
				go func() {
					<-started.seen
					if err := end(cancel, r.PID); err != nil {
						t.Error(err)
					}
				}()
			}
			f := deploy(t, s)
			got, err := f.Invoke(ctx, []byte(`{"op":"drain"}`))
			if err != nil || string(got) != `{"text":"drained true context canceled","steps":1}` {
				t.Fatalf("got %s, %v\n%s", got, err, started)
			}
		})
	}
}

func TestAnUnhealthyContainerIsReplaced(t *testing.T) {
	s := spec(t, "container")
	s.HealthPeriod = 10 * time.Millisecond
	f := deploy(t, s)
	_, err := f.Invoke(t.Context(), []byte(`{"op":"sick"}`))
	if fe, ok := errors.AsType[*fc.Error](err); !ok || fe.Type != fc.TypeUnknown || !strings.Contains(err.Error(), "unhealthy") {
		t.Errorf("got %v", err)
	}
}

func TestOpenIsTriedAgainAndItsErrorReported(t *testing.T) {
	s := spec(t, "event")
	s.Env = append(s.Env, "FAIL_OPEN=1")
	f := deploy(t, s)
	for range 2 {
		_, err := f.Invoke(t.Context(), []byte(`{"op":"echo"}`))
		if fe, ok := errors.AsType[*fc.Error](err); !ok || fe.Type != "StoreUnreachable" {
			t.Errorf("got %v", err)
		}
	}
	// A container says so in its initializer.
	s = spec(t, "container")
	s.Env = append(s.Env, "FAIL_OPEN=1")
	_, err := deploy(t, s).Invoke(t.Context(), []byte(`{"op":"echo"}`))
	if fe, ok := errors.AsType[*fc.Error](err); !ok || fe.Type != "StoreUnreachable" {
		t.Errorf("got %v", err)
	}
}

const killFlow = `
Type: StateMachine
Name: kill
SpecVersion: v1
StartAt: work
States:
  - Type: Map
    Name: work
    ItemsPath: $Input.items
    End: true
    Processor:
      StartAt: read
      States:
        - Type: Task
          Name: read
          Action: FC:InvokeFunction
          TaskMode: RequestComplete
          Parameters:
            resourceArn: acs:fc:::functions/slipway-%s/LATEST
            invocationType: Sync
            body: {op: once, arg.$: 'format("{} {}", $Input.i, $Context.Current.RetryCount)'}
          OutputConstructor: {text.$: $Output.text}
          Retry:
            - {Description: crashes, Errors: [FC.Unknown], IntervalSeconds: 1, MaxAttempts: 2}
          End: true
`

// TestAKilledInstanceIsRetriedByTheFlow: kill -9 while an invocation runs, the workflow's retry copes.
func TestAKilledInstanceIsRetriedByTheFlow(t *testing.T) {
	both(t, func(t *testing.T, role string) {
		s := spec(t, role)
		var once sync.Once
		var killed int
		s.Reached = func(r emulator.Running) {
			if strings.Contains(string(r.Event), `"1 0"`) {
				once.Do(func() {
					r.Kill()
					killed = r.PID
				})
			}
		}
		m, err := flow.Parse(fmt.Appendf(nil, killFlow, role))
		if err != nil {
			t.Fatal(err)
		}
		cloud := emulator.Cloud{s.Name: deploy(t, s)}
		var retries []string
		got, err := m.Run(t.Context(), map[string]any{"items": []any{map[string]any{"i": 0}, map[string]any{"i": 1}, map[string]any{"i": 2}}}, cloud,
			flow.Options{Observe: func(e flow.Event) {
				if e.Kind == flow.Retrying {
					retries = append(retries, fmt.Sprint(e.Item, " ", e.Err))
				}
			}})
		if err != nil || fmt.Sprint(got) != "map[Items:[map[text:0] map[text:1] map[text:2]]]" {
			t.Fatalf("got %v, %v", got, err)
		}
		if killed == 0 || len(retries) != 1 || !strings.HasPrefix(retries[0], "1 process exited unexpectedly") {
			t.Errorf("retries %q of the killed process %d", retries, killed)
		}
	})
}

func TestCloudRefusesUnknownFunctions(t *testing.T) {
	_, err := emulator.Cloud{}.Invoke(t.Context(), "nope", nil)
	if fe, ok := errors.AsType[*fc.Error](err); !ok || fe.Type != "FC.FunctionNotFound" {
		t.Errorf("got %v", err)
	}
}

var _ flow.Invoker = emulator.Cloud(nil)
