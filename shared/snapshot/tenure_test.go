// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// slowStore keeps a create waiting.
type slowStore struct {
	state.Store
	delay atomic.Int64
}

func (s *slowStore) Create(ctx context.Context, key string, body []byte) error {
	<-time.After(time.Duration(s.delay.Load())) // virtual time
	return s.Store.Create(ctx, key, body)
}

// An invocation may send for a term at a time, and not a moment after a record
// that came too late: by then settle may have found that nobody sends (S10).
func TestS10TenureEndsWithItsLastTimelyRecord(t *testing.T) {
	for _, tt := range []struct {
		name     string
		deadline time.Duration // 0: none
		delay    time.Duration // of a renewal
		after    time.Duration
		sends    bool
	}{
		{"renewed in time", 0, 0, 5 * time.Minute, true},
		{"slowly, but in time", 0, 10 * time.Second, 5 * time.Minute, true},
		{"too late", 0, 2 * time.Minute, 5 * time.Minute, false},
		{"before the platform's deadline", 10 * time.Minute, 0, 9 * time.Minute, true},
		{"at the platform's deadline", 10 * time.Minute, 0, 10*time.Minute - time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &slowStore{Store: state.NewMem()}
				st, err := state.NewTask(store, "t")
				if err != nil {
					t.Fatal(err)
				}
				var deadline time.Time
				if tt.deadline > 0 {
					deadline = time.Now().Add(tt.deadline)
				}
				tenure, err := snapshot.BeginTenure(t.Context(), st, "one", 0, deadline, 3*time.Second, 10*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				store.delay.Store(int64(tt.delay))
				ctx, stop := context.WithCancel(t.Context())
				held := make(chan error, 1)
				go func() { held <- snapshot.Hold(ctx, tenure) }()
				<-time.After(tt.after)
				if err := tenure.Check(); (err == nil) != tt.sends {
					t.Errorf("after %s the gate says %v", tt.after, err)
				}
				stop()
				if err := <-held; (err == nil) != (tt.sends || tt.deadline > 0) {
					t.Errorf("hold ended with %v", err)
				}
			})
		})
	}
}
