// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"strings"
	"sync"
	"time"

	"slipway/shared/state"
)

// Reader reads a task's status over and over. What was created once it reads once, so that to read again costs what is new
// and a few listings, however many chunks a task has.
type Reader struct {
	task   *state.Task
	memory *memory
}

// NewReader reads the status of a task.
func NewReader(t *state.Task) *Reader {
	m := &memory{Store: t.Store, prefixes: []string{t.Name + "/chunks/", t.Name + "/seam/"}, objects: map[string][]byte{}}
	return &Reader{task: &state.Task{Store: m, Name: t.Name}, memory: m}
}

// Read reads a task's objects and concludes. Its errors are the store's.
func (r *Reader) Read(ctx context.Context, now time.Time) (Status, error) {
	f, err := collect(ctx, r.task)
	if err != nil {
		return Status{}, err
	}
	if !f.planned {
		r.memory.forget() // whoever begins a task anew takes its objects away, the plan with them
	}
	s := Status{Task: r.task.Name, Time: now.UTC(), Snapshot: f.snapshot, Checkpoint: checkpointOf(f.tip, now)}
	s.Phase, s.Step, s.Reason = f.conclude(now)
	return s, nil
}

// memory is a store that remembers the objects under some prefixes. Only what never changes may be under them.
type memory struct {
	state.Store
	prefixes []string

	mu      sync.Mutex
	objects map[string][]byte
}

// Get reads an object once; one that isn't there yet, until it is.
func (m *memory) Get(ctx context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	body, ok := m.objects[key]
	m.mu.Unlock()
	if ok {
		return body, nil
	}
	body, err := m.Store.Get(ctx, key)
	if err != nil || !m.keeps(key) {
		return body, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = body
	return body, nil
}

func (m *memory) keeps(key string) bool {
	for _, p := range m.prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.objects)
}
