// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"slipway/scripts/rig"
)

// migration is `slipway run`, and what it has told so far.
type migration struct {
	mu      sync.Mutex
	process *rig.Program
	last    rig.Line
	news    chan struct{} // closed and renewed with every line
	phase   time.Time     // when the phase began
	watched bool          // what slipway tells is shown
	rows    int64         // of the snapshot, as the server guesses
}

// running is slipway as a process; nil before it was started.
func (m *migration) running() *rig.Program {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

func (d *demo) log() string { return filepath.Join(d.dir, "slipway.log") }

// start runs slipway on the task.
func (d *demo) start() error {
	d.mu.Lock()
	d.news, d.last, d.watched = make(chan struct{}), rig.Line{}, true
	d.mu.Unlock()
	p, err := rig.Run(d.program, d.log(), d.bucket.env(), d.heard, "run", "--output", "json", d.file)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.process = p
	d.mu.Unlock()
	return nil
}

// heard takes each line that slipway prints.
func (d *demo) heard(l rig.Line) {
	d.mu.Lock()
	switch {
	case l.Type == "phase" && l.Edge == "begins":
		d.phase = time.Now()
	case l.Type == "progress":
		d.last, d.rows = l, max(d.rows, l.RowsEstimate)
	}
	begun, rows, watched := d.phase, d.rows, d.watched
	close(d.news)
	d.news = make(chan struct{})
	d.mu.Unlock()
	if watched {
		d.show(l, begun, rows)
	}
}

// show shows a line in the demo's own words.
func (d *demo) show(l rig.Line, begun time.Time, rows int64) {
	switch {
	case l.Type == "phase" && l.Edge == "begins":
		d.page.now("%s", l.Phase)
	case l.Type == "phase" && l.Phase == "snapshot" && rows > 0:
		d.page.done("snapshot", since(begun), "about "+grouped(rows)+" rows")
	case l.Type == "phase":
		d.page.done(l.Phase, since(begun))
	case l.Type != "progress":
	case l.WaitingFor != "":
		d.page.now("the tail waits for the lease of its predecessor to lapse, %.0f s", l.LeftSeconds)
	case l.Phase == "snapshot":
		d.page.now("snapshot  %s of about %s rows, %s rows/s", grouped(l.Rows), grouped(l.RowsEstimate), grouped(int64(l.RowsPerSecond)))
	case l.Phase == "tail":
		d.page.now("tail  %s changes, %s rows/s, %.1f s behind", grouped(l.Seq), grouped(int64(l.RowsPerSecond)), l.LagSeconds)
	}
}

// unwatch ends the showing of what slipway tells.
func (d *demo) unwatch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watched = false
}

// until waits for a line of slipway's that is as wanted.
func (d *demo) until(ctx context.Context, what string, wanted func(rig.Line) bool) (rig.Line, error) {
	limit := time.NewTimer(5 * time.Minute)
	defer limit.Stop()
	for {
		d.mu.Lock()
		last, news := d.last, d.news
		d.mu.Unlock()
		if wanted(last) {
			return last, nil
		}
		select {
		case <-news:
		case <-d.running().Done():
			return last, d.running().Ended()
		case <-limit.C:
			return last, fmt.Errorf("slipway has not %s in five minutes; its log is %s", what, d.log())
		case <-ctx.Done():
			return last, context.Cause(ctx)
		}
	}
}

// caughtUp tells a tail that is less than a second behind the shop.
func caughtUp(l rig.Line) bool {
	return l.Phase == "tail" && l.WaitingFor == "" && l.Checkpoint > 1 && l.LagSeconds < 1
}

// move starts the migration and waits until it has caught up with the shop.
func (d *demo) move(ctx context.Context) error {
	d.page.section("From nothing to caught up")
	d.page.command("slipway run shop.yaml")
	if err := d.start(); err != nil {
		return err
	}
	if _, err := d.until(ctx, "caught up", caughtUp); err != nil {
		return err
	}
	// A few seconds of it, so that there is something to see.
	caught := time.Now()
	l, err := d.until(ctx, "gone on", func(l rig.Line) bool { return caughtUp(l) && time.Since(caught) > 4*time.Second })
	d.unwatch()
	if err != nil {
		return err
	}
	d.page.done("tail", fmt.Sprintf("%s changes delivered, %.1f s behind a shop that has made %s transactions", grouped(l.Seq), l.LagSeconds, grouped(d.till.sold.Load())))
	return nil
}

// killAndResume shows that a killed slipway loses nothing; the proof is to come.
func (d *demo) killAndResume(ctx context.Context) error {
	if !d.kill {
		return nil
	}
	d.page.section("kill -9")
	if err := d.running().Kill(); err != nil {
		return err
	}
	d.page.done("killed", fmt.Sprintf("process %d is gone; the shop goes on selling", d.running().Pid()))
	d.page.command("slipway run shop.yaml")
	begun := time.Now()
	if err := d.start(); err != nil {
		return err
	}
	l, err := d.until(ctx, "caught up again", caughtUp)
	d.unwatch()
	if err != nil {
		return err
	}
	d.page.done("tail", fmt.Sprintf("caught up again after %s, epoch %d", since(begun), l.Epoch))
	d.page.note("most of it is the lease: a successor waits until the dead one can't send any more")
	return nil
}
