// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"

	"github.com/klauspost/compress/zstd"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/state"
)

// xaStore keeps the rows of XA transactions from their PREPARE to their
// COMMIT (rule S5): in objects, so that the position may pass the PREPARE and
// memory stays bounded. It is owned by the handler.
type xaStore struct {
	task *state.Task
	// prepared maps xid to where its rows are.
	prepared map[string]xaRows
	// open is the XA transaction being read.
	open     xaRows
	buffer   []xaRow
	size     int
	partSize int
}

// xaRows says where the rows of one XA transaction are: parts objects under
// its PREPARE's GTID, and then rest, for one that is still being read.
type xaRows struct {
	gtid  change.GTID
	parts int
	rest  []xaRow
}

// xaRow is one row change in a part.
type xaRow struct {
	Table  int           `json:"t"`
	Op     change.Op     `json:"o"`
	Before change.Row    `json:"b,omitempty"`
	After  change.Row    `json:"a,omitempty"`
	table  *change.Table // while in memory
}

// xaPart is one object: the tables its rows refer to by index, and the rows.
type xaPart struct {
	Tables []*change.Table `json:"tables"`
	Rows   []xaRow         `json:"rows"`
}

// xaPartSize is how many bytes of rows (change.Size) go into one object.
const xaPartSize = 4 << 20

func newXAStore(t *state.Task, prepared map[string]string) (*xaStore, error) {
	s := &xaStore{task: t, prepared: map[string]xaRows{}, partSize: xaPartSize}
	for xid, ref := range maps.All(prepared) {
		var r xaRows
		if err := r.UnmarshalText([]byte(ref)); err != nil {
			return nil, fault.New(fault.CheckpointUnusable, "", "prepared XA transaction %s: %w", xid, err)
		}
		s.prepared[xid] = r
	}
	return s, nil
}

// MarshalText writes "GTID parts", as a checkpoint names the rows.
func (r xaRows) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%s %d", r.gtid, r.parts), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *xaRows) UnmarshalText(b []byte) error {
	var gtid string
	if _, err := fmt.Sscanf(string(b), "%s %d", &gtid, &r.parts); err != nil {
		return fmt.Errorf("%q: expected a GTID and a number of parts: %w", b, err)
	}
	var err error
	r.gtid, err = change.ParseGTID(gtid)
	return err
}

func (s *xaStore) begin(g change.GTID) error {
	s.open, s.buffer, s.size = xaRows{gtid: g}, nil, 0
	return nil
}

// add puts rows aside; a full part goes to the store.
func (s *xaStore) add(ctx context.Context, table *change.Table, op change.Op, rows []mysql.RowChange) error {
	for _, rc := range rows {
		c := change.Change{Before: rc.Before, After: rc.After}
		s.buffer = append(s.buffer, xaRow{table: table, Op: op, Before: rc.Before, After: rc.After})
		if s.size += c.Size(); s.size >= s.partSize {
			if err := s.spill(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *xaStore) spill(ctx context.Context) error {
	if len(s.buffer) == 0 {
		return nil
	}
	var part xaPart
	index := map[*change.Table]int{}
	for _, r := range s.buffer {
		i, known := index[r.table]
		if !known {
			i = len(part.Tables)
			index[r.table] = i
			part.Tables = append(part.Tables, r.table)
		}
		r.Table = i
		part.Rows = append(part.Rows, r)
	}
	body, err := compressJSON(part)
	if err != nil {
		return err
	}
	key := s.task.XA(s.open.gtid.String(), s.open.parts+1)
	if err := s.task.Store.Create(ctx, key, body); err != nil && !errors.Is(err, state.ErrExists) {
		// ErrExists: an earlier run read the same transaction and stored its rows.
		return fmt.Errorf("store rows of XA transaction %s: %w", s.open.gtid, err)
	}
	s.open.parts++
	s.buffer, s.size = nil, 0
	return nil
}

// take gives the rows of the transaction being read, wherever they are.
func (s *xaStore) take() xaRows {
	r := s.open
	r.rest = s.buffer
	s.open, s.buffer, s.size = xaRows{}, nil, 0
	return r
}

// replay hands the rows out in order, runs of one table and operation at once.
func (s *xaStore) replay(ctx context.Context, r xaRows, fn func(*change.Table, change.Op, mysql.RowChange) error) error {
	for n := 1; n <= r.parts; n++ {
		key := s.task.XA(r.gtid.String(), n)
		body, err := s.task.Store.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("read rows of XA transaction %s: %w", r.gtid, err)
		}
		var part xaPart
		if err := expandJSON(body, &part); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		for _, row := range part.Rows {
			if err := fn(part.Tables[row.Table], row.Op, mysql.RowChange{Before: row.Before, After: row.After}); err != nil {
				return err
			}
		}
	}
	for _, row := range r.rest {
		if err := fn(row.table, row.Op, mysql.RowChange{Before: row.Before, After: row.After}); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes the rows of transactions that ended: held names what the
// checkpoint before held, kept what the new one does. Unlike the rest of the
// store it may be called from any goroutine. What it can't delete stays: nothing
// refers to it any more.
func (s *xaStore) sweep(ctx context.Context, held, kept map[string]string, log *slog.Logger) {
	for xid, ref := range held {
		var r xaRows
		if kept[xid] == ref || r.UnmarshalText([]byte(ref)) != nil {
			continue
		}
		for n := 1; n <= r.parts; n++ {
			if err := s.task.Store.Delete(ctx, s.task.XA(r.gtid.String(), n)); err != nil {
				log.Warn("rows of an ended XA transaction could not be deleted", "xid", xid, "error", err)
			}
		}
	}
}

func compressJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(b, nil), z.Close()
}

func expandJSON(b []byte, v any) error {
	z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	raw, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// prepare ends the first half of an XA transaction: its rows are durable before
// the position passes it.
func (h *handler) prepare(e mysql.Event) error {
	if err := h.xa.spill(h.ctx); err != nil {
		return err
	}
	r := h.xa.take()
	ref, err := r.MarshalText()
	if err != nil {
		return err
	}
	h.xa.prepared[e.XID] = r
	h.tx.effects = append(h.tx.effects, func(cp *state.Checkpoint) {
		if cp.XA == nil {
			cp.XA = map[string]string{}
		}
		cp.XA[e.XID] = string(ref)
	})
	return nil
}

// xaCommit delivers a prepared transaction under the COMMIT's own GTID.
func (h *handler) xaCommit(e mysql.Event) error {
	r, known := h.xa.prepared[e.XID]
	if !known {
		if h.plan.P1.Contains(h.tx.gtid) {
			return nil // prepared before the plan; every chunk holds it
		}
		return fault.New(fault.PositionLost, "take a new snapshot under a new task name",
			"transaction %s commits XA transaction %s, whose rows were never seen", h.tx.gtid, e.XID)
	}
	h.tx.time = e.Time
	if err := h.xa.replay(h.ctx, r, h.xaRows); err != nil {
		return err
	}
	h.xaForget(e.XID)
	return nil
}

func (h *handler) xaRows(table *change.Table, op change.Op, rc mysql.RowChange) error {
	return h.changes(h.schema.current(table), op, []mysql.RowChange{rc}, h.tx.time)
}

func (h *handler) xaForget(xid string) {
	delete(h.xa.prepared, xid)
	h.tx.effects = append(h.tx.effects, func(cp *state.Checkpoint) { delete(cp.XA, xid) })
}
