// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"time"

	"slipway/shared/app"
	"slipway/shared/snapshot"
	"slipway/shared/state"
	"slipway/shared/tail"
)

// progress hears of the tail as it begins, and passes everything on to whoever else listens.
type progress struct {
	app.Progress // nil when nobody does
	app          *App
}

func (p progress) Planned(rows int64, chunks int) {
	if p.Progress != nil {
		p.Progress.Planned(rows, chunks)
	}
}

func (p progress) Chunk(d snapshot.Done) {
	if p.Progress != nil {
		p.Progress.Chunk(d)
	}
}

func (p progress) Tailing(t *tail.Tail) {
	p.app.watch.Store(t.Watch())
	if p.Progress != nil {
		p.Progress.Tailing(t)
	}
}

func (p progress) Waiting(tip state.Checkpoint, left time.Duration) {
	if p.Progress != nil {
		p.Progress.Waiting(tip, left)
	}
}
