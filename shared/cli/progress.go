// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"slipway/shared/cli/status"
	"slipway/shared/flow"
	"slipway/shared/snapshot"
	"slipway/shared/state"
	"slipway/shared/tail"
)

// How often progress shows: on a terminal, as a log line, as a JSON line.
const (
	drawEvery = 200 * time.Millisecond
	logEvery  = 5 * time.Second
	jsonEvery = time.Second
)

// progress gathers what a run does and shows it: a line on a terminal, log lines elsewhere, JSON lines when asked for. It
// implements app.Progress.
type progress struct {
	console *console
	task    string
	log     *slog.Logger

	mu    sync.Mutex
	phase string // the workflow's step
	begun time.Time
	shown Progress
	rate  rate
	lapse time.Time // when the lease in the way lapses; zero when none is
}

// Progress is what shows of a run at one moment. A JSON line has it; fields that don't belong to the phase are absent.
type Progress struct {
	Message
	Task  string    `json:"task"`
	Time  time.Time `json:"time"`
	Phase string    `json:"phase"`
	// Snapshot: delivered, and the server's guess at all.
	Rows         int64 `json:"rows,omitempty"`
	RowsEstimate int64 `json:"rowsEstimate,omitempty"`
	ChunksDone   int   `json:"chunksDone,omitempty"`
	Chunks       int   `json:"chunks,omitempty"`
	// RowsPerSecond over the last seconds.
	RowsPerSecond float64 `json:"rowsPerSecond"`
	EtaSeconds    float64 `json:"etaSeconds,omitempty"`
	// Tail: its last checkpoint.
	Seq        int64   `json:"seq,omitempty"`
	LagSeconds float64 `json:"lagSeconds"`
	Epoch      int64   `json:"epoch,omitempty"`
	Checkpoint int64   `json:"checkpoint,omitempty"`
	// WaitingFor is the owner of the lease that has to lapse first, Left how long that takes.
	WaitingFor  string  `json:"waitingFor,omitempty"`
	LeftSeconds float64 `json:"leftSeconds,omitempty"`
}

func newProgress(c *console, name string, log *slog.Logger) *progress {
	return &progress{console: c, task: name, log: log, shown: Progress{Message: Message{"progress"}, Task: name}}
}

// resume takes over what earlier runs have done.
func (p *progress) resume(s status.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown.Rows, p.shown.ChunksDone = s.Snapshot.Rows, s.Snapshot.ChunksDone
	if s.Checkpoint != nil {
		p.shown.Seq, p.shown.Epoch, p.shown.Checkpoint = s.Checkpoint.Committed.Seq, s.Checkpoint.Epoch, s.Checkpoint.N
	}
}

// start shows progress until the returned function is called.
func (p *progress) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	every := logEvery
	switch {
	case p.console.json():
		every = jsonEvery
	case p.console.ErrTerminal:
		every = drawEvery
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				p.show(now)
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		p.console.screen.clear()
	}
}

// observe follows the workflow.
func (p *progress) observe(e flow.Event) {
	switch {
	case e.Kind == flow.Invoked && e.Attempt == 0:
		p.enter(step(e.Function), e.Time)
	case e.Kind == flow.Exited && (e.Type == "Task" && e.Item < 0 || e.Type == "Map"):
		p.leave(e.State, e.Time)
	case e.Kind == flow.Retrying:
		m := explain(e.Err)
		p.log.Warn("trying again", "phase", e.State, "in", e.Delay, "code", m.Code, "error", m.Text, "remedy", m.Remedy)
	case e.Kind == flow.Entered && e.Type == "Wait":
		p.log.Debug("pausing", "for", e.Delay)
	}
}

// enter begins a phase; the workers of one phase begin it together.
func (p *progress) enter(phase string, now time.Time) {
	p.mu.Lock()
	if p.phase == phase {
		p.mu.Unlock()
		return
	}
	p.phase, p.begun, p.rate = phase, now, rate{}
	p.mu.Unlock()
	p.announce(phase, "begins", now)
}

func (p *progress) leave(phase string, now time.Time) {
	p.mu.Lock()
	if p.phase == phase {
		p.phase = ""
	}
	p.mu.Unlock()
	p.console.screen.clear()
	p.announce(phase, "done", now)
}

// Planned implements app.Progress.
func (p *progress) Planned(rows int64, chunks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown.RowsEstimate, p.shown.Chunks = rows, chunks
}

// Chunk implements app.Progress.
func (p *progress) Chunk(d snapshot.Done) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown.Rows += d.Rows
	if d.Header.Next == "" {
		p.shown.ChunksDone++
	}
}

// Tailing implements app.Progress.
func (p *progress) Tailing(*tail.Tail) {}

// Waiting implements app.Progress.
func (p *progress) Waiting(tip state.Checkpoint, left time.Duration) {
	now := time.Now()
	p.mu.Lock()
	first := p.shown.WaitingFor != tip.Owner
	p.shown.WaitingFor, p.shown.Epoch, p.lapse = tip.Owner, tip.Epoch, now.Add(left)
	p.mu.Unlock()
	if first && !p.console.json() && !p.console.ErrTerminal {
		p.log.Info("waiting for a lease to lapse", "owner", tip.Owner, "epoch", tip.Epoch, "left", left.Round(time.Second))
	}
}

// Committed follows the tail's checkpoints.
func (p *progress) Committed(cp state.Checkpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lapse, p.shown.WaitingFor = time.Time{}, ""
	p.shown.Seq, p.shown.Epoch, p.shown.Checkpoint = cp.Committed.Seq, cp.Epoch, cp.N
	p.shown.LagSeconds = (time.Duration(cp.LagMillis) * time.Millisecond).Seconds()
	p.rate.add(time.Now(), cp.Counts["changes"])
}

// tailed: the tail's lease is gone.
func (p *progress) tailed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lapse, p.shown.WaitingFor = time.Time{}, ""
}

// draining says what the first signal does.
func (p *progress) draining() {
	const notice = "draining, once more to quit at once"
	if p.console.ErrTerminal {
		p.notice(notice)
		return
	}
	p.log.Info(notice)
}

func (p *progress) seq() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.Seq
}

// step is a function's step.
func step(function string) string { return strings.TrimPrefix(function, "slipway-") }
