// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"slipway/shared/change"
	"slipway/shared/snapshot"
	"slipway/shared/state"
)

// parallel bounds the reads in flight: a store answers one in tens of milliseconds, and there may be thousands.
const parallel = 16

// collect reads the objects one after the other: a task that moves meanwhile shows as it was at some of those moments.
func collect(ctx context.Context, t *state.Task) (*facts, error) {
	f := &facts{snapshot: Snapshot{Tables: []Table{}}}
	var err error
	if f.submitted, err = present(t.Store.Get(ctx, t.TaskFile())); err != nil {
		return nil, err
	}
	report, err := state.GetJSON[verdict](ctx, t.Store, t.Precheck())
	found, err := present(report, err)
	if err != nil {
		return nil, err
	}
	if found {
		f.report = &report
	}
	tip, err := state.NewChain(t, nil).Tip(ctx)
	switch {
	case err == nil:
		f.tip = &tip
	case !errors.Is(err, state.ErrNoChain):
		return nil, err
	}
	plan, err := snapshot.LoadPlan(ctx, t)
	if f.planned, err = present(plan, err); err != nil || !f.planned {
		return f, err
	}
	f.snapshot, err = tables(ctx, t, named(plan, f.tip))
	return f, err
}

// present parts "not there" from the errors.
func present[T any](_ T, err error) (bool, error) {
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// named lists the tables that the plan names and those that a tail asked for.
func named(plan *snapshot.Plan, tip *state.Checkpoint) []change.TableName {
	names := slices.Clone(plan.Tables)
	if tip != nil {
		for _, text := range tip.Again {
			if name, err := change.ParseTableName(text); err == nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func tables(ctx context.Context, t *state.Task, names []change.TableName) (Snapshot, error) {
	s := Snapshot{Tables: make([]Table, len(names))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, name := range names {
		g.Go(func() (err error) {
			s.Tables[i], err = table(ctx, t, name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Snapshot{}, err
	}
	for _, one := range s.Tables {
		s.Chunks += one.Chunks
		s.ChunksDone += one.ChunksDone
		s.Rows += one.Rows
		s.RowsEstimate += one.RowsEstimate
	}
	return s, nil
}

// table reads one table's newest generation.
func table(ctx context.Context, t *state.Task, name change.TableName) (Table, error) {
	gen, err := snapshot.LatestGeneration(ctx, t, name)
	if err != nil {
		return Table{}, err
	}
	if gen == nil {
		return Table{Name: name.String(), Generation: -1, Mode: snapshot.None}, nil
	}
	one := Table{Name: name.String(), Generation: gen.Gen, Mode: gen.Mode, Chunks: gen.Chunks(), RowsEstimate: gen.Estimate}
	if one.Sealed, err = present(t.Store.Get(ctx, t.Seam(state.TableOf(name), gen.Gen, 1))); err != nil {
		return Table{}, err
	}
	done, err := results(ctx, t, name, gen.Gen)
	if err != nil {
		return Table{}, err
	}
	_, one.Void = done["void"]
	for _, d := range done {
		one.Rows += d.Rows
	}
	for n := range one.Chunks {
		if whole(done, fmt.Sprint(n)) {
			one.ChunksDone++
		}
	}
	return one, nil
}

// result is what matters here of a chunk's done object.
type result struct {
	Rows   int64 `json:"rows"`
	Header struct {
		Next string `json:"next"`
	} `json:"header"`
}

// results reads what is done of a generation, by chunk name; "void" is there when the generation is.
func results(ctx context.Context, t *state.Task, name change.TableName, gen int64) (map[string]result, error) {
	prefix := t.Generation(state.TableOf(name), gen)
	var names []string
	done := map[string]result{}
	for key, err := range t.Store.List(ctx, prefix, "") {
		if err != nil {
			return nil, err
		}
		if chunk, ok := strings.CutSuffix(strings.TrimPrefix(key, prefix), ".done.json"); ok {
			names = append(names, chunk)
		}
		if key == t.Void(state.TableOf(name), gen) {
			done["void"] = result{}
		}
	}
	read := make([]result, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, chunk := range names {
		g.Go(func() (err error) {
			read[i], err = state.GetJSON[result](ctx, t.Store, t.ChunkDone(state.TableOf(name), gen, chunk))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, chunk := range names {
		done[chunk] = read[i]
	}
	return done, nil
}

// whole tells whether a chunk and all its rests are done (rule S3).
func whole(done map[string]result, chunk string) bool {
	for chunk != "" {
		d, ok := done[chunk]
		if !ok {
			return false
		}
		chunk = d.Header.Next
	}
	return true
}
