// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"strings"

	"slipway/shared/change"
)

// PlanRanges cuts a table into ranges of about rows rows each: the first open
// below, the last closed at the greatest key there is. An empty table has no
// range. estimate is the table's rough row count.
//
// No row is counted. The server guesses from some pages of its index how many
// rows lie between two keys, and what holds too many is cut into as many pieces
// as it should have ranges, at values between its first and its last key. So a
// plan costs two or three look-ups a range, however many rows there are and
// however wide they are, and finds gaps and crowds. A guess can be twice the
// truth. What doesn't hang on guesses: the bounds are keys that were in the
// table, and ascend in our order.
func (c *Conn) PlanRanges(ctx context.Context, d *Definition, rows, estimate int64) ([]Range, error) {
	t := d.Table
	hi, err := c.keyRow(ctx, t, Range{}, "DESC")
	if err != nil || hi == nil {
		return nil, err
	}
	s := splitter{c: c, t: t, order: NewKeyOrder(t, t.Key), index: d.KeyIndex().Name, rows: rows, tries: estimate/rows + 100}
	pieces, err := s.cut(ctx, piece{Range{UpTo: hi}, estimate})
	if err != nil {
		return nil, err
	}
	return s.join(ctx, pieces, estimate)
}

// piece is a range whose bounds may be the beginnings of keys.
type piece struct {
	Range
	rows int64 // guessed
}

// splitter cuts one table.
type splitter struct {
	c     *Conn
	t     *change.Table
	order *KeyOrder
	index string
	rows  int64 // wanted in a range
	tries int64 // left to cut a piece
}

// mostPieces bounds what one statement asks about.
const mostPieces = 16

// cut takes apart what is too large until nothing is, or nothing can be: all
// pieces in turn, so that the tries go to the largest.
func (s *splitter) cut(ctx context.Context, whole piece) ([]piece, error) {
	pieces := []piece{whole}
	for again := true; again; {
		again = false
		var next []piece
		for _, p := range pieces {
			if p.rows < s.rows+(s.rows+1)/2 || s.tries == 0 {
				next = append(next, p)
				continue
			}
			s.tries--
			parts, err := s.part(ctx, p)
			if err != nil {
				return nil, err
			}
			next = append(next, parts...)
			again = true
		}
		pieces = next
	}
	return pieces, nil
}

// part cuts one piece, each of whose parts has fewer keys than it.
func (s *splitter) part(ctx context.Context, p piece) ([]piece, error) {
	first, err := s.c.keyRow(ctx, s.t, p.Range, "ASC")
	if err != nil {
		return nil, err
	}
	last, err := s.c.keyRow(ctx, s.t, p.Range, "DESC")
	if err != nil {
		return nil, err
	}
	if first == nil || last == nil || s.order.Compare(first, last) >= 0 {
		return []piece{{p.Range, 1}}, nil
	}
	n := min(max((p.rows+s.rows/2)/s.rows, 2), mostPieces)
	var ranges []Range
	after := p.After
	for i := int64(1); i < n; i++ {
		at := s.order.between(first, last, i, n)
		if k := len(at) - 1; i > 1 && s.order.cols[k].compare(at[k], after[k]) <= 0 {
			continue
		}
		ranges = append(ranges, Range{after, at})
		after = at
	}
	ranges = append(ranges, Range{after, p.UpTo})
	guesses, err := s.guess(ctx, ranges)
	if err != nil {
		return nil, err
	}
	parts := make([]piece, len(ranges))
	for i := range parts {
		parts[i] = piece{ranges[i], guesses[i]}
	}
	return parts, nil
}

// guess asks the optimiser how many rows are in each of some ranges. USE INDEX:
// with FORCE it wouldn't look, having no choice.
func (s *splitter) guess(ctx context.Context, ranges []Range) ([]int64, error) {
	if err := s.c.understand(ctx, s.t, ranges...); err != nil {
		return nil, err
	}
	from := fmt.Sprintf("SELECT %s FROM %s", strings.Join(keyNames(s.t), ", "), QuoteTable(s.t))
	if s.index != "" {
		from += " USE INDEX (" + QuoteName(s.index) + ")"
	}
	selects := make([]string, len(ranges))
	var args []any
	for i, r := range ranges {
		where, a := within(s.t, r)
		selects[i] = from + where
		args = append(args, a...)
	}
	r, err := s.c.Query(ctx, "EXPLAIN FORMAT=TRADITIONAL "+strings.Join(selects, " UNION ALL "), args...)
	if err != nil {
		return nil, err
	}
	guesses := make([]int64, len(ranges))
	for i := range guesses {
		// NULL, of an impossible WHERE, is no row.
		if guesses[i], err = r.GetIntByName(i, "rows"); err != nil {
			return nil, fmt.Errorf("guess the rows of %s: %w", s.t, err)
		}
	}
	return guesses, nil
}

// join puts small neighbours together, and bounds them by keys of the table. The
// guesses together say how far they are too high.
func (s *splitter) join(ctx context.Context, pieces []piece, estimate int64) ([]Range, error) {
	sum := 0.0
	for _, p := range pieces {
		sum += float64(p.rows)
	}
	scale := min(max(float64(estimate)/sum, 0.5), 1)
	hi := pieces[len(pieces)-1].UpTo
	var ranges []Range
	var after change.Row
	held := 0.0
	for i, p := range pieces[:len(pieces)-1] {
		held += float64(p.rows) * scale
		if held+float64(pieces[i+1].rows)*scale <= 1.25*float64(s.rows) {
			continue
		}
		bound, err := s.c.keyRow(ctx, s.t, Range{UpTo: p.UpTo}, "DESC")
		if err != nil {
			return nil, err
		}
		if bound == nil || s.order.Compare(bound, hi) >= 0 || after != nil && s.order.Compare(bound, after) <= 0 {
			continue // rows have gone meanwhile
		}
		ranges = append(ranges, Range{after, bound})
		after, held = bound, 0
	}
	return append(ranges, Range{after, hi}), nil
}
