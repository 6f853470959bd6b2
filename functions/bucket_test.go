// SPDX-License-Identifier: Apache-2.0

package functions_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"slipway/shared/state"
)

// bucket is an S3 server on loopback that lets a test look at each object before it is stored.
type bucket struct {
	// url is the state store's, as the functions and task files have it.
	url string

	mu     sync.Mutex
	before func(key string, body []byte) bool
}

// openBucket serves an empty bucket until the test ends, and gives this process the keys to it.
func openBucket(t *testing.T) *bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	b := &bucket{}
	inner := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && !b.admit(r) {
			panic(http.ErrAbortHandler) // the answer is lost, and nothing is stored
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.url = "s3://bucket/tasks?region=us-east-1&endpoint=" + server.URL
	for _, v := range keys() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return b
}

// keys are the environment that opens the bucket.
func keys() []string { return []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"} }

// watch has every object that is about to be stored shown to before, by its key behind the prefix. An object is stored
// when before has returned true; meanwhile others go on.
func (b *bucket) watch(before func(key string, body []byte) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = before
}

func (b *bucket) admit(r *http.Request) bool {
	b.mu.Lock()
	before := b.before
	b.mu.Unlock()
	if before == nil {
		return true
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return before(strings.TrimPrefix(r.URL.Path, "/bucket/tasks/"), body)
}

// open is the store as the functions see it.
func (b *bucket) open(t *testing.T) state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), b.url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
