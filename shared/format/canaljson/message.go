// SPDX-License-Identifier: Apache-2.0

package canaljson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"slipway/shared/change"
)

// Row is one entry of data or old: each column's text, nil for NULL.
type Row map[string]*string

// Message is a Canal JSON message as a consumer reads it.
type Message struct {
	Data      []Row             `json:"data"`
	Database  string            `json:"database"`
	ES        int64             `json:"es"` // when it happened, Unix milliseconds
	GTID      string            `json:"gtid"`
	ID        int64             `json:"id"`
	IsDDL     bool              `json:"isDdl"`
	MySQLType map[string]string `json:"mysqlType"`
	Old       []Row             `json:"old"` // index by index with Data
	PKNames   []string          `json:"pkNames"`
	SQL       string            `json:"sql"`
	SQLType   map[string]int    `json:"sqlType"`
	Table     string            `json:"table"`
	TS        int64             `json:"ts"` // when it was encoded, Unix milliseconds
	Type      string            `json:"type"`
}

// keys are those of every message, in their order.
var keys = [...]string{
	"data", "database", "es", "gtid", "id", "isDdl", "mysqlType",
	"old", "pkNames", "sql", "sqlType", "table", "ts", "type",
}

// Parse reads a message and checks that it is one an Encoder can have written:
// all 14 keys once, nothing unknown, rows where rows belong and every column
// typed. A consumer may be laxer; what tests and the checker read may not.
func Parse(b []byte) (*Message, error) {
	if err := checkKeys(b); err != nil {
		return nil, fmt.Errorf("parse canal JSON: %w", err)
	}
	m := new(Message)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("parse canal JSON: %w", err)
	}
	check := m.checkRows
	if m.IsDDL {
		check = m.checkDDL
	}
	if err := check(); err != nil {
		return nil, fmt.Errorf("parse canal JSON: %s message of %s.%s: %w", m.Type, m.Database, m.Table, err)
	}
	return m, nil
}

// checkKeys wants one object of exactly the 14 keys, in their order.
func checkKeys(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("want an object"), err)
	}
	for _, want := range keys {
		if t, err := d.Token(); err != nil || t != want {
			return errors.Join(fmt.Errorf("want key %q instead of %v", want, t), err)
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return errors.Join(fmt.Errorf("want the end instead of %v", t), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

func (m *Message) checkDDL() error {
	if m.Data != nil || m.Old != nil || m.PKNames != nil || m.SQLType != nil || m.MySQLType != nil {
		return errors.New("a statement has no rows and no columns")
	}
	return nil
}

func (m *Message) checkRows() error {
	switch m.Type {
	case change.OpUpdate.String():
		if len(m.Old) != len(m.Data) {
			return fmt.Errorf("%d rows of old for %d of data", len(m.Old), len(m.Data))
		}
	case change.OpInsert.String(), change.OpDelete.String():
		if m.Old != nil {
			return errors.New("old belongs to an UPDATE")
		}
	default:
		return errors.New("unknown type")
	}
	if len(m.Data) == 0 {
		return errors.New("no rows")
	}
	for _, row := range m.Data {
		if len(row) != len(m.SQLType) || len(row) != len(m.MySQLType) {
			return fmt.Errorf("a row of %d columns, sqlType of %d, mysqlType of %d", len(row), len(m.SQLType), len(m.MySQLType))
		}
		if err := m.checkColumns(row); err != nil {
			return err
		}
	}
	for _, row := range m.Old {
		if err := m.checkColumns(row); err != nil {
			return err
		}
	}
	return nil
}

func (m *Message) checkColumns(row Row) error {
	for name := range row {
		_, typed := m.SQLType[name]
		if _, declared := m.MySQLType[name]; !typed || !declared {
			return fmt.Errorf("column %q has no type", name)
		}
	}
	return nil
}
