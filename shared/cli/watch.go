// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"reflect"
	"time"

	"slipway/shared/cli/status"
	"slipway/shared/fault"
)

// Pace is how fast a watched task goes.
type Pace struct {
	// RowsPerSecond over the last seconds: of the snapshot, or of the tail.
	RowsPerSecond float64 `json:"rowsPerSecond"`
	// EtaSeconds until the snapshot has read as many rows as the server guessed; 0 when that isn't known.
	EtaSeconds float64 `json:"etaSeconds,omitempty"`
}

// rows are the pace for people.
func (p *Pace) rows() [][]string {
	if p == nil {
		return nil
	}
	text := grouped(int64(p.RowsPerSecond)) + " rows/s"
	if p.EtaSeconds > 0 {
		text += ", about " + seconds(p.EtaSeconds).String() + " left"
	}
	return [][]string{{"rate", text}}
}

// watch shows a task's status whenever it changes, until the task has come to its end or ctx to its.
func (c *console) watch(ctx context.Context, reader *status.Reader, every time.Duration) error {
	w := &watcher{console: c, frame: &frame{out: c.Out, size: c.OutSize}}
	pause := time.NewTimer(every)
	defer pause.Stop()
	for {
		s, err := reader.Read(ctx, c.Now())
		if err != nil {
			err = storeFault(err)
		}
		switch {
		case ctx.Err() != nil:
			return w.end()
		case err == nil:
			err = w.show(s)
		case w.last != nil && fault.ClassOf(err) == fault.StoreUnreachable:
			err = w.trouble(err)
		}
		if err != nil {
			return err
		}
		if over(s.Phase) {
			return w.end()
		}
		pause.Reset(every)
		select {
		case <-ctx.Done():
			return w.end()
		case <-pause.C:
		}
	}
}

// over tells that nothing more happens to a task until somebody does something.
func over(p status.Phase) bool {
	return p == status.Finished || p == status.MigrationFailed || p == status.PrecheckFailed
}

// watcher shows one status after the other: on a terminal in the same place, elsewhere those that differ.
type watcher struct {
	console *console
	frame   *frame
	last    *status.Status
	text    string // of last
	step    string // which rate counts
	rate    rate
	away    bool // the store was, last time
}

func (w *watcher) show(s status.Status) error {
	changed := w.last == nil || !reflect.DeepEqual(still(s), still(*w.last))
	w.last, w.away = &s, false
	pace := w.pace(s)
	if w.console.json() {
		if !changed {
			return nil
		}
		return w.console.emit(StatusMessage{Message: Message{"status"}, Status: s, Pace: pace})
	}
	var err error
	w.text, err = statusText(s, append([][]string{{"time", s.Time.Format(time.RFC3339)}}, pace.rows()...)...)
	switch {
	case err != nil:
	case w.terminal():
		err = w.frame.draw(w.text)
	case changed:
		_, err = io.WriteString(w.console.Out, w.text+"\n")
	}
	return err
}

func (w *watcher) terminal() bool { return w.console.OutTerminal && !w.console.json() }

// trouble tells that the store can't be read at the moment. What was shown last stays.
func (w *watcher) trouble(err error) error {
	if w.terminal() {
		return w.frame.draw(w.text + "\n" + err.Error() + "; trying again\n")
	}
	if !w.away {
		w.away = true
		w.console.logger().Warn("trying again", "error", err)
	}
	return nil
}

// end leaves the last status on the terminal, whole.
func (w *watcher) end() error {
	if w.text == "" || !w.terminal() {
		return nil
	}
	return w.frame.end(w.text)
}

// still is a status without what moves while nothing happens: the clock, and a tail's signs of life.
func still(s status.Status) status.Status {
	s.Time = time.Time{}
	if s.Checkpoint != nil {
		cp := *s.Checkpoint
		cp.N, cp.Time, cp.AgeMillis = 0, time.Time{}, 0
		s.Checkpoint = &cp
	}
	return s
}

// pace follows the count that belongs to the step; nil while none does, and until it has been looked at twice.
func (w *watcher) pace(s status.Status) *Pace {
	if s.Step != w.step || s.Phase != status.Migrating {
		w.step, w.rate = s.Step, rate{}
	}
	at, left := s.Time, int64(0)
	switch {
	case s.Phase != status.Migrating:
	case s.Step == "snapshot":
		w.rate.add(at, s.Snapshot.Rows)
		left = s.Snapshot.RowsEstimate - s.Snapshot.Rows
	case s.Step == "tail" && s.Checkpoint != nil:
		at = s.Checkpoint.Time // by the owner's clock, when it counted
		w.rate.add(at, s.Checkpoint.Counts["changes"])
	}
	if len(w.rate.samples) < 2 {
		return nil
	}
	perSecond := w.rate.perSecond(at)
	return &Pace{RowsPerSecond: perSecond, EtaSeconds: eta(left, perSecond)}
}
