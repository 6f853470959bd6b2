// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"slipway/scripts/rig"
	"slipway/shared/state"
)

// migration is `slipway run` as a process that is killed and started again.
type migration struct {
	binary, dir, file string
	chain             *state.Chain
	say               func(format string, a ...any)

	mu      sync.Mutex
	program *rig.Program
	phase   string
	changed chan struct{} // closed and renewed with every change of phase
	starts  int
	killed  map[string]int // by phase
}

func newMigration(binary, dir, file string, chain *state.Chain, say func(string, ...any)) *migration {
	return &migration{
		binary: binary, dir: dir, file: file, chain: chain, say: say,
		changed: make(chan struct{}), killed: map[string]int{},
	}
}

// start runs the program (again).
func (m *migration) start() error {
	m.mu.Lock()
	m.starts++
	log := filepath.Join(m.dir, fmt.Sprintf("slipway-%d.log", m.starts))
	m.phase = ""
	m.mu.Unlock()
	p, err := rig.Run(m.binary, log, nil, m.heard, "run", "--output", "json", m.file)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.program = p
	m.mu.Unlock()
	return nil
}

// heard follows the program's phases. A tail that waits for a lease is a phase of its own.
func (m *migration) heard(l rig.Line) {
	phase := l.Phase
	switch {
	case l.Type == "phase" && l.Edge == "done":
		phase = "between"
	case l.Type == "progress" && l.WaitingFor != "":
		phase = "lease"
	case l.Type != "phase" && l.Type != "progress" || phase == "":
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase != phase {
		m.phase = phase
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

// current is the program that runs now, and its phase.
func (m *migration) current() (*rig.Program, string, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.program, m.phase, m.changed
}

// ended tells that the program has ended though nobody killed it.
func (m *migration) ended() error {
	p, _, _ := m.current()
	return p.Ended()
}

// kill is kill -9 now. phase is what the program is known to do; "" takes its own word, which may be a second old.
func (m *migration) kill(phase string) error {
	p, said, _ := m.current()
	phase = cmp.Or(phase, said, "start")
	if err := p.Kill(); err != nil {
		return err
	}
	m.mu.Lock()
	m.killed[phase]++
	m.mu.Unlock()
	m.say("kill -9 of process %d, phase %s", p.Pid(), phase)
	return nil
}

// await waits until the program is in the phase, or beyond it.
func (m *migration) await(ctx context.Context, phase string) error {
	order := map[string]int{"precheck": 1, "plan": 2, "snapshot": 3, "settle": 4, "lease": 5, "tail": 5}
	for {
		p, now, changed := m.current()
		if order[now] >= order[phase] {
			return nil
		}
		select {
		case <-changed:
		case <-p.Done():
			return p.Ended()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitTail waits until a tail of this start has made a checkpoint: from then on it sends.
func (m *migration) awaitTail(ctx context.Context, after int64) (epoch int64, err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		tip, err := m.chain.Tip(ctx)
		if err == nil && tip.Epoch > after && !tip.Released {
			return tip.Epoch, nil
		}
		if err != nil && !errors.Is(err, state.ErrNoChain) {
			return 0, err
		}
		if err := m.ended(); err != nil {
			return 0, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// awaitChunk waits until a chunk is stored: from then on the snapshot sends.
func (m *migration) awaitChunk(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		stored, err := filepath.Glob(filepath.Join(m.dir, "state", "*", "chunks", "*", "*", "*.rows"))
		if err != nil || len(stored) > 0 {
			return err
		}
		if _, phase, _ := m.current(); phase == "tail" {
			return nil // it was quicker than we are
		}
		if err := m.ended(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// killAll kills and starts again, n times: the first in the snapshot, of the others one in four soon after the start, the
// rest while the tail works, half of them at once after it took over, when it has a backlog.
func (m *migration) killAll(ctx context.Context, r *rand.Rand, n int) error {
	epoch := int64(0)
	for i := range n {
		var wait time.Duration
		phase := ""
		switch early := i == 0 || i < n-1 && r.IntN(6) == 0; {
		case early && epoch == 0:
			if err := m.await(ctx, "snapshot"); err != nil {
				return err
			}
			if err := m.awaitChunk(ctx); err != nil {
				return err
			}
			wait = time.Duration(r.Int64N(int64(3 * time.Second)))
		case early: // while it prepares itself, or waits for the lease
			wait = time.Duration(r.Int64N(int64(4 * time.Second)))
		default:
			var err error
			if epoch, err = m.awaitTail(ctx, epoch); err != nil {
				return err
			}
			wait, phase = time.Duration(r.Int64N(int64(700*time.Millisecond))), "tail"
			if r.IntN(2) == 0 {
				wait = time.Second + time.Duration(r.Int64N(int64(5*time.Second)))
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		if err := m.kill(phase); err != nil {
			return err
		}
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
