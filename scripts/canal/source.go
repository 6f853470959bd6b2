// SPDX-License-Identifier: Apache-2.0

package canal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Flags are those of a MySQL that canal 1.1.4 can read: the row metadata that
// Slipway would rather have makes it fail.
func Flags() []string { return []string{"--loose-binlog-row-metadata=MINIMAL"} }

// checkMetadata refuses a server whose binlog canal 1.1.4 fails on, for ever.
func checkMetadata(ctx context.Context, db *sql.DB) error {
	var name, metadata string
	err := db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'").Scan(&name, &metadata)
	if errors.Is(err, sql.ErrNoRows) { // MySQL 5.7
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for binlog_row_metadata: %w", err)
	}
	if metadata != "MINIMAL" {
		return fmt.Errorf("canal %s can't read a binlog with binlog_row_metadata=%s: give it a server of its own, started with Flags", version, metadata)
	}
	return nil
}
