// SPDX-License-Identifier: Apache-2.0

package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CheckpointVersion is the newest form of a checkpoint this program can read.
const CheckpointVersion = 1

// ErrVersion says that an object was written by a newer program than this one.
var ErrVersion = errors.New("written by a newer version of slipway; upgrade this one")

// ErrInvalid says that a checkpoint contradicts itself or the one before it. It is a
// fault in the program, and nothing was written.
var ErrInvalid = errors.New("invalid checkpoint")

// Position is how far everything is acknowledged.
type Position struct {
	// GTIDSet holds the transactions that are wholly acknowledged or need not be sent.
	GTIDSet string `json:"gtidSet"`
	// File and Pos say the same by binlog file and offset, on ServerUUID only.
	// FileBegun is when the server began the file, in Unix seconds, where that is all
	// there is (rule S11).
	File      string `json:"file,omitempty"`
	Pos       uint64 `json:"pos,omitempty"`
	FileBegun int64  `json:"fileBegun,omitempty"`
	// ServerUUID is the @@server_uuid of the server the position was read from.
	ServerUUID string `json:"serverUuid,omitempty"`
	// Seq is the number of the last acknowledged row or DDL (D2); never falls.
	Seq int64 `json:"seq"`
	// Open is set when the position lies inside a transaction, which then is not in
	// GTIDSet (T2).
	Open *OpenTransaction `json:"open,omitempty"`
}

// OpenTransaction is a transaction that is acknowledged in part.
type OpenTransaction struct {
	// GTID names the transaction.
	GTID string `json:"gtid"`
	// Row counts its acknowledged rows from the start, those of other tables included.
	Row int64 `json:"row"`
}

// Reserved is how far rows may have been sent.
type Reserved struct {
	// Seq is the highest number that may have been sent; at least Committed.Seq.
	Seq int64 `json:"seq"`
}

// Thinned says how far a chain is thinned out; see [Lease.Prune].
type Thinned struct {
	// Minutes and Hours are the last checkpoints kept by the pass of that grain.
	Minutes int64 `json:"minutes,omitempty"`
	Hours   int64 `json:"hours,omitempty"`
}

// Checkpoint is one link of a task's chain. The lease fills in Version, N, Epoch,
// Owner, Time, HoldMillis and Released; the tail owns the rest.
type Checkpoint struct {
	// Version is the form of this object, 1 for the one described here.
	Version int `json:"version"`
	// N is the place in the chain, from 1 on.
	N int64 `json:"n"`
	// Epoch counts the tail's invocations; never falls along the chain.
	Epoch int64 `json:"epoch"`
	// Owner is the nonce of the process that wrote this.
	Owner string `json:"owner"`
	// Time is the owner's wall clock at writing. Leases don't depend on it.
	Time time.Time `json:"time"`
	// HoldMillis is how long, in ms, a newcomer must see this tip unmoved before it
	// may take over: the owner's lease, send time-out and ambiguous wait.
	HoldMillis int64 `json:"holdMillis,omitempty"`
	// Released says that the owner has nothing in flight and is gone (C4).
	Released bool `json:"released,omitempty"`
	// Stopped says that it was released because the operator ended the task.
	Stopped bool `json:"stopped,omitempty"`

	// Committed is acknowledged, Reserved may have been sent; a copy can only be of
	// something between the two.
	Committed Position `json:"committed"`
	Reserved  Reserved `json:"reserved"`

	// XA maps the xid of each prepared transaction to the object that holds its rows.
	XA map[string]string `json:"xa,omitempty"`
	// Schema is the key of the table definitions as of Committed.
	Schema string `json:"schema,omitempty"`
	// LagMillis is how far the task is behind its source, in ms; 0 when it is level.
	LagMillis int64 `json:"lagMillis"`
	// Counts are running totals by name, for status and metrics.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Again names the tables, as database.table, that must be snapshotted anew (S4).
	Again []string `json:"again,omitempty"`
	// Thinned is how far the chain is pruned.
	Thinned Thinned `json:"thinned,omitzero"`
}

// clone returns a copy that shares nothing with c.
func (c Checkpoint) clone() Checkpoint {
	c.XA = maps.Clone(c.XA)
	c.Counts = maps.Clone(c.Counts)
	c.Again = slices.Clone(c.Again)
	if c.Committed.Open != nil {
		open := *c.Committed.Open
		c.Committed.Open = &open
	}
	return c
}

// check returns ErrInvalid if c breaks a rule on its own.
func (c Checkpoint) check() error {
	switch {
	case c.Version < 1:
		return fmt.Errorf("%w: it has no version", ErrInvalid)
	case c.N < 1:
		return fmt.Errorf("%w: its number is %d", ErrInvalid, c.N)
	case c.Committed.Seq < 0:
		return fmt.Errorf("%w %d: committed seq %d is negative", ErrInvalid, c.N, c.Committed.Seq)
	case c.Reserved.Seq < c.Committed.Seq:
		return fmt.Errorf("%w %d: reserved seq %d is below committed seq %d", ErrInvalid, c.N, c.Reserved.Seq, c.Committed.Seq)
	}
	return nil
}

// follows returns ErrInvalid if c may not come right after last.
func (c Checkpoint) follows(last Checkpoint) error {
	if err := c.check(); err != nil {
		return err
	}
	was, is := last.Committed.Open, c.Committed.Open
	switch {
	case c.N != last.N+1:
		return fmt.Errorf("%w %d: it would follow number %d", ErrInvalid, c.N, last.N)
	case c.Epoch < last.Epoch:
		return fmt.Errorf("%w %d: epoch falls from %d to %d", ErrInvalid, c.N, last.Epoch, c.Epoch)
	case c.Committed.Seq < last.Committed.Seq:
		return fmt.Errorf("%w %d: committed seq falls from %d to %d", ErrInvalid, c.N, last.Committed.Seq, c.Committed.Seq)
	case was != nil && is != nil && was.GTID == is.GTID && is.Row < was.Row:
		return fmt.Errorf("%w %d: committed falls from row %d to %d of %s", ErrInvalid, c.N, was.Row, is.Row, is.GTID)
	case c.Reserved.Seq < last.Reserved.Seq && !c.Released:
		return fmt.Errorf("%w %d: reserved seq falls from %d to %d without a release", ErrInvalid, c.N, last.Reserved.Seq, c.Reserved.Seq)
	}
	return nil
}

// decodeCheckpoint reads a checkpoint, the version first: a newer form need not even
// have the same fields.
func decodeCheckpoint(key string, body []byte) (Checkpoint, error) {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return Checkpoint{}, fmt.Errorf("read %s: %w: %w", key, ErrUnreadable, err)
	}
	if v.Version > CheckpointVersion {
		return Checkpoint{}, fmt.Errorf("read %s (version %d, at most %d known): %w", key, v.Version, CheckpointVersion, ErrVersion)
	}
	var c Checkpoint
	if err := json.Unmarshal(body, &c); err != nil {
		return Checkpoint{}, fmt.Errorf("read %s: %w: %w", key, ErrUnreadable, err)
	}
	if err := c.check(); err != nil {
		return Checkpoint{}, fmt.Errorf("read %s: %w", key, err)
	}
	return c, nil
}
