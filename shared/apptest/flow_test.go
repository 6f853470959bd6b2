// SPDX-License-Identifier: Apache-2.0

package apptest_test

import (
	"sync"
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
	"slipway/shared/snapshot"
)

// A table that is renamed while its chunks are read goes on under its new
// name, whichever moment it is (rule S4). One lane: what a RENAME means for rows
// of other queues is not for a consumer to know (D6).
func TestS4RenamedWhileSnapshotting(t *testing.T) {
	stored := func(f func()) snapshot.Hooks {
		var once sync.Once
		return snapshot.Hooks{Stored: func(chunk string) {
			if chunk == "2" {
				once.Do(f)
			}
		}}
	}
	for _, tt := range []struct {
		name string
		// between runs after a chunk was stored; after, once the snapshot is whole.
		between, after []string
		tables         []string
	}{
		{"between two chunks", []string{"RENAME TABLE orders TO renamed"}, nil, []string{"renamed"}},
		{"between two chunks, and back", []string{"RENAME TABLE orders TO renamed", "DELETE FROM renamed WHERE id < 30", "RENAME TABLE renamed TO orders"}, nil, []string{"orders"}},
		{"two tables swapped", []string{"RENAME TABLE orders TO x, other TO orders, x TO other", "UPDATE orders SET customer = 'o'", "UPDATE other SET customer = 'p'"}, nil, []string{"orders", "other"}},
		{"after the snapshot", nil, []string{"RENAME TABLE orders TO renamed", "DELETE FROM renamed WHERE id < 30"}, []string{"renamed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := apptest.New(t, orders,
				"INSERT INTO orders SELECT i, CONCAT('c', i), i/7, NOW(3) FROM "+servertest.Numbers(1, 601, 1),
				"CREATE TABLE other LIKE orders", "INSERT INTO other SELECT id + 300, 'other', amount, at FROM orders")
			m.YAML += "lanes: 1\n"
			m.Plan()
			m.Tune.SnapshotHooks = stored(func() { m.Exec(tt.between...) })
			m.Snapshot()
			m.Tune.SnapshotHooks = snapshot.Hooks{}
			m.Exec(tt.after...)
			tables := tt.tables
			if len(tables) == 1 {
				tables = append(tables, "other")
			}
			m.FollowAgain().Check(tables...)
		})
	}
}
