// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/shared/change"
	"slipway/shared/state"
)

// SettleResult says what settle found.
type SettleResult struct {
	// More: chunks are missing, snapshot again.
	More bool
	// Wait: all chunks are there, but an invocation that ended in no known way
	// may send for that long still (rule S10).
	Wait time.Duration
	// Epoch for the tail to start with.
	Epoch int64
}

// Settle seals the seam: for every table what the snapshot holds, and the
// first checkpoint. It may be called any number of times.
func Settle(ctx context.Context, t *state.Task, chain *state.Chain, clock func() time.Time) (SettleResult, error) {
	plan, err := LoadPlan(ctx, t)
	if err != nil {
		return SettleResult{}, err
	}
	var seams []*Seam
	for _, name := range plan.Tables {
		gen, err := LatestGeneration(ctx, t, name)
		if err != nil {
			return SettleResult{}, err
		}
		if gen == nil {
			return SettleResult{}, fmt.Errorf("the plan of table %s is missing: run plan again", name)
		}
		seam, err := gather(ctx, t, gen)
		if err != nil {
			return SettleResult{}, err
		}
		if seam == nil {
			return SettleResult{More: true}, nil
		}
		seams = append(seams, seam)
	}
	if wait, err := lastSender(ctx, t, clock()); err != nil || wait > 0 {
		return SettleResult{Wait: wait}, err
	}
	return seal(ctx, t, chain, plan, seams)
}

// gather puts a generation's results together; nil when chunks are missing.
func gather(ctx context.Context, t *state.Task, gen *Generation) (*Seam, error) {
	s := &Seam{Table: gen.Name(), Gen: gen.Gen, Seq: gen.Seq, B: gen.B, Mode: gen.Mode, Definition: gen.Table}
	void, err := exists(ctx, t.Store, t.Void(state.TableOf(gen.Name()), gen.Gen))
	if err != nil {
		return nil, err
	}
	if void {
		s.Void = true
	}
	sets := map[string]int{}
	intern := func(set change.GTIDSet) int {
		i, known := sets[set.String()]
		if !known {
			i = len(s.Sets)
			sets[set.String()] = i
			s.Sets = append(s.Sets, set)
		}
		return i
	}
	for n := range gen.Chunks() {
		for k := 0; ; k++ {
			d, err := state.GetJSON[Done](ctx, t.Store, t.ChunkDone(state.TableOf(gen.Name()), gen.Gen, chunkName(n, k)))
			if errors.Is(err, state.ErrNotFound) {
				if void {
					break
				}
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			chunk := SeamChunk{UpTo: d.Header.Range.UpTo, Set: intern(d.Header.H)}
			chunk.Upper = chunk.Set
			if !gen.exact() {
				chunk.Upper = intern(d.Header.Upper)
			}
			s.Chunks = append(s.Chunks, chunk)
			if d.Header.Next == "" {
				break
			}
		}
	}
	return s, nil
}

// seal writes the seams, then the first checkpoint. A crash between the two
// leaves seams that the next call finds equal.
func seal(ctx context.Context, t *state.Task, chain *state.Chain, plan *Plan, seams []*Seam) (SettleResult, error) {
	first := state.Checkpoint{
		Committed: state.Position{
			GTIDSet: plan.P0.String(), File: plan.Log.File, Pos: plan.Log.Pos, FileBegun: plan.Log.Begun, ServerUUID: plan.ServerUUID,
		},
		Schema: plan.Schema,
	}
	for _, s := range seams {
		if err := state.CreateJSON(ctx, t.Store, t.Seam(state.TableOf(s.Table), s.Gen, 1), s); err != nil {
			return SettleResult{}, fmt.Errorf("seal the seam of %s: %w", s.Table, err)
		}
		first.Committed.Seq = max(first.Committed.Seq, s.Seq)
	}
	tip, err := chain.Tip(ctx)
	if err == nil {
		return SettleResult{Epoch: tip.Epoch + 1}, nil
	}
	if !errors.Is(err, state.ErrNoChain) {
		return SettleResult{}, err
	}
	first.Reserved.Seq = first.Committed.Seq
	if _, err := chain.First(ctx, first); err != nil {
		return SettleResult{}, err
	}
	return SettleResult{Epoch: 1}, nil
}

// Sweep deletes stored messages and parts of sealed chunks (rule S3). What a
// crash leaves is deleted by the next call.
func Sweep(ctx context.Context, t *state.Task) error {
	plan, err := LoadPlan(ctx, t)
	if err != nil {
		return err
	}
	for _, name := range plan.Tables {
		for key, err := range t.Store.List(ctx, t.Chunks(state.TableOf(name)), "") {
			if err != nil {
				return err
			}
			if !strings.HasSuffix(key, ".rows") {
				continue
			}
			if err := t.Store.Delete(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}
