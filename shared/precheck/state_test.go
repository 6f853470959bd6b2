// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"slipway/shared/precheck"
	"slipway/shared/state"
)

func TestC1StateStore(t *testing.T) {
	const item = "CHECK_CONN_STATE"
	t.Run("a folder that can't be", func(t *testing.T) {
		blocker := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(blocker, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		tk := taskOf(t, file{state: "file://" + blocker + "/state"})
		r := run(t, tk, item, "CHECK_SAME_OBJ")
		wants(t, r, expected{item: item, level: precheck.Failed, says: blocker})
		wants(t, r, expected{item: "CHECK_SAME_OBJ", level: precheck.Skipped})
		if err := os.Remove(blocker); err != nil {
			t.Fatal(err)
		}
		mended(t, run(t, tk, item), item, "")
	})
	t.Run("a store that overwrites", func(t *testing.T) {
		backend := s3mem.New()
		if err := backend.CreateBucket("bucket"); err != nil {
			t.Fatal(err)
		}
		s3 := gofakes3.New(backend).Server()
		var honours atomic.Bool
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !honours.Load() {
				r.Header.Del("If-None-Match")
			}
			s3.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		t.Setenv("AWS_ACCESS_KEY_ID", "id")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		tk := taskOf(t, file{state: "s3://bucket/p?region=us-east-1&endpoint=" + server.URL})
		f := wants(t, run(t, tk, item), expected{item: item, level: precheck.Failed, says: "two processes"})
		if !strings.Contains(f.Remedy, "honours If-None-Match") {
			t.Errorf("remedy %q", f.Remedy)
		}
		honours.Store(true)
		mended(t, run(t, tk, item), item, "")
	})
}

func TestC6EarlierRun(t *testing.T) {
	const item = "CHECK_SAME_OBJ"
	url := "file://" + t.TempDir()
	first := taskOf(t, file{state: url})
	wants(t, run(t, first, item), expected{item: item, level: precheck.Success, says: "no earlier run"})

	store, err := state.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := state.NewTask(store, first.Name)
	if err != nil {
		t.Fatal(err)
	}
	plan := map[string]any{"version": 1, "configHash": first.Hash(), "time": "2026-01-02T03:04:05Z"}
	if err := state.CreateJSON(t.Context(), store, keys.Plan(), plan); err != nil {
		t.Fatal(err)
	}
	wants(t, run(t, first, item), expected{item: item, level: precheck.Success, says: "continues its run of 2026-01-02T03:04:05Z"})

	other := file{state: url, objects: `[{match: "shop.*"}, {match: "store.*"}]`}
	wants(t, run(t, taskOf(t, other), item), expected{item: item, level: precheck.Failed, says: "C6"})
	other.name = "precheck-2" // as the remedy says
	mended(t, run(t, taskOf(t, other), item), item, "")
}

func TestTaskFile(t *testing.T) {
	const item = "CHECK_TASK"
	r := run(t, taskOf(t, file{more: "retry: {connection: 5m, other: 1m}\naccept: [CHECK_NOTHING]"}), item)
	wants(t, r, expected{item, precheck.Warning, "retry.connection", "30m"})
	wants(t, r, expected{item, precheck.Warning, "retry.other", "10m"})
	wants(t, r, expected{item, precheck.Failed, "CHECK_NOTHING", "no item"})
	mended(t, run(t, taskOf(t, file{more: "retry: {connection: 30m, other: 10m}\naccept: [CHECK_ENGINE]"}), item), item, "")
}
