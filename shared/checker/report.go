// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// The rules a message can break, as Violation.Rule has them.
const (
	// RuleProperties: the properties of D4 are complete and agree.
	RuleProperties = "properties"
	// RuleBody: the body is Canal JSON and agrees with the properties.
	RuleBody = "body"
	// RuleID: the id is made by D3.
	RuleID = "id"
	// RuleLane: a lane lies in one queue and has one message group.
	RuleLane = "lane"
	// RuleOrder: seqs ascend within a lane.
	RuleOrder = "order"
	// RuleRepeat: only a message with replay=true repeats another.
	RuleRepeat = "repeat"
	// RuleCopy: copies equal what they copy.
	RuleCopy = "copy"
	// RuleChain: each change of a row starts from the image the last one left.
	RuleChain = "chain"
	// RuleDropped: D6 drops only what was delivered before.
	RuleDropped = "dropped"
	// RuleFold: the fold does not depend on how queues are interleaved.
	RuleFold = "fold"
	// RuleBarrier: no message has rows on both sides of a TRUNCATE or DROP.
	RuleBarrier = "barrier"
)

// Violation is one rule broken by one message.
type Violation struct {
	Rule   string `json:"rule"`
	ID     string `json:"id"`
	Topic  string `json:"topic"`
	Broker string `json:"broker,omitempty"`
	Queue  int    `json:"queue"`
	Offset int64  `json:"offset"`
	Detail string `json:"detail"`
}

// Difference is one place where the topic, folded, is not the source. Column is
// empty when a whole row is missing in the topic (Topic is "") or extra (Source
// is "").
type Difference struct {
	Table  string `json:"table"`
	Key    string `json:"key"`
	Kind   string `json:"kind"`
	Column string `json:"column,omitempty"`
	Source string `json:"source,omitempty"`
	Topic  string `json:"topic,omitempty"`
}

// The kinds of Difference.
const (
	Missing   = "missing"
	Extra     = "extra"
	Different = "different"
)

// TableCount is one table's rows on both sides.
type TableCount struct {
	Table  string `json:"table"`
	Source int64  `json:"source"`
	Topic  int64  `json:"topic"`
	// Skipped columns: of rows older than their table's last ALTER, columns that
	// only one side has.
	Skipped int64 `json:"skipped,omitempty"`
}

// Report is everything found. Details are capped; counts are not.
type Report struct {
	Messages    int64 `json:"messages"`
	Rows        int64 `json:"rows"`
	Full        int64 `json:"fullRows"`
	Incremental int64 `json:"incrementalRows"`
	DDL         int64 `json:"ddl"`
	// Replays are messages with replay=true; Copies those that really repeat.
	Replays int64 `json:"replays"`
	Copies  int64 `json:"copies"`
	// Dropped were dropped by their seq (D6), Removed by a later TRUNCATE, DROP
	// or reset that was read before them.
	Dropped int64 `json:"dropped"`
	Removed int64 `json:"removed"`
	// Late are unmarked copies, tolerated up to Options.Late.
	Late int64 `json:"late"`

	Violations     []Violation      `json:"violations"`
	ViolationCount int64            `json:"violationCount"`
	ByRule         map[string]int64 `json:"byRule,omitempty"`

	Compared        bool         `json:"compared"`
	Tables          []TableCount `json:"tables,omitempty"`
	Differences     []Difference `json:"differences"`
	DifferenceCount int64        `json:"differenceCount"`

	// Seeds lists the interleavings whose folds were compared with the first.
	Seeds []uint64 `json:"seeds,omitempty"`
}

// OK tells whether nothing was found. It does not tell that anything was
// looked at: see Messages and Compared.
func (r *Report) OK() bool { return r.ViolationCount == 0 && r.DifferenceCount == 0 }

// violate counts a violation and lists it if fewer than most are listed.
func (r *Report) violate(most int, v Violation) {
	r.ViolationCount++
	r.ByRule[v.Rule]++
	if len(r.Violations) < most {
		r.Violations = append(r.Violations, v)
	}
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages, %d rows (%d full, %d incremental), %d DDL; %d replays, %d copies, %d dropped, %d removed, %d late\n",
		r.Messages, r.Rows, r.Full, r.Incremental, r.DDL, r.Replays, r.Copies, r.Dropped, r.Removed, r.Late)
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%s: source %d rows, topic %d rows\n", t.Table, t.Source, t.Topic)
	}
	fmt.Fprintf(&b, "%d violations", r.ViolationCount)
	for _, rule := range slices.Sorted(maps.Keys(r.ByRule)) {
		fmt.Fprintf(&b, ", %s %d", rule, r.ByRule[rule])
	}
	b.WriteByte('\n')
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "  %s: %s queue %d offset %d, message %s: %s\n", v.Rule, v.Topic, v.Queue, v.Offset, v.ID, v.Detail)
	}
	if !r.Compared {
		b.WriteString("not compared with the source\n")
	} else {
		fmt.Fprintf(&b, "%d differences from the source\n", r.DifferenceCount)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "  %s: %s %s", d.Kind, d.Table, d.Key)
		if d.Column != "" {
			fmt.Fprintf(&b, " %s: source %s, topic %s", d.Column, d.Source, d.Topic)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is WriteText into a string.
func (r *Report) String() string {
	var b strings.Builder
	_ = r.WriteText(&b)
	return b.String()
}
