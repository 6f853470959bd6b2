// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"testing"

	"slipway/shared/servertest"
)

// Rule S11: without GTIDs the log is read by position, to the same events.
func TestS11ReadingByPosition(t *testing.T) {
	t.Parallel()
	server := servertest.StartMySQL(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
	t.Run("transactions", func(t *testing.T) { transactionsAsTheyAreLogged(t, server) })
	t.Run("XA", func(t *testing.T) { xaAsItIsLogged(t, server) })
	t.Run("reconnects", func(t *testing.T) { everyEventOnceAcrossReconnects(t, server) })
}
