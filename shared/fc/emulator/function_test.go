// SPDX-License-Identifier: Apache-2.0

package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"slipway/shared/fault"
	"slipway/shared/fc"
)

// roleVariable makes this test binary act as a deployed function: the same process, protocol and exit as a real one.
const roleVariable = "SLIPWAY_TEST_FUNCTION"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		goleak.VerifyTestMain(m)
	case "event":
		err = fc.Event("test", open, (*application).step)
	case "container":
		err = fc.Container("test", open, (*application).step)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type in struct {
	Op, Arg string
}

type out struct {
	Text  string `json:"text"`
	Steps int    `json:"steps"`
}

// application is what both test functions run; it counts its steps to show which instance answers.
type application struct {
	rt    fc.Runtime
	mu    sync.Mutex
	sick  bool
	steps int
}

func open(_ context.Context, rt fc.Runtime) (*application, error) {
	if os.Getenv("FAIL_OPEN") != "" {
		return nil, fault.New(fault.StoreUnreachable, "set SLIPWAY_STATE", "open the state store")
	}
	return &application{rt: rt}, nil
}

func (a *application) step(ctx context.Context, i in) (out, error) {
	a.mu.Lock()
	a.steps++
	o := out{Steps: a.steps}
	a.mu.Unlock()
	switch i.Op {
	case "echo":
		o.Text = i.Arg
	case "credentials":
		c, _ := a.rt.Credentials.Current()
		o.Text = c.AccessKeyID
	case "fail":
		return o, fault.New(fault.Class(i.Arg), "mend it", "cannot go on")
	case "unclassified":
		return o, errors.New("a defect")
	case "panic":
		panic("a bug")
	case "exit":
		os.Exit(3)
	case "sick":
		a.mu.Lock()
		a.sick = true
		a.mu.Unlock()
		select {}
	case "hang":
		select {}
	case "once": // item 1 hangs at its first attempt, for somebody to kill it
		if i.Arg == "1 0" {
			select {}
		}
		o.Text, _, _ = strings.Cut(i.Arg, " ")
	case "drain":
		<-ctx.Done()
		inv, _ := fc.From(ctx)
		o.Text = fmt.Sprint("drained ", inv.RequestID != "", " ", context.Cause(ctx))
	}
	return o, nil
}

func (a *application) Health() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sick {
		return errors.New("no progress")
	}
	return nil
}

func (a *application) Ready() error          { return nil }
func (a *application) Status() any           { return map[string]string{"state": "running"} }
func (a *application) Metrics() http.Handler { return http.NotFoundHandler() }
