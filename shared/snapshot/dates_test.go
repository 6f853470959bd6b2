// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
	"slipway/shared/snapshot"
)

// Keys that are no days of the calendar (31 February, the zero date, a month
// without days) bound chunks like any other: a row whose key the server won't
// read back as a bound would be in no chunk (rule S9).
func TestS9DatesOffTheCalendar(t *testing.T) {
	t.Parallel()
	tables := []struct{ name, columns, key string }{
		{"dates", "k DATE PRIMARY KEY", "CONCAT(LPAD(i, 4, '0'), '-02-', 29 + i % 3)"},
		{"moments", "k DATETIME(3) PRIMARY KEY", "CONCAT(1000 + i, '-11-31 23:59:59.', LPAD(i, 3, '0'))"},
		{"zeros", "k DATE, j INT, PRIMARY KEY (k, j)", "IF(i % 2, '0000-00-00', CONCAT('2024-', i % 13, '-00')), i"},
		{"stamps", "k TIMESTAMP(2), j INT, PRIMARY KEY (k, j)", "'0000-00-00 00:00:00', i"},
		{"second", "j INT, k DATETIME, PRIMARY KEY (j, k)", "i % 3, CONCAT(2000 + i, '-02-30 00:00:00')"},
	}
	m := apptest.New(t)
	write := func(statement string) {
		m.Exec("SET sql_mode = 'ALLOW_INVALID_DATES'; " + statement + "; SET sql_mode = DEFAULT")
	}
	var names []string
	for _, tab := range tables {
		names = append(names, tab.name)
		m.Exec(fmt.Sprintf("CREATE TABLE %s (%s, i INT)", tab.name, tab.columns))
		write(fmt.Sprintf("INSERT INTO %s SELECT %s, i FROM %s", tab.name, tab.key, servertest.Numbers(0, 600, 1)))
	}
	m.Plan()
	for _, name := range names {
		if got, chunks := mode(m, name); got != snapshot.Ranges || chunks < 4 {
			t.Errorf("table %s is planned %s in %d chunks", name, got, chunks)
		}
	}
	m.Tune.SnapshotHooks.View = once("1", func() { write("UPDATE dates SET i = -i WHERE i % 7 = 0; DELETE FROM zeros WHERE i % 5 = 0") })
	m.Snapshot()
	write("UPDATE moments SET k = k + INTERVAL 1 MONTH WHERE i % 11 = 0; UPDATE second SET j = 7 WHERE i % 13 = 0")
	m.Tail(m.Settle()).Check(names...)
}
