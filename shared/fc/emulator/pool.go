// SPDX-License-Identifier: Apache-2.0

package emulator

import (
	"crypto/rand"
	"errors"
	"sync"
)

// pool keeps a function's instances: all of them, and which are idle.
type pool[T comparable] struct {
	mu     sync.Mutex
	all    map[T]bool
	idle   []T
	count  int
	closed bool
}

// take gives an idle instance, the last used first.
func (p *pool[T]) take() (inst T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return inst, false
	}
	inst = p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return inst, true
}

func (p *pool[T]) put(inst T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, inst)
}

func (p *pool[T]) add(inst T) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("the emulated function is closed")
	}
	if p.all == nil {
		p.all = map[T]bool{}
	}
	p.all[inst] = true
	p.count++
	return nil
}

func (p *pool[T]) drop(inst T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, inst)
}

func (p *pool[T]) starts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// close ends every instance, the busy ones too, and refuses new ones.
func (p *pool[T]) close(end func(T)) {
	p.mu.Lock()
	all := p.all
	p.all, p.idle, p.closed = nil, nil, true
	p.mu.Unlock()
	for inst := range all {
		end(inst)
	}
}

func requestID() string { return "1-local-" + rand.Text() }
