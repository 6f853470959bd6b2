// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/shared/checker"
)

// print tells what was done and what the checker found; with findings, all of them.
func (s *soak) print(r *checker.Report) error {
	var kills []string
	for _, phase := range slices.Sorted(maps.Keys(s.move.killed)) {
		kills = append(kills, fmt.Sprintf("%d in %s", s.move.killed[phase], phase))
	}
	var rows int64
	for _, t := range r.Tables {
		rows += t.Source
	}
	l := s.load
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"seed", fmt.Sprint(s.seed)},
		{"took", time.Since(s.began).Round(time.Second).String()},
		{"rows changed", fmt.Sprint(l.rows.Load())},
		{"transactions", fmt.Sprintf("%d committed, %d rolled back, %d refused by the server", l.committed.Load(), l.undone.Load(), l.refused.Load())},
		{"XA transactions", fmt.Sprintf("%d committed, %d rolled back, of both %d stayed prepared for long", l.xaDone.Load(), l.xaUndone.Load(), l.late.Load())},
		{"DDL", fmt.Sprint(l.ddls.Load())},
		{"kill -9", strings.Join(kills, ", ")},
		{"messages", fmt.Sprintf("%d with %d rows, %d of them by the snapshot", r.Messages, r.Rows, r.Full)},
		{"replays", fmt.Sprintf("%d marked messages, %d of them real copies", r.Replays, r.Copies)},
		{"rows compared", fmt.Sprintf("%d in %d tables, queues interleaved in %d ways", rows, len(r.Tables), 1+len(r.Seeds))},
		{"losses", fmt.Sprintf("%d (rows that differ between source and topic)", r.DifferenceCount)},
		{"reorderings", fmt.Sprint(count(r, checker.RuleOrder, checker.RuleLane, checker.RuleChain, checker.RuleDropped, checker.RuleFold, checker.RuleBarrier))},
		{"unmarked duplicates", fmt.Sprint(count(r, checker.RuleRepeat, checker.RuleCopy))},
		{"malformed messages", fmt.Sprint(count(r, checker.RuleProperties, checker.RuleBody, checker.RuleID))},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.OK() {
		fmt.Println("\nnothing found")
		return nil
	}
	fmt.Println("\nFOUND:")
	return r.WriteText(os.Stdout)
}

// count sums violations of some rules.
func count(r *checker.Report, rules ...string) (n int64) {
	for _, rule := range rules {
		n += r.ByRule[rule]
	}
	return n
}
