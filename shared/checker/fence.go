// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	fenceEvery = 100 * time.Millisecond
	// FenceWithin bounds a Fence whose context has no earlier deadline.
	FenceWithin = 5 * time.Minute
)

// Fence waits until all that the source has executed is committed, so that the
// topic and the source can be compared. The writers must have stopped; what
// they executed is read once, at the start. committed tells the GTID set of the
// task's last checkpoint, or its set by position where the source gives none.
// At the deadline the error names what is missing.
func Fence(ctx context.Context, db *sql.DB, committed func(ctx context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, FenceWithin)
	defer cancel()
	end, err := readEnd(ctx, db)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(fenceEvery)
	defer ticker.Stop()
	missing := "not known: no checkpoint was read"
	for {
		set, err := committed(ctx)
		if err == nil {
			var left string
			left, err = end.missing(ctx, db, set)
			if err == nil && left == "" {
				return nil
			}
			if err == nil {
				missing = left
			}
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("compare the checkpoint with the source: %w", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the checkpoint does not reach the source's end, missing %s (is the tail running, and is no one writing?): %w", missing, ctx.Err())
		}
	}
}

// sourceEnd is where the source stood when its writers had stopped: by GTID, and
// by position for a task that reads a source without GTIDs (rule S11).
type sourceEnd struct {
	executed string
	position int64
}

func readEnd(ctx context.Context, db *sql.DB) (e sourceEnd, err error) {
	if err := db.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&e.executed); err != nil {
		return e, fmt.Errorf("read gtid_executed: %w", err)
	}
	var file string
	var pos int64
	var rest [3]any
	err = db.QueryRowContext(ctx, "SHOW BINARY LOG STATUS").Scan(&file, &pos, &rest[0], &rest[1], &rest[2])
	if err != nil { // before 8.2
		err = db.QueryRowContext(ctx, "SHOW MASTER STATUS").Scan(&file, &pos, &rest[0], &rest[1], &rest[2])
	}
	if err != nil {
		return e, fmt.Errorf("read the binlog's end: %w", err)
	}
	number, err := strconv.ParseInt(file[strings.LastIndexByte(file, '.')+1:], 10, 64)
	if err != nil {
		return e, fmt.Errorf("read the number of binlog file %q: %w", file, err)
	}
	e.position = number*1e12 + pos
	return e, nil
}

var setForm = regexp.MustCompile(`^[0-9a-f-]{36}:log:1-([1-9][0-9]{12,})$`)

// missing is what a committed set lacks, "" for nothing.
func (e sourceEnd) missing(ctx context.Context, db *sql.DB, committed string) (left string, err error) {
	if m := setForm.FindStringSubmatch(committed); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err == nil && n < e.position {
			left = fmt.Sprintf("%d to %d", n+1, e.position)
		}
		return left, err
	}
	if committed == "" && e.executed == "" {
		return "everything", nil // there is no checkpoint, and no GTID to tell by
	}
	err = db.QueryRowContext(ctx, "SELECT GTID_SUBTRACT(?, ?)", e.executed, committed).Scan(&left)
	return left, err
}
