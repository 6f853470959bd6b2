// SPDX-License-Identifier: Apache-2.0

// Package app is the application behind every way to run it: the five functions, `slipway run` and the status page call
// the same five methods of [App].
//
// The invariant: a method is one idempotent step of one task. It loads the task file from the state store by the task's
// name, finds in the task's objects how far things are, goes on from there and leaves the rest in objects again; what it
// returns is only what the workflow branches on. So outputs are small (a flow's state data is bounded by 64 KiB), and
// every key is always present, empty rather than absent: what a missing key means to CloudFlow is undocumented.
//
// Errors are classified (package fault): the class is the error type that the workflow's Retry rules match.
package app

import "encoding/json"

// Tables lists tables as "database.table". It marshals to [] when empty, never to null: the workflow takes its length.
type Tables []string

// MarshalJSON keeps an empty list a list.
func (t Tables) MarshalJSON() ([]byte, error) {
	if t == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]string(t))
}

// PrecheckInput names the task.
type PrecheckInput struct {
	Task string `json:"task"`
}

// PrecheckOutput says whether the task may start. The whole report is the object precheck.json.
type PrecheckOutput struct {
	// Report counts the findings; it must stay small.
	Report PrecheckSummary `json:"report"`
	// Blocked is true when a finding must be mended first.
	Blocked bool `json:"blocked"`
}

// PrecheckSummary counts findings by level.
type PrecheckSummary struct {
	Failed   int `json:"failed"`
	Warnings int `json:"warnings"`
	Passed   int `json:"passed"`
}

// PlanInput names the task and, for a new generation, the tables to snapshot anew (S4).
type PlanInput struct {
	Task string `json:"task"`
	// Again is empty for the first plan, which covers every selected table.
	Again Tables `json:"again"`
}

// PlanOutput says how the snapshot is shared out.
type PlanOutput struct {
	// Workers has one item for each worker, at most 40; a Map iterates over them, never over chunks. At least one when
	// Chunks > 0.
	Workers []Worker `json:"workers"`
	// Chunks is how many chunks there are to read; 0 skips the snapshot.
	Chunks int `json:"chunks"`
}

// Worker is one share of the chunks. It is an object and carries the count because an inline Map gives its Processor
// nothing but the item.
type Worker struct {
	// Worker is this one's number, from 0.
	Worker int `json:"worker"`
	// Workers is how many there are.
	Workers int `json:"workers"`
}

// Workers makes the shares of n workers.
func Workers(n int) []Worker {
	shares := make([]Worker, n)
	for i := range shares {
		shares[i] = Worker{Worker: i, Workers: n}
	}
	return shares
}

// SnapshotInput names the task and the share: the worker takes the chunks n with n mod Workers = Worker.
type SnapshotInput struct {
	Task string `json:"task"`
	Worker
}

// SnapshotOutput says whether the worker stopped because its deadline came near.
type SnapshotOutput struct {
	More bool `json:"more"`
}

// MaxWait is the longest pause in seconds that a workflow can make in one state.
const MaxWait = 300

// SettleInput names the task.
type SettleInput struct {
	Task string `json:"task"`
}

// SettleOutput says what follows the snapshot; the first of More, Wait, Again, Done that is set counts.
type SettleOutput struct {
	// More is true while chunks are missing.
	More bool `json:"more"`
	// Wait is for how many seconds, at most MaxWait, an invocation that ended unseen may still be sending (S10).
	Wait int `json:"wait"`
	// Again lists void tables to plan anew before sealing.
	Again Tables `json:"again"`
	// Done is true when a full-only task is complete.
	Done bool `json:"done"`
	// Epoch is the one the tail starts with, from 1; 0 unless the seam is sealed.
	Epoch int64 `json:"epoch"`
}

// TailInput names the task, the epoch to run and the attempt.
type TailInput struct {
	Task  string `json:"task"`
	Epoch int64  `json:"epoch"`
	// ID is tail-<task>-<epoch>-<try> (C4); it names the attempt in logs and on the chain.
	ID string `json:"id"`
}

// TailOutput says why the tail ended; exactly one field is set.
type TailOutput struct {
	// Again lists tables to snapshot anew (S4).
	Again Tables `json:"again"`
	// Handover is the next epoch; 0 when there is none.
	Handover int64 `json:"handover"`
	// Stopped is true when the task was told to stop.
	Stopped bool `json:"stopped"`
}
