// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
	"slipway/shared/state"
)

// obtain gives a chunk's stored messages: those of an earlier attempt if there
// are any, else it reads the chunk and stores them. Who loses the race to
// store throws its own away (rule S3).
func (w *Worker) obtain(ctx context.Context, gen *Generation, name, next string, rng mysql.Range) (*stored, error) {
	t := w.cfg.Task
	key := t.ChunkRows(state.TableOf(gen.Name()), gen.Gen, name)
	if s, err := w.loadStored(ctx, gen, key); err == nil || !errors.Is(err, state.ErrNotFound) {
		return s, err
	}
	var s *stored
	var body []byte
	err := w.attempt(ctx, func() (err error) {
		if gen.Mode == Ranges {
			s, body, err = w.readRange(ctx, gen, name, next, rng)
		} else {
			s, body, err = w.readWhole(ctx, gen, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if w.cfg.Faults.NoStore {
		return s, nil
	}
	err = t.Store.Create(ctx, key, body)
	if errors.Is(err, state.ErrExists) {
		return w.loadStored(ctx, gen, key)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	call(w.cfg.Hooks.Stored, name)
	return s, nil
}

// loadStored reads what an attempt stored. Its messages may have been sent.
func (w *Worker) loadStored(ctx context.Context, gen *Generation, key string) (*stored, error) {
	body, err := w.cfg.Task.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	r, err := openRows(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	defer r.close()
	s := &stored{gen: gen, header: r.header, objects: [][]byte{body}, replay: true}
	s.spill = r.header.Parts
	return s, nil
}

// readRange reads one chunk of a table with an ordered key into memory.
func (w *Worker) readRange(ctx context.Context, gen *Generation, name, next string, rng mysql.Range) (*stored, []byte, error) {
	v, err := w.open(ctx, gen, name)
	if err != nil {
		return nil, nil, err
	}
	defer v.close()
	out, err := newRowsWriter()
	if err != nil {
		return nil, nil, err
	}
	p := w.packer(gen, v, name, out.add)
	size := 0
	covered, err := w.scan(ctx, v, gen, rng, name, func(row change.Row) error {
		if err := p.add(row); err != nil {
			return err
		}
		if size += sizeOf(row); size >= w.cfg.ChunkBytes {
			return errCut
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if err := p.finish(); err != nil {
		return nil, nil, err
	}
	h := w.header(gen, v, name)
	h.Range = covered
	if h.Upper, err = v.upper(ctx, gen); err != nil {
		return nil, nil, err
	}
	if len(covered.UpTo) > 0 && (len(rng.UpTo) == 0 || v.route.Key.Compare(covered.UpTo, rng.UpTo) < 0) {
		h.Next = next
	}
	body, err := out.finish(h)
	return &stored{gen: gen, header: h, objects: [][]byte{body}}, body, err
}

// readWhole reads a table in one SELECT into parts, each stored as it fills;
// the object the caller creates only lists them, so that all are there before
// the first is sent, and all are of one attempt. A crash before that leaves
// parts nobody refers to, which settle's clean-up removes.
func (w *Worker) readWhole(ctx context.Context, gen *Generation, name string) (*stored, []byte, error) {
	v, err := w.open(ctx, gen, name)
	if err != nil {
		return nil, nil, err
	}
	defer v.close()
	t, attempt := w.cfg.Task, rand.Text()[:10]
	h := w.header(gen, v, name)
	out, err := newRowsWriter()
	if err != nil {
		return nil, nil, err
	}
	store := func() error {
		body, err := out.finish(h)
		if err != nil {
			return err
		}
		key := t.ChunkRows(state.TableOf(gen.Name()), gen.Gen, fmt.Sprintf("%s.part-%s-%06d", name, attempt, len(h.Parts)))
		h.Parts = append(h.Parts, key)
		if err := t.Store.Create(ctx, key, body); err != nil {
			return err
		}
		out, err = newRowsWriter()
		return err
	}
	p := w.packer(gen, v, name, func(m *rocketmq.Message) error { return out.add(m) })
	size := 0
	_, err = w.scan(ctx, v, gen, mysql.Range{}, name, func(row change.Row) error {
		if err := p.add(row); err != nil {
			return err
		}
		if size += sizeOf(row); size < w.cfg.ChunkBytes {
			return nil
		}
		size = 0
		if err := p.finish(); err != nil {
			return err
		}
		return store()
	})
	if err != nil {
		return nil, nil, err
	}
	if err := p.finish(); err != nil {
		return nil, nil, err
	}
	if err := store(); err != nil {
		return nil, nil, err
	}
	if h.Upper, err = v.upper(ctx, gen); err != nil {
		return nil, nil, err
	}
	manifest, err := newRowsWriter()
	if err != nil {
		return nil, nil, err
	}
	body, err := manifest.finish(h)
	return &stored{gen: gen, header: h, objects: [][]byte{body}, spill: h.Parts}, body, err
}

func (w *Worker) header(gen *Generation, v *view, chunk string) Header {
	h := Header{Table: gen.Name(), Gen: gen.Gen, Chunk: chunk, H: v.h, Time: now()}
	if v.table != gen.Table {
		h.Definition = v.table
	}
	return h
}

func (w *Worker) packer(gen *Generation, v *view, chunk string, out func(*rocketmq.Message) error) *packer {
	return &packer{
		pipe: w.cfg.Pipeline, route: v.route, gen: gen, table: v.table, origin: fmt.Sprintf("%s/%d/%s", v.table, gen.Gen, chunk), now: now(),
		maxRows: w.cfg.MaxRows, maxSize: w.cfg.MaxBytes, out: out, lanes: map[int]*lanePack{},
	}
}

// deliver sends a stored chunk and records that it is done. A crash in between
// sends all of it again, marked.
func (w *Worker) deliver(ctx context.Context, s *stored) error {
	d := Done{Header: s.header}
	digest := sha256.New()
	objects := s.objects
	for i := 0; i < len(objects)+len(s.spill); i++ {
		var body []byte
		var err error
		if i < len(objects) {
			body = objects[i]
		} else if body, err = w.cfg.Task.Store.Get(ctx, s.spill[i-len(objects)]); err != nil {
			return err
		}
		digest.Write(body)
		if err := w.send(ctx, body, s.replay, &d); err != nil {
			return fmt.Errorf("deliver chunk %s of %s: %w", s.header.Chunk, s.gen.Name(), err)
		}
	}
	call(w.cfg.Hooks.Delivered, s.header.Chunk)
	d.Digest = hex.EncodeToString(digest.Sum(nil))
	t := w.cfg.Task
	err := state.CreateJSON(ctx, t.Store, t.ChunkDone(state.TableOf(s.gen.Name()), s.gen.Gen, s.header.Chunk), d)
	if err != nil && !errors.Is(err, state.ErrExists) {
		return err
	}
	if w.cfg.Progress != nil {
		w.cfg.Progress(d)
	}
	return nil
}

// laneBacklog is how many messages of one lane are read ahead of its sends.
const laneBacklog = 4

// send sends the messages of one object, lanes side by side, each in order.
func (w *Worker) send(ctx context.Context, object []byte, replay bool, d *Done) error {
	r, err := openRows(object)
	if err != nil {
		return err
	}
	defer r.close()
	g, ctx := errgroup.WithContext(ctx)
	lanes := map[string]chan *rocketmq.Message{}
	err = func() error {
		for {
			m, err := r.next()
			if err != nil {
				return err
			}
			if replay {
				pipeline.MarkReplay(m)
			}
			d.Messages++
			d.Bytes += int64(len(m.Body))
			d.Rows += rowsOf(m)
			lane := lanes[m.Group]
			if lane == nil {
				lane = make(chan *rocketmq.Message, laneBacklog)
				lanes[m.Group] = lane
				g.Go(func() error {
					for m := range lane {
						if err := w.cfg.Sender.Send(ctx, m); err != nil {
							return err
						}
					}
					return nil
				})
			}
			select {
			case lane <- m:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}()
	for _, lane := range lanes {
		close(lane)
	}
	if sent := g.Wait(); sent != nil {
		return sent
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func rowsOf(m *rocketmq.Message) int64 {
	for _, p := range m.Properties {
		if p.Name == "rows" {
			var n int64
			_, _ = fmt.Sscan(p.Value, &n)
			return n
		}
	}
	return 0
}

func positionLost(addr, uuid, what string, missing change.GTIDSet) error {
	return fault.New(fault.PositionLost, "point the task at the server it was planned on, or start it under a new name",
		"source %s (server %s) has not executed %s, which %s holds: it is another server, or was restored", addr, uuid, missing, what)
}
