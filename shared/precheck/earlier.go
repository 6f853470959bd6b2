// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/shared/state"
)

// earlierPlan is what a plan says about the run it pinned down. The plan's owner
// is the snapshot package; these fields are all that matters here.
type earlierPlan struct {
	ConfigHash string    `json:"configHash"`
	Time       time.Time `json:"time"`
}

// checkEarlierRun looks for an earlier run of the task's name: the same
// configuration goes on where it stood, another one would mix two kinds of
// messages in one topic (rule C6).
func checkEarlierRun(ctx context.Context, s *session) ([]Finding, error) {
	plan, key, err := s.earlier(ctx)
	switch {
	case err != nil:
		return nil, err
	case plan == nil:
		return nil, nil
	case plan.ConfigHash != s.task.Hash():
		return []Finding{failed("give the task another name, or put back what was changed",
			"an earlier run of %q, of %s, was made with other objects, topics, key columns, format, order, lanes, capitalization or timezone; they can't change under a task (rule C6)",
			s.task.Name, plan.Time.Format(time.RFC3339)).about(key)}, nil
	}
	return []Finding{success("the task continues its run of %s", plan.Time.Format(time.RFC3339)).about(key)}, nil
}

// earlier reads the plan of an earlier run, and its key; nil when there is none.
func (s *session) earlier(ctx context.Context) (*earlierPlan, string, error) {
	store, err := s.openStore(ctx)
	if err != nil {
		return nil, "", &missing{item: "CHECK_CONN_STATE", why: "the state store can't be used"}
	}
	t, err := state.NewTask(store, s.task.Name)
	if err != nil {
		return nil, "", err
	}
	plan, err := state.GetJSON[earlierPlan](ctx, store, t.Plan())
	switch {
	case errors.Is(err, state.ErrNotFound):
		return nil, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("look for an earlier run: %w", err)
	}
	return &plan, t.Plan(), nil
}

// checkTask says what the task file allows itself that is unwise or can't be.
func checkTask(_ context.Context, s *session) ([]Finding, error) {
	var findings []Finding
	for _, name := range s.task.Unset() {
		findings = append(findings, failed("export "+name+"='…'", "the environment variable %s is not set", name).about(name))
	}
	items := Items()
	for i, name := range s.task.Accept {
		if !slices.ContainsFunc(items, func(it Item) bool { return it.Name == name }) {
			findings = append(findings, failed(fmt.Sprintf("remove accept[%d], or name an item of the report", i),
				"accept[%d] names %q, which is no item of the precheck", i, name).about(name))
		}
	}
	for _, w := range s.task.Warnings() {
		path, why, _ := strings.Cut(w, ": ")
		findings = append(findings, warning("raise "+path+" in the task file", "%s: %s", path, why).about(path))
	}
	return findings, nil
}
