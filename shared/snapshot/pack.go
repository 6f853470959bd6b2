// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"time"

	"slipway/shared/change"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
)

// packer turns the rows of one chunk into messages: per lane, as many
// neighbouring rows in one message as the limits allow.
type packer struct {
	pipe    *pipeline.Pipeline
	route   *pipeline.Route
	gen     *Generation
	table   *change.Table // the definition the rows were read with
	origin  string        // of its rows' ids
	now     time.Time
	maxRows int
	maxSize int
	out     func(*rocketmq.Message) error

	rows  int64
	lanes map[int]*lanePack
}

type lanePack struct {
	rows []*change.Change
	kind pipeline.Kind // of all of them
	size int
}

// add takes the chunk's next row.
func (p *packer) add(row change.Row) error {
	c := &change.Change{
		Op: change.OpInsert, Phase: change.PhaseFull, Table: p.table, After: row, Time: p.now.UnixMilli(), Seq: p.gen.Seq,
		Origin: p.origin, Ordinal: p.rows,
	}
	p.rows++
	number := p.route.Lane(row)
	lane := p.lanes[number]
	if lane == nil {
		lane = &lanePack{}
		p.lanes[number] = lane
	}
	size := p.pipe.RowSize(c)
	kind, _ := p.pipe.Kind(c)
	full := len(lane.rows) >= p.maxRows || lane.size+size > p.maxSize
	if len(lane.rows) > 0 && (full || kind != lane.kind) {
		if err := p.flush(number, lane); err != nil {
			return err
		}
	}
	lane.rows, lane.kind = append(lane.rows, c), kind
	lane.size += size
	return nil
}

// finish emits what is left.
func (p *packer) finish() error {
	for number, lane := range p.lanes {
		if err := p.flush(number, lane); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) flush(number int, lane *lanePack) error {
	if len(lane.rows) == 0 {
		return nil
	}
	err := p.emit(number, lane.rows)
	clear(lane.rows)
	lane.rows, lane.size = lane.rows[:0], 0
	return err
}

// emit makes one message, or several if it turns out too large for one.
func (p *packer) emit(number int, rows []*change.Change) error {
	m, err := p.pipe.Message(rows, pipeline.Envelope{Lane: number, Topic: p.route.Topic, Now: p.now})
	if err != nil {
		return err
	}
	if len(m.Body) > rocketmq.MaxBodyBytes {
		half := len(rows) / 2
		if err := p.emit(number, rows[:half]); err != nil {
			return err
		}
		return p.emit(number, rows[half:])
	}
	return p.out(m)
}
