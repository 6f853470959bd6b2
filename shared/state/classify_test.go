// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"slipway/shared/fault"
	"slipway/shared/state"
)

func TestClassifySaysWhatAnErrorMeans(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want fault.Class
	}{
		{state.ErrHeld, fault.Locked},
		{fmt.Errorf("commit: %w", state.ErrLeaseLost), fault.Locked},
		{state.ErrVersion, fault.CheckpointUnusable},
		{state.ErrNoChain, fault.CheckpointUnusable},
		{state.ErrInvalid, fault.Internal},
		{errors.New("connection reset"), fault.StoreUnreachable},
		{fault.New(fault.SinkRejected, "", "no"), fault.SinkRejected},
	} {
		if got := fault.ClassOf(state.Classify(fmt.Errorf("here: %w", tt.err))); got != tt.want {
			t.Errorf("%v is %s, want %s", tt.err, got, tt.want)
		}
	}
	if err := state.Classify(context.Canceled); !errors.Is(err, context.Canceled) || fault.ClassOf(err) != fault.Internal {
		t.Errorf("an ended context became %v", err)
	}
	if state.Classify(nil) != nil {
		t.Error("nil became an error")
	}
}

// A damaged object is unusable state, no store that can't be reached.
func TestADamagedCheckpointIsUnusable(t *testing.T) {
	store := state.NewMem()
	st, err := state.NewTask(store, "t")
	must(t, err)
	must(t, store.Create(t.Context(), st.Checkpoint(1), []byte(`{"version": 1, "n": `)))
	_, err = state.NewChain(st, nil).Tip(t.Context())
	if fault.ClassOf(state.Classify(err)) != fault.CheckpointUnusable {
		t.Errorf("a damaged checkpoint is %v", err)
	}
	_, err = state.GetJSON[state.Checkpoint](t.Context(), store, st.Checkpoint(1))
	if !errors.Is(err, state.ErrUnreadable) {
		t.Errorf("a damaged object is %v", err)
	}
}
