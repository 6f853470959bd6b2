// SPDX-License-Identifier: Apache-2.0

package servertest_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"slipway/shared/servertest"
)

// recorder takes the end of a test that a helper would bring about.
type recorder struct {
	testing.TB
	ended, why string
}

func (r *recorder) Helper()          {}
func (r *recorder) Skip(args ...any) { r.end("skip", args[0].(string)) }

func (r *recorder) Fatal(args ...any) { r.end("fail", args[0].(string)) }

func (r *recorder) Fatalf(format string, _ ...any) { r.end("fail", format) }

func (r *recorder) end(how, why string) {
	r.ended, r.why = how, why
	runtime.Goexit()
}

// record runs helper as a test of its own and says how it ended.
func record(t *testing.T, helper func(testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		helper(r)
	}()
	<-done
	return r
}

func TestWithoutServersATestIsSkippedUnlessTheyAreRequired(t *testing.T) {
	helpers := map[string]func(testing.TB){
		"MySQL":         func(tb testing.TB) { servertest.MySQL(tb) },
		"RocketMQ":      func(tb testing.TB) { servertest.RocketMQ(tb) },
		"StartMySQL":    func(tb testing.TB) { servertest.StartMySQL(tb) },
		"S3":            func(tb testing.TB) { servertest.S3(tb) },
		"StartS3":       func(tb testing.TB) { servertest.StartS3(tb, false) },
		"StartRocketMQ": func(tb testing.TB) { servertest.StartRocketMQ(tb, servertest.BrokerOptions{}) },
	}
	for name, helper := range helpers {
		for required, want := range map[string]string{"": "skip", "1": "fail"} {
			t.Run(name+" required="+required, func(t *testing.T) {
				if testing.Short() && strings.HasPrefix(name, "Start") {
					t.Skip("with -short it is skipped for that")
				}
				t.Setenv("SLIPWAY_CACHE", t.TempDir())
				t.Setenv("SLIPWAY_TEST_MYSQL_DSN", "")
				t.Setenv("SLIPWAY_TEST_ROCKETMQ_ENDPOINT", "")
				t.Setenv("SLIPWAY_TEST_S3_URL", "")
				t.Setenv("SLIPWAY_TEST_REQUIRED", required)
				r := record(t, helper)
				if r.ended != want {
					t.Errorf("it ended by %q (%s), want %q", r.ended, r.why, want)
				}
				remedy := "scripts/services up"
				if strings.HasPrefix(name, "Start") { // a private server needs programs, not a running set
					remedy = "scripts/services fetch"
				}
				if !strings.Contains(r.why, remedy) {
					t.Errorf("%q doesn't say %q", r.why, remedy)
				}
			})
		}
	}
}

func TestEventuallyEndsByTheEventOrByTheLimit(t *testing.T) {
	calls := 0
	r := record(t, func(tb testing.TB) {
		servertest.Eventually(tb, "three calls", time.Minute, func() bool { calls++; return calls == 3 })
	})
	if r.ended != "" || calls != 3 {
		t.Errorf("ended by %q after %d calls, want to return after 3", r.ended, calls)
	}
	r = record(t, func(tb testing.TB) {
		servertest.Eventually(tb, "never", 50*time.Millisecond, func() bool { return false })
	})
	if r.ended != "fail" {
		t.Errorf("ended by %q at the limit, want a failure", r.ended)
	}
}
