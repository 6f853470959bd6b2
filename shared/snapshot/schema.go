// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/state"
)

// Schema is the table definitions as of a position (rule T5).
type Schema struct {
	mysql.Schema
	// Settled names the tables whose definition the binlog has confirmed.
	Settled []string `json:"settled,omitempty"`
}

// SaveSchema stores definitions as of seq and gives their key. It follows from
// what they are, so that whoever comes to this position again finds its own.
func SaveSchema(ctx context.Context, t *state.Task, seq int64, schema Schema) (string, error) {
	text, err := json.Marshal(schema)
	if err != nil {
		return "", fmt.Errorf("write the table definitions: %w", err)
	}
	sum := sha256.Sum256(text)
	key := t.SchemaAt(seq, hex.EncodeToString(sum[:6]))
	err = state.CreateJSON(ctx, t.Store, key, schema)
	if errors.Is(err, state.ErrExists) {
		err = nil
	}
	return key, err
}

// schema reads the definitions that the tail begins with: those of the selected
// tables, and where table maps don't say what their columns are, those of all
// tables that a DDL could make a selected one of.
func (p *Planner) schema(ctx context.Context, conn *mysql.Conn, selected []change.TableName) (Schema, error) {
	full, err := conn.FullRowMetadata(ctx)
	if err != nil {
		return Schema{}, err
	}
	names := selected
	if !full {
		all, err := mysql.ListTables(ctx, conn)
		if err != nil {
			return Schema{}, err
		}
		names = nil
		for _, t := range all {
			if p.cfg.Pipeline.Concerns(t.Database) {
				names = append(names, t.TableName)
			}
		}
	}
	defs, err := mysql.LoadDefinitions(ctx, conn, names)
	if err != nil {
		return Schema{}, err
	}
	databases, err := mysql.DatabaseCollations(ctx, conn)
	if err != nil {
		return Schema{}, err
	}
	for db := range databases {
		if !p.cfg.Pipeline.Concerns(db) {
			delete(databases, db)
		}
	}
	var s Schema
	s.Databases = databases
	for _, name := range names {
		if d := defs[name]; d != nil {
			s.Tables = append(s.Tables, d)
		}
	}
	return s, nil
}
