// SPDX-License-Identifier: Apache-2.0

// Package mysql is the source: connections, the catalog, keys and chunk
// reads, the binlog.
//
// It keeps rule D1 (a row read by SELECT and the same row decoded from the
// binlog give equal values) and rule T1 (every connection is checked against
// what was already read before a byte of it is believed). Nothing outside this
// package sees a driver's type.
package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"slipway/shared/change"
	"slipway/shared/fault"
)

// dialTimeout bounds a connection attempt, login included.
const dialTimeout = 10 * time.Second

// Config says how to reach the source.
type Config struct {
	// Addr is host:port.
	Addr     string
	User     string
	Password string
	// TLS is nil for an unencrypted connection.
	TLS *tls.Config
}

// Conn is one session at the source. It is not safe for concurrent use.
// Cancelling a call's context closes the session.
type Conn struct {
	c       *client.Conn
	addr    string
	server  Server
	sqlMode string // the session's, see understand
}

// Connect opens a session set up for reading rows exactly: UTC, no sql_mode,
// text in its column's own charset (see value.go), no time limits. Errors are
// classified SourceUnreachable, or Blocked around ErrUnsupported.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := (&net.Dialer{}).DialContext
	// The library's handshake knows no context: a deadline on the socket does.
	dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err == nil {
			err = nc.SetDeadline(time.Now().Add(dialTimeout))
		}
		return nc, err
	}
	c, err := client.ConnectWithDialer(ctx, "tcp", cfg.Addr, cfg.User, cfg.Password, "", dialer, func(c *client.Conn) error {
		c.SetTLSConfig(cfg.TLS)
		return c.SetCharset("utf8mb4")
	})
	if err != nil {
		return nil, Classify(cfg.Addr, err)
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, Classify(cfg.Addr, err)
	}
	conn := &Conn{c: c, addr: cfg.Addr}
	if conn.server, err = ParseServer(c.GetServerVersion(), ""); err != nil {
		conn.Close()
		return nil, fmt.Errorf("source %s: %w", cfg.Addr, err)
	}
	for _, s := range conn.server.sessionSetup() {
		if _, err := conn.Query(ctx, s); err != nil {
			conn.Close()
			return nil, fmt.Errorf("set up the session: %w", err)
		}
	}
	return conn, nil
}

// Close ends the session.
func (c *Conn) Close() { _ = c.c.Close() }

// Server is the server's version and what it can.
func (c *Conn) Server() Server { return c.server }

// Query runs one statement; with args it is prepared (binary protocol).
func (c *Conn) Query(ctx context.Context, sql string, args ...any) (*gomysql.Result, error) {
	defer c.closeOn(ctx)()
	r, err := c.c.Execute(sql, args...)
	if err != nil {
		return nil, c.wrap(ctx, err)
	}
	return r, nil
}

// Stream runs one prepared SELECT and hands out row after row; a row's memory
// is reused for the next. An error of the callback ends the session, since the
// rest of the result can't be taken back.
func (c *Conn) Stream(ctx context.Context, sql string, args []any, row func([]gomysql.FieldValue) error) error {
	defer c.closeOn(ctx)()
	stmt, err := c.c.Prepare(sql)
	if err != nil {
		return c.wrap(ctx, err)
	}
	var result gomysql.Result
	var stopped error
	err = stmt.ExecuteSelectStreaming(&result, func(r []gomysql.FieldValue) error {
		stopped = row(r)
		return stopped
	}, nil, args...)
	if stopped != nil {
		c.Close()
		return stopped
	}
	if err != nil {
		return c.wrap(ctx, err)
	}
	return c.wrap(ctx, stmt.Close())
}

// closeOn closes the session when ctx ends, which is what unblocks a read; the
// returned func disarms it.
func (c *Conn) closeOn(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, c.Close)
}

func (c *Conn) wrap(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return Classify(c.addr, err)
}

// String runs a SELECT of one value and gives it as text, "" for NULL.
func (c *Conn) String(ctx context.Context, sql string, args ...any) (string, error) {
	r, err := c.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	if r.RowNumber() == 0 {
		return "", fmt.Errorf("%s: no row", sql)
	}
	return r.GetString(0, 0)
}

// Executed is @@global.gtid_executed.
func (c *Conn) Executed(ctx context.Context) (change.GTIDSet, error) {
	s, err := c.String(ctx, "SELECT @@global.gtid_executed")
	if err != nil {
		return change.GTIDSet{}, err
	}
	return change.ParseGTIDSet(s)
}

// Purged is @@global.gtid_purged.
func (c *Conn) Purged(ctx context.Context) (change.GTIDSet, error) {
	s, err := c.String(ctx, "SELECT @@global.gtid_purged")
	if err != nil {
		return change.GTIDSet{}, err
	}
	return change.ParseGTIDSet(s)
}

// ServerUUID is @@server_uuid.
func (c *Conn) ServerUUID(ctx context.Context) (string, error) {
	return c.String(ctx, "SELECT @@server_uuid")
}

