// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
)

// LogPosition is a place in the binlog: comparable on one server only.
type LogPosition struct {
	File string `json:"file"`
	Pos  uint64 `json:"pos"`
	// Begun is when the server began the file, in Unix seconds: after RESET BINARY
	// LOGS another file gets the name. 0 when it isn't known.
	Begun int64 `json:"begun,omitempty"`
}

// Compare orders positions by (file number, offset), rule T6.
func (p LogPosition) Compare(o LogPosition) int {
	if c := compareLogFiles(p.File, o.File); c != 0 {
		return c
	}
	switch {
	case p.Pos < o.Pos:
		return -1
	case p.Pos > o.Pos:
		return 1
	}
	return 0
}

// compareLogFiles orders names like binlog.000009 and binlog.1000000.
func compareLogFiles(a, b string) int {
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// GTID names the place as a transaction that lies there (rule S11).
func (p LogPosition) GTID(uuid string) (change.GTID, error) {
	_, number, err := splitLogName(p.File)
	if err != nil {
		return change.GTID{}, err
	}
	return change.LogGTID(uuid, number, int64(p.Pos))
}

// splitLogName parts a log file's name: binlog.000042.
func splitLogName(file string) (base string, number int64, err error) {
	i := strings.LastIndexByte(file, '.')
	if i >= 0 {
		number, err = strconv.ParseInt(file[i+1:], 10, 64)
	}
	if i < 0 || err != nil {
		return "", 0, fmt.Errorf("binlog file %q has no number", file)
	}
	return file[:i], number, nil
}

// LogEnd is the binlog's end. What any view opened before the call can see
// lies before it (rule S1).
func (c *Conn) LogEnd(ctx context.Context) (LogPosition, error) {
	r, err := c.Query(ctx, c.server.LogStatus())
	if err != nil {
		return LogPosition{}, err
	}
	if r.RowNumber() == 0 {
		return LogPosition{}, fault.New(fault.Blocked, "start mysqld with --log-bin", "the binlog of %s is off", c.addr)
	}
	file, err := r.GetString(0, 0)
	if err != nil {
		return LogPosition{}, err
	}
	pos, err := r.GetUint(0, 1)
	return LogPosition{File: file, Pos: pos}, err
}

// HasGTIDs tells whether every transaction of the server has a GTID.
func (c *Conn) HasGTIDs(ctx context.Context) (bool, error) {
	mode, err := c.String(ctx, "SELECT @@global.gtid_mode")
	return mode == "ON", err
}

// Logged is everything that is in the binlog, visible or not, as a set by
// position (rule S11), and the log's end.
func (c *Conn) Logged(ctx context.Context) (set change.GTIDSet, end LogPosition, err error) {
	uuid, err := c.ServerUUID(ctx)
	if err != nil {
		return set, end, err
	}
	if end, err = c.LogEnd(ctx); err != nil {
		return set, end, err
	}
	place, err := end.GTID(uuid)
	if err != nil {
		return set, end, fmt.Errorf("source %s: %w", c.addr, err)
	}
	set.AddBefore(place)
	return set, end, nil
}

// inLog refuses a place that this server's log doesn't reach: without GTIDs
// there is no following from one server's to another's (rule S11).
func (c *Conn) inLog(ctx context.Context, place change.GTID) error {
	logged, end, err := c.Logged(ctx)
	if err != nil {
		return err
	}
	here, _ := logged.LogEnd()
	was, file, offset, _ := place.LogPlace()
	is, _, _, _ := here.LogPlace()
	switch {
	case was != is:
		return fault.New(fault.PositionLost, otherServerRemedy,
			"source %s is server %s, and the task was reading server %s by position, without GTIDs: what it read means nothing elsewhere", c.addr, is, was)
	case place.N > here.N:
		return fault.New(fault.PositionLost, otherServerRemedy,
			"the binlog of source %s ends at %s:%d, and was read up to %d in file number %d: the server was restored, or the log was reset", c.addr, end.File, end.Pos, offset, file)
	}
	return nil
}

const (
	newSnapshotRemedy = "take a new snapshot under a new task name"
	otherServerRemedy = "point the task at the server it was reading, or " + newSnapshotRemedy
)

// SemiSyncTimeout is how long a commit may wait for a replica's answer: behind
// its write to the log, before anybody sees it. 0 where none waits.
func (c *Conn) SemiSyncTimeout(ctx context.Context) (time.Duration, error) {
	// The names changed with 8.0.26; a server may have the plugin of either time.
	r, err := c.Query(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name REGEXP '^rpl_semi_sync_(master|source)_(enabled|timeout)$'`)
	if err != nil {
		return 0, err
	}
	on, timeout := false, time.Duration(0)
	for i := range r.RowNumber() {
		name, err := r.GetString(i, 0)
		if err != nil {
			return 0, err
		}
		value, err := r.GetString(i, 1)
		if err != nil {
			return 0, err
		}
		if strings.HasSuffix(name, "_enabled") {
			on = on || value == "ON"
			continue
		}
		ms, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is %q: %w", name, value, err)
		}
		timeout = time.Duration(min(ms, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
	}
	if !on {
		timeout = 0
	}
	return timeout, nil
}

// logFile gives the log file with a number, nil when the server hasn't got it
// (any more).
func (c *Conn) logFile(ctx context.Context, number int64) (*LogPosition, error) {
	r, err := c.Query(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	for i := range r.RowNumber() {
		name, err := r.GetString(i, 0)
		if err != nil {
			return nil, err
		}
		if _, n, err := splitLogName(name); err != nil || n != number {
			continue
		}
		size, err := r.GetUint(i, 1)
		return &LogPosition{File: name, Pos: size}, err
	}
	return nil, nil
}
