// SPDX-License-Identifier: Apache-2.0

package canal

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"slipway/shared/servertest"
)

// Source starts a MySQL that canal can read, for this test alone. Slipway wants
// the row metadata that canal 1.1.4 chokes on, so the two can't share a server:
// give both servers the same statements.
func Source(t testing.TB) *servertest.MySQLServer {
	t.Helper()
	return servertest.StartMySQL(t, "--binlog-row-metadata=MINIMAL")
}

// checkMetadata refuses a server whose binlog canal 1.1.4 fails on, for ever.
func checkMetadata(ctx context.Context, db *sql.DB) error {
	var metadata string
	if err := db.QueryRowContext(ctx, "SELECT @@global.binlog_row_metadata").Scan(&metadata); err != nil {
		return fmt.Errorf("ask for binlog_row_metadata: %w", err)
	}
	if metadata != "MINIMAL" {
		return fmt.Errorf("canal %s can't read a binlog with binlog_row_metadata=%s: give it a server of its own, by Source", version, metadata)
	}
	return nil
}
