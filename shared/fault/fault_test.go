// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"slipway/shared/fault"
)

// Exit codes and retries follow from the class of the outermost classified
// error, however often it was wrapped since.
func TestClassDecides(t *testing.T) {
	for _, tt := range []struct {
		class fault.Class
		code  int
		retry bool
	}{
		{fault.Config, 2, false},
		{fault.Blocked, 3, false},
		{fault.SourceUnreachable, 10, true},
		{fault.Locked, 11, true},
		{fault.PositionLost, 12, false},
		{fault.CheckpointUnusable, 12, false},
		{fault.SinkRejected, 13, false},
		{fault.SinkUnreachable, 13, true},
		{fault.StoreUnreachable, 1, true},
		{fault.SchemaMismatch, 1, false},
		{fault.UnreadableEvent, 1, false},
		{fault.Internal, 1, false},
		{fault.Interrupted, 130, false},
	} {
		cause := errors.New("the cause")
		err := fmt.Errorf("step: %w", fault.New(tt.class, "mend it", "place: %w", cause))
		if fault.ClassOf(err) != tt.class || fault.ExitCode(err) != tt.code || fault.Retryable(err) != tt.retry {
			t.Errorf("%s: class %s, exit code %d, retryable %v", tt.class, fault.ClassOf(err), fault.ExitCode(err), fault.Retryable(err))
		}
		if !errors.Is(err, cause) || !strings.HasSuffix(err.Error(), "place: the cause; remedy: mend it") {
			t.Errorf("%s: %v", tt.class, err)
		}
	}
	if fault.ExitCode(nil) != 0 || fault.ExitCode(errors.New("x")) != 1 || fault.ClassOf(errors.New("x")) != fault.Internal {
		t.Error("unclassified errors")
	}
}
