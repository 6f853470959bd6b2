// SPDX-License-Identifier: Apache-2.0

// Package precheck looks, before anything is moved, for whatever would stop a
// task or make it lose something later, and says for each how to mend it.
//
// Its invariants: a problem is a Finding, never an error; one problem never
// hides another, because every check runs, and one that can't says what it
// waits for; nothing is changed at either end but a probe object in the state
// store, which is removed. A passed precheck promises nothing about later:
// whatever can change while a task runs is checked again where it matters.
package precheck

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"slipway/shared/fault"
	"slipway/shared/task"
)

// Level says what a finding means for the task.
type Level string

// The levels.
const (
	// Failed blocks the task until it is mended.
	Failed Level = "Failed"
	// Warning blocks the task until it is mended, or accepted by its item's name.
	Warning Level = "Warning"
	// Success is what was looked for and found.
	Success Level = "Success"
	// Skipped is a check that needs what another one found missing.
	Skipped Level = "Skipped"
)

// Finding is one thing a check has to say.
type Finding struct {
	// Item is the check's name, a stable word: what `accept` lists.
	Item  string `json:"item"`
	Level Level  `json:"level"`
	// Object is the table, topic or entry the finding is about; "" for the whole.
	Object string `json:"object,omitempty"`
	What   string `json:"what"`
	// Remedy mends it: statements that can be executed as they are, one a line, a
	// command, or the setting to change. "" when there is nothing to mend.
	Remedy string `json:"remedy,omitempty"`
	// Accepted tells that the task takes this warning knowingly.
	Accepted bool `json:"accepted,omitempty"`

	// needs is the item whose acceptance accepts a Skipped finding too.
	needs string
}

// blocks tells whether the task may not start.
func (f *Finding) blocks() bool {
	return f.Level != Success && !f.Accepted
}

// acceptedBy tells whether the task takes the finding knowingly: a warning, or
// what couldn't be looked at because of one.
func (f *Finding) acceptedBy(accept []string) bool {
	return f.Level == Warning && slices.Contains(accept, f.Item) ||
		f.Level == Skipped && f.needs != "" && slices.Contains(accept, f.needs)
}

// Report is what a precheck found, ordered as the checks ran.
type Report struct {
	Task     string    `json:"task"`
	Time     time.Time `json:"time"`
	Findings []Finding `json:"findings"`
	// Blocked tells that the task may not start.
	Blocked bool `json:"blocked"`
}

// Count is the number of findings of a level.
func (r *Report) Count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// Err is nil unless the report blocks the task; then it is of class Blocked and
// names the items.
func (r *Report) Err() error {
	if !r.Blocked {
		return nil
	}
	var items []string
	for _, f := range r.Findings {
		if f.blocks() && !slices.Contains(items, f.Item) {
			items = append(items, f.Item)
		}
	}
	return fault.New(fault.Blocked, "see the precheck's report", "task %s may not start: %s", r.Task, strings.Join(items, ", "))
}

// Env is what a precheck works with.
type Env struct {
	// Task is not changed.
	Task *task.Task
	// Only limits the run to items or categories; empty runs everything.
	Only []string
	// Progress is told before each check: number i of n, from 1. May be nil.
	Progress func(i, n int, item string)
	// Logger gets what is worth telling; nil discards it.
	Logger *slog.Logger
}

// Run makes the checks, one after the other, and never stops at a problem. Its
// error is never about the task: ctx ended, or Only names what doesn't exist.
func Run(ctx context.Context, env Env) (Report, error) {
	checks, err := selectChecks(env.Only)
	if err != nil {
		return Report{}, err
	}
	s := newSession(env)
	defer s.close()
	report := Report{Task: env.Task.Name, Time: time.Now().UTC(), Findings: []Finding{}}
	for i, c := range checks {
		if env.Progress != nil {
			env.Progress(i+1, len(checks), c.Name)
		}
		findings := s.run(ctx, c)
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
		for _, f := range findings {
			f.Item = c.Name
			f.Accepted = f.acceptedBy(env.Task.Accept)
			report.Findings = append(report.Findings, f)
			report.Blocked = report.Blocked || f.blocks()
		}
	}
	return report, nil
}

// run makes one check; at least one finding comes out.
func (s *session) run(ctx context.Context, c check) []Finding {
	findings, err := c.run(ctx, s)
	if err != nil {
		s.log.Debug("precheck could not run", "item", c.Name, "error", err)
		findings = append(findings, notRun(err))
	}
	if len(findings) == 0 {
		findings = []Finding{{Level: Success, What: c.Good}}
	}
	return findings
}

// notRun says why a check came to no verdict.
func notRun(err error) Finding {
	if m, ok := asMissing(err); ok {
		return m.finding()
	}
	what, remedy := explain(err)
	return Finding{Level: Failed, What: "could not be checked: " + what, Remedy: remedy}
}

// explain parts an error from its remedy.
func explain(err error) (what, remedy string) {
	what = err.Error()
	if e, ok := asFault(err); ok && e.Remedy != "" {
		return strings.Replace(what, "; remedy: "+e.Remedy, "", 1), e.Remedy
	}
	return what, ""
}

// selectChecks gives the checks that only names, in the registry's order.
func selectChecks(only []string) ([]check, error) {
	all := registry()
	for _, name := range only {
		if !slices.ContainsFunc(all, func(c check) bool { return c.named(name) }) {
			return nil, fault.New(fault.Config, "name an item or one of: "+strings.Join(Categories(), ", "),
				"the precheck has no item or category %q", name)
		}
	}
	if len(only) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(c check) bool { return !slices.ContainsFunc(only, c.named) }), nil
}

func (c check) named(name string) bool {
	return strings.EqualFold(c.Name, name) || strings.EqualFold(c.Category, name)
}

// failed and warning make findings about the whole; sprintf-like.
func failed(remedy, format string, args ...any) Finding {
	return Finding{Level: Failed, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Level: Warning, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

func success(format string, args ...any) Finding {
	return Finding{Level: Success, What: fmt.Sprintf(format, args...)}
}

// about names the finding's object.
func (f Finding) about(object string) Finding {
	f.Object = object
	return f
}
