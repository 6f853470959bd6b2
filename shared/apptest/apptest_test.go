// SPDX-License-Identifier: Apache-2.0

package apptest_test

import (
	"testing"

	"slipway/shared/apptest"
	"slipway/shared/servertest"
)

const orders = "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer VARCHAR(50) NOT NULL, amount DECIMAL(10,2), at DATETIME(3))"

// A table moves whole: what the snapshot read, what happened meanwhile, and
// what the tail brought.
func TestATableMovesWhole(t *testing.T) {
	m := apptest.New(t, orders,
		"INSERT INTO orders SELECT i, CONCAT('c', i), i/7, NOW(3) FROM "+servertest.Numbers(1, 1001, 1),
	)
	m.Plan()
	m.Exec("UPDATE orders SET amount = 1 WHERE id < 50", "DELETE FROM orders WHERE id BETWEEN 200 AND 220")
	m.Snapshot()
	m.Exec("INSERT INTO orders VALUES (5000, 'late', 3, NULL)", "UPDATE orders SET id = id + 10000 WHERE id BETWEEN 300 AND 310")
	tail := m.Tail(m.Settle())
	m.Exec("UPDATE orders SET customer = 'x' WHERE id > 900", "DELETE FROM orders WHERE id = 5000")
	report := tail.Check("orders")
	if !report.Compared || report.Rows == 0 {
		t.Error("nothing was compared")
	}
	tail.Stop()
}

// A process that dies in the middle of its sends leaves what the next tail
// takes up, marked.
func TestADeadTailIsSucceeded(t *testing.T) {
	m := apptest.New(t, orders)
	m.Plan()
	m.Snapshot()
	first := m.Tail(m.Settle())
	m.Exec("INSERT INTO orders VALUES (1, 'a', 1, NULL), (2, 'b', 2, NULL)")
	first.Caught()
	first.P.Die()
	m.Exec("INSERT INTO orders VALUES (3, 'c', 3, NULL)", "DELETE FROM orders WHERE id = 1")
	if _, err := first.Wait(); err == nil {
		t.Fatal("a dead tail ended well")
	}
	second := m.Tail(0)
	report := second.Check("orders")
	t.Log(report.String())
	second.Stop()
}
