// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"context"
	"database/sql"
	"fmt"
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
// task's last checkpoint. At the deadline the error names the GTIDs missing.
func Fence(ctx context.Context, db *sql.DB, committed func(ctx context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, FenceWithin)
	defer cancel()
	var executed string
	if err := db.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&executed); err != nil {
		return fmt.Errorf("read gtid_executed: %w", err)
	}
	ticker := time.NewTicker(fenceEvery)
	defer ticker.Stop()
	missing := "not known: no checkpoint was read"
	for {
		set, err := committed(ctx)
		if err == nil {
			var left string
			err = db.QueryRowContext(ctx, "SELECT GTID_SUBTRACT(?, ?)", executed, set).Scan(&left)
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
