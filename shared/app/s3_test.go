// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strings"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
	"slipway/shared/state"
)

// A whole migration with its state in a bucket, behind TLS and signatures that are checked; its first tail dies.
func TestStateInABucket(t *testing.T) {
	url := servertest.StartS3(t, true).Prefix(t)
	m := apptest.New(t, items, thousand)
	m.YAML = strings.Replace(m.YAML, "file:///unused", url, 1)
	var err error
	m.Store, err = state.Open(t.Context(), url)
	m.Must(err)

	if report, err := m.Process().Report(t.Context(), m.Name, []string{"CHECK_CONN_STATE"}); err != nil || report.Blocked {
		t.Fatalf("precheck: %+v, %v", report, err)
	}
	if out := m.Plan(); out.Chunks < 2 {
		t.Errorf("the plan is %+v, want several chunks", out)
	}
	m.Exec("UPDATE items SET n = 1 WHERE id < 100")
	m.Snapshot()
	first := m.Tail(m.Settle())
	m.Exec("DELETE FROM items WHERE id > 900", "INSERT INTO items VALUES (2000, 2)")
	first.Caught()
	first.P.Die()
	if _, err := first.Wait(); err == nil {
		t.Error("a dead tail ended well")
	}

	m.Exec("UPDATE items SET n = 3 WHERE id % 7 = 0")
	second := m.Tail(m.Settle())
	second.Check("items")
	second.Stop()
	if cp := m.Tip(); cp.Epoch != 2 || !cp.Released {
		t.Errorf("the chain ends with %+v, want epoch 2, released", cp)
	}
}
