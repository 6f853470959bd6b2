// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"slipway/scripts/rig"
	"slipway/shared/checker"
)

// closeShop stops the writer and waits until the topic holds all it did.
func (d *demo) closeShop(ctx context.Context) error {
	d.page.section("Closing time")
	till := d.till
	d.till = nil
	if err := till.close(); err != nil {
		return err
	}
	begun := time.Now()
	for _, v := range d.bucket.env() {
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil { // the store's client looks nowhere else
			return err
		}
	}
	chain, err := rig.Chain(ctx, d.bucket.state(), "shop")
	if err != nil {
		return err
	}
	d.page.now("waiting until everything the shop did is committed")
	if err := checker.Fence(ctx, d.db, rig.Committed(chain, d.running().Ended)); err != nil {
		return err
	}
	d.page.done("complete", fmt.Sprintf("%s after the last of %s transactions, everything was in the topic and in a checkpoint", since(begun), grouped(till.sold.Load())))
	return nil
}

// showMessages shows one message of each kind.
func (d *demo) showMessages(ctx context.Context) error {
	d.page.section("What a consumer sees")
	type kind struct{ title, phase, op string }
	for _, k := range []kind{
		{"a row of the snapshot", "full", "INSERT"},
		{"an update, with what was there before", "incremental", "UPDATE"},
		{"a delete", "incremental", "DELETE"},
	} {
		m, err := d.find(ctx, k.phase, k.op)
		if err != nil {
			return err
		}
		if m == nil {
			continue // in so short a time nobody cancelled anything
		}
		d.page.line("  " + d.page.paint(bold, k.title))
		if err := d.showMessage(m); err != nil {
			return err
		}
	}
	return nil
}

// find gives a message of a kind, one with a single row if there is one among the first; nil when there is none.
func (d *demo) find(ctx context.Context, phase, op string) (*checker.Message, error) {
	var best *checker.Message
	seen := 0
	for m, err := range checker.Stream(ctx, d.servers.NameServer, []string{topic}) {
		if err != nil {
			return nil, fmt.Errorf("read the topic: %w", err)
		}
		if m.Properties["phase"] != phase || m.Properties["op"] != op {
			continue
		}
		if best == nil {
			best = &m
		}
		if m.Properties["rows"] == "1" {
			return &m, nil
		}
		if seen++; seen > 200 {
			break
		}
	}
	return best, nil
}

// shownProperties are the user properties that a consumer steers by.
var shownProperties = []string{"phase", "op", "seq", "lastSeq", "rows", "lane", "epoch", "id", "replay"}

// showMessage writes queue, properties and body; of a packed body the first row.
func (d *demo) showMessage(m *checker.Message) error {
	d.page.text(d.page.paint(dim, fmt.Sprintf("queue %d, offset %d", m.Queue, m.Offset)))
	var props []string
	for _, name := range shownProperties {
		if v := m.Properties[name]; v != "" {
			props = append(props, name+"="+v)
		}
	}
	d.page.text(strings.Join(props, "  "))
	var body map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return fmt.Errorf("a body that is not JSON: %w", err)
	}
	for _, name := range []string{"database", "table", "type", "pkNames", "data", "old"} {
		raw := body[name]
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		if name == "data" || name == "old" {
			raw = first(raw)
		}
		d.page.text(fmt.Sprintf("%-10s %s", `"`+name+`"`, raw))
	}
	return nil
}

// first shortens a list of rows to its first.
func first(raw json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) < 2 {
		return raw
	}
	return fmt.Appendf(nil, "[%s, … %d more]", list[0], len(list)-1)
}

// errDiffers ends the demo when the topic is not the shop.
var errDiffers = errors.New("the topic is not the shop: this is a bug, please report it with the lines above")

// prove compares the topic with the shop.
func (d *demo) prove(ctx context.Context) error {
	d.page.section("The proof: source = topic")
	d.page.now("reading every message with another client, comparing every value")
	begun := time.Now()
	var list []checker.Table
	for _, name := range shopTables {
		list = append(list, checker.Table{Database: "shop", Name: name})
	}
	r, err := checker.Run(ctx, checker.Config{NameServer: d.servers.NameServer, Topics: []string{topic}, DB: d.db, Tables: list})
	if err != nil {
		return err
	}
	if !r.OK() {
		d.page.failed("source ≠ topic")
		d.page.text(r.String())
		return errDiffers
	}
	var rows int64
	for _, t := range r.Tables {
		rows += t.Source
		d.page.done(strings.TrimPrefix(t.Table, "shop."), fmt.Sprintf("source %8s rows   =   topic %8s rows", grouped(t.Source), grouped(t.Topic)))
	}
	if rows == 0 || r.Full == 0 || r.Incremental == 0 {
		return fmt.Errorf("nothing was compared: %s", r.String())
	}
	d.page.note("all values of %s rows are equal, after %s messages with %s rows of the snapshot and %s later changes",
		grouped(rows), grouped(r.Messages), grouped(r.Full), grouped(r.Incremental))
	d.page.note("order per row, seq, ids and properties are as promised; %s messages marked as replays; checked in %s", grouped(r.Replays), since(begun))
	return nil
}
