// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// ErrProtocol says that a caller broke a rule of the protocol: it changed an object
// that had been created. Only Mem looks out for that.
var ErrProtocol = errors.New("a created object must never change")

// Mem is a Store in memory, for tests and for what need not outlive the process. It
// also watches over its callers: a Put over a created key, or a second Create of a
// deleted key with another body, is refused with ErrProtocol.
type Mem struct {
	mu      sync.Mutex
	objects map[string][]byte
	created map[string][]byte // what each key was created with, kept after Delete
}

var _ Store = (*Mem)(nil)

// NewMem returns an empty store.
func NewMem() *Mem {
	return &Mem{objects: map[string][]byte{}, created: map[string][]byte{}}
}

// Create implements Store.
func (m *Mem) Create(ctx context.Context, key string, body []byte) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if stored, ok := m.objects[key]; ok {
		if bytes.Equal(stored, body) {
			return nil
		}
		return fmt.Errorf("create %s: %w", key, ErrExists)
	}
	if first, ok := m.created[key]; ok && !bytes.Equal(first, body) {
		return fmt.Errorf("create %s again after its deletion: %w", key, ErrProtocol)
	}
	m.objects[key] = bytes.Clone(body)
	m.created[key] = m.objects[key]
	return nil
}

// Put implements Store.
func (m *Mem) Put(ctx context.Context, key string, body []byte) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.created[key]; ok {
		return fmt.Errorf("put %s: %w", key, ErrProtocol)
	}
	m.objects[key] = bytes.Clone(body)
	return nil
}

// Get implements Store.
func (m *Mem) Get(ctx context.Context, key string) ([]byte, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	body, ok := m.objects[key]
	if !ok {
		return nil, fmt.Errorf("get %s: %w", key, ErrNotFound)
	}
	return bytes.Clone(body), nil
}

// List implements Store, on the keys as they are when the iteration begins.
func (m *Mem) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, key := range m.keys(prefix, after) {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(key, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield("", err)
		}
	}
}

func (m *Mem) keys(prefix, after string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for key := range m.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Delete implements Store.
func (m *Mem) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}
