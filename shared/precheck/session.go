// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"slipway/shared/change"
	"slipway/shared/connect"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/state"
	"slipway/shared/task"
)

// dialLimit bounds one attempt to reach an end, so that a firewall that drops
// packets costs seconds.
const dialLimit = 12 * time.Second

// session is one precheck under way: what several checks need is asked for
// once, when the first needs it, and so is its failure.
type session struct {
	// task is a copy: its FoldCase is set from the server.
	task task.Task
	log  *slog.Logger

	source memo[*mysql.Conn]
	sink   memo[*rocketmq.Client]
	store  memo[state.Store]

	vars   memo[variables]
	user   memo[account]
	grants memo[grants]
	tables memo[[]mysql.TableInfo]
	chosen memo[[]chosenTable]
}

func newSession(env Env) *session {
	log := env.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &session{task: *env.Task, log: log}
}

// close ends what was opened.
func (s *session) close() {
	if s.source.v != nil {
		s.source.v.Close()
	}
	if s.sink.v != nil {
		if err := s.sink.v.Close(); err != nil {
			s.log.Debug("close the connection to RocketMQ", "error", err)
		}
	}
}

// memo is a value that is fetched at most once, its failure included.
type memo[T any] struct {
	done bool
	v    T
	err  error
}

func (m *memo[T]) get(fetch func() (T, error)) (T, error) {
	if !m.done {
		m.v, m.err = fetch()
		m.done = true
	}
	return m.v, m.err
}

// missing says that a check needs what another one found wanting.
type missing struct {
	item, why string
	// optional: what the item found is a warning, and can be accepted.
	optional bool
}

func (m *missing) Error() string { return m.why + " (" + m.item + ")" }

func (m *missing) finding() Finding {
	f := Finding{Level: Skipped, What: "not checked: " + m.why, Remedy: "mend " + m.item + " first"}
	if m.optional {
		f.needs = m.item
	}
	return f
}

func asMissing(err error) (*missing, bool) { return errors.AsType[*missing](err) }

func asFault(err error) (*fault.Error, bool) { return errors.AsType[*fault.Error](err) }

// dialSource is the source's connection and, for checkSource alone, why there
// is none.
func (s *session) dialSource(ctx context.Context) (*mysql.Conn, error) {
	return s.source.get(func() (*mysql.Conn, error) {
		cfg, err := connect.Source(s.task.Source)
		if err != nil {
			return nil, err
		}
		return mysql.Connect(ctx, cfg)
	})
}

// conn is the source's connection for every other check.
func (s *session) conn(ctx context.Context) (*mysql.Conn, error) {
	c, err := s.dialSource(ctx)
	switch {
	case errors.Is(err, mysql.ErrUnsupported):
		return nil, &missing{item: "CHECK_SRC", why: "the server's version is not supported"}
	case err != nil:
		return nil, &missing{item: "CHECK_CONN_SRC", why: "there is no connection to MySQL"}
	}
	return c, nil
}

// dialSink is the destination's connection and, for checkDestination alone,
// why there is none.
func (s *session) dialSink(ctx context.Context) (*rocketmq.Client, error) {
	return s.sink.get(func() (*rocketmq.Client, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, dialLimit, fmt.Errorf("no answer within %v", dialLimit))
		defer cancel()
		return rocketmq.Dial(ctx, connect.Sink(s.task.Destination))
	})
}

// client is the destination's connection for every other check.
func (s *session) client(ctx context.Context) (*rocketmq.Client, error) {
	c, err := s.dialSink(ctx)
	if err != nil {
		return nil, &missing{item: "CHECK_CONN_DEST", why: "there is no connection to RocketMQ"}
	}
	return c, nil
}

// openStore is the state store, proven to keep rule C1 and, for checkStore
// alone, why there is none.
func (s *session) openStore(ctx context.Context) (state.Store, error) {
	return s.store.get(func() (state.Store, error) {
		store, err := state.Open(ctx, s.task.State)
		if err != nil {
			return nil, err
		}
		return store, state.Probe(ctx, store)
	})
}

// variables are the server's global ones; one it doesn't know is absent.
type variables map[string]string

func (v variables) on(name string) bool { return v[name] == "ON" || v[name] == "1" }

// settings fetches all variables that any check looks at.
func (s *session) settings(ctx context.Context) (variables, error) {
	return s.vars.get(func() (variables, error) {
		c, err := s.conn(ctx)
		if err != nil {
			return nil, err
		}
		r, err := c.Query(ctx, "SHOW GLOBAL VARIABLES")
		if err != nil {
			return nil, err
		}
		v := make(variables, r.RowNumber())
		for i := range r.RowNumber() {
			name, err := r.GetString(i, 0)
			if err != nil {
				return nil, err
			}
			if v[name], err = r.GetString(i, 1); err != nil {
				return nil, err
			}
		}
		return v, nil
	})
}

// setGlobal is the statement that sets a variable for now and, where the
// server can, for its next start. The value is SQL.
func (v variables) setGlobal(name, value string) string {
	if _, ok := v["persisted_globals_load"]; ok {
		return fmt.Sprintf("SET PERSIST %s = %s;", name, value)
	}
	return fmt.Sprintf("SET GLOBAL %s = %s;", name, value)
}

// account is who the server takes us for.
type account struct{ name, host string }

// String quotes the account for SQL.
func (a account) String() string { return quoteText(a.name) + "@" + quoteText(a.host) }

// account asks who we are.
func (s *session) account(ctx context.Context) (account, error) {
	return s.user.get(func() (account, error) {
		c, err := s.conn(ctx)
		if err != nil {
			return account{}, err
		}
		who, err := c.String(ctx, "SELECT CURRENT_USER()")
		at := strings.LastIndexByte(who, '@')
		if err != nil || at < 0 {
			return account{}, fmt.Errorf("ask who the account is: %q: %w", who, err)
		}
		return account{who[:at], who[at+1:]}, nil
	})
}

// chosenTable is a selected table with its entry and definition.
type chosenTable struct {
	mysql.TableInfo
	rule  task.Rule
	table *change.Table
}

// listed gives every table the account can see; it sets FoldCase.
func (s *session) listed(ctx context.Context) ([]mysql.TableInfo, error) {
	return s.tables.get(func() ([]mysql.TableInfo, error) {
		c, err := s.conn(ctx)
		if err != nil {
			return nil, err
		}
		v, err := s.settings(ctx)
		if err != nil {
			return nil, err
		}
		s.task.FoldCase = v["lower_case_table_names"] != "0"
		return mysql.ListTables(ctx, c)
	})
}

// selected gives the selected tables with their definitions, without those two
// entries fight for.
func (s *session) selected(ctx context.Context) ([]chosenTable, error) {
	return s.chosen.get(func() ([]chosenTable, error) {
		tables, err := s.listed(ctx)
		if err != nil {
			return nil, err
		}
		var chosen []chosenTable
		var names []change.TableName
		for _, t := range tables {
			if rule, ok, err := s.task.Select(t.Database, t.Name); ok && err == nil {
				chosen = append(chosen, chosenTable{TableInfo: t, rule: rule})
				names = append(names, t.TableName)
			}
		}
		definitions, err := mysql.LoadTables(ctx, s.source.v, names)
		if err != nil {
			return nil, err
		}
		for i := range chosen {
			chosen[i].table = definitions[i]
		}
		return chosen, nil
	})
}

// quoteName and quoteText quote for SQL.
func quoteName(name string) string { return mysql.QuoteName(name) }

func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `''`).Replace(text) + "'"
}