// FullRowMetadata tells whether table maps say what their columns are; servers
// before 8.0.1 have no such setting, and don't.
func (c *Conn) FullRowMetadata(ctx context.Context) (bool, error) {
	r, err := c.Query(ctx, "SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'")
	if err != nil || r.RowNumber() == 0 {
		return false, err
	}
	value, err := r.GetString(0, 1)
	return strings.EqualFold(value, "FULL"), err
}

// Classify gives a driver's error its class and remedy. addr names the place.
func Classify(addr string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	me, ok := errors.AsType[*gomysql.MyError](err)
	if !ok {
		return fault.New(fault.SourceUnreachable, "check that MySQL runs there and that this host may connect", "source %s: %w", addr, err)
	}
	switch me.Code {
	case gomysql.ER_ACCESS_DENIED_ERROR, gomysql.ER_DBACCESS_DENIED_ERROR:
		return fault.New(fault.Config, "check source.user and the variable behind source.password", "source %s: %w", addr, err)
	case gomysql.ER_MASTER_FATAL_ERROR_READING_BINLOG:
		if strings.Contains(me.Message, "GTID_MODE = ON") { // while a transaction without GTID wasn't read yet
			return fault.New(fault.Blocked, "SET GLOBAL gtid_mode = ON_PERMISSIVE, and ON once the task has caught up", "source %s: GTIDs were turned on too early: %w", addr, err)
		}
		return fault.New(fault.PositionLost, "take a new snapshot: run the task under a new name", "source %s: the binlog can't be read on: %w", addr, err)
	case gomysql.ER_CON_COUNT_ERROR, gomysql.ER_SERVER_SHUTDOWN:
		return fault.New(fault.SourceUnreachable, "", "source %s: %w", addr, err)
	}
	return fmt.Errorf("source %s: %w", addr, err)
}

// ErrorCode gives the MySQL error number in err's chain, 0 when there is none.
func ErrorCode(err error) int {
	if me, ok := errors.AsType[*gomysql.MyError](err); ok {
		return int(me.Code)
	}
	return 0
}

// QuoteTable quotes a table's full name.
func QuoteTable(t *change.Table) string { return QuoteName(t.Database) + "." + QuoteName(t.Name) }

// AwaitExecuted waits until the server has executed all of set: a transaction
// is in the log before it is.
func (c *Conn) AwaitExecuted(ctx context.Context, set change.GTIDSet) error {
	for {
		left, err := c.String(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET('"+set.String()+"', 10)")
		if err != nil {
			return fmt.Errorf("wait until %s is executed: %w", set, err)
		}
		if left == "0" {
			return nil
		}
	}
}

// commitPatience is how long a transaction may stay between the log and its
// commit, where semi-synchronous replication holds it until a replica answers.
const commitPatience = 15 * time.Second

// Missing gives what of set the server has not executed. A transaction can be
// read from the log before it is executed, so what is missing at first is
// waited for. A set by position that isn't all in this server's log is an error
// by itself.
func (c *Conn) Missing(ctx context.Context, set change.GTIDSet) (change.GTIDSet, error) {
	if place, ok := set.LogEnd(); ok {
		return change.GTIDSet{}, c.inLog(ctx, place)
	}
	executed, err := c.Executed(ctx)
	if err != nil || executed.Covers(set) {
		return change.GTIDSet{}, err
	}
	wait := fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', %d)", set.Minus(executed), int(commitPatience.Seconds()))
	if _, err := c.String(ctx, wait); err != nil {
		return change.GTIDSet{}, err
	}
	executed, err = c.Executed(ctx)
	return set.Minus(executed), err
}

// PreparedXIDs lists the XA transactions that are prepared at the server, as
// XA COMMIT takes them.
func (c *Conn) PreparedXIDs(ctx context.Context) ([]string, error) {
	r, err := c.Query(ctx, "XA RECOVER CONVERT XID")
	if err != nil {
		return nil, err
	}
	var xids []string
	for i := range r.RowNumber() {
		// formatID, gtrid_length, bqual_length, data as 0x…
		data, err := r.GetString(i, 3)
		if err != nil {
			return nil, err
		}
		format, err := r.GetInt(i, 0)
		if err != nil {
			return nil, err
		}
		g, err := r.GetInt(i, 1)
		if err != nil {
			return nil, err
		}
		hex := strings.TrimPrefix(data, "0x")
		if int64(len(hex)) < 2*g {
			return nil, fmt.Errorf("XA RECOVER: id %q is shorter than %d bytes", data, g)
		}
		xids = append(xids, fmt.Sprintf("X'%s',X'%s',%d", hex[:2*g], hex[2*g:], format))
	}
	return xids, nil
}

// Clock is the server's clock.
func (c *Conn) Clock(ctx context.Context) (time.Time, error) {
	r, err := c.Query(ctx, "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)")
	if err != nil {
		return time.Time{}, err
	}
	ms, err := r.GetInt(0, 0)
	return time.UnixMilli(ms), err
}
