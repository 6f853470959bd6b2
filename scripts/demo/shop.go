// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// The shop at the beginning: 100,000 rows.
const (
	customers = 10_000
	orders    = 30_000
	perOrder  = 2 // items
)

// shopTables in the order in which they are shown.
var shopTables = []string{"customers", "orders", "items"}

// schema makes and fills the shop: the same rows every time.
var schema = []string{
	`CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, email VARCHAR(80) NOT NULL,
		city VARCHAR(40), joined DATE NOT NULL)`,
	`CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL,
		state ENUM('new','paid','shipped','cancelled') NOT NULL, total DECIMAL(10,2) NOT NULL, placed DATETIME(3) NOT NULL)`,
	`CREATE TABLE items (order_id BIGINT, line TINYINT, product VARCHAR(60) NOT NULL, quantity INT NOT NULL,
		price DECIMAL(8,2) NOT NULL, PRIMARY KEY (order_id, line))`,
	`SET SESSION cte_max_recursion_depth = 1000000`,
	fmt.Sprintf(`INSERT INTO customers (name, email, city, joined)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT CONCAT(ELT(1 + i %% 7, 'Ada', 'Bram', 'Chloé', 'Dmitri', '李', 'Zoë', 'Ömer'), ' ', ELT(1 + i %% 5, 'Ash', 'Berg', 'Costa', 'Dubois', '娜'), ' ', i),
			CONCAT('c', i, '@example.com'), ELT(1 + i %% 6, 'Oslo', 'Porto', '杭州', 'Graz', NULL, 'Malmö'), DATE_ADD('2020-01-01', INTERVAL i %% 2000 DAY) FROM n`, customers),
	fmt.Sprintf(`INSERT INTO orders (customer, state, total, placed)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT 1 + (i * 7919) %% %d, 1 + i %% 3, (i %% 9000) / 7, DATE_ADD('2026-01-01', INTERVAL i MINUTE) FROM n`, orders, customers),
	fmt.Sprintf(`INSERT INTO items
		SELECT o.id, l.line, CONCAT(ELT(1 + (o.id + l.line) %% 5, 'tea', 'kettle', 'mug', 'honey', 'filter'), ' no. ', o.id %% 97), 1 + o.id %% 4, (o.id %% 800) / 9
		FROM orders o JOIN (WITH RECURSIVE n(line) AS (SELECT 1 UNION ALL SELECT line + 1 FROM n WHERE line < %d) SELECT line FROM n) l`, perOrder),
}

// open makes the shop.
func openShop(ctx context.Context, root, shop *sql.DB) error {
	if _, err := root.ExecContext(ctx, "CREATE DATABASE shop CHARACTER SET utf8mb4"); err != nil {
		return err
	}
	conn, err := shop.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, s := range schema {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// till goes on selling: each sale, payment, move or cancellation is a transaction, most over several rows and tables. What
// it does follows from a fixed seed.
type till struct {
	db   *sql.DB
	sold atomic.Int64 // transactions

	stop context.CancelFunc
	done chan error
}

// pause between two transactions.
const pause = 5 * time.Millisecond

// openTill starts selling.
func openTill(ctx context.Context, db *sql.DB) *till {
	ctx, stop := context.WithCancel(ctx)
	t := &till{db: db, stop: stop, done: make(chan error, 1)}
	go func() { t.done <- t.run(ctx) }()
	return t
}

// close stops selling and waits for the last transaction.
func (t *till) close() error {
	t.stop()
	return <-t.done
}

func (t *till) run(ctx context.Context) error {
	r := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		// A transaction is never cut short: closing time waits for it.
		if err := t.transaction(context.WithoutCancel(ctx), r); err != nil {
			return fmt.Errorf("the shop's till: %w", err)
		}
		t.sold.Add(1)
	}
}

func (t *till) transaction(ctx context.Context, r *rand.Rand) (err error) {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	exec := func(query string, args ...any) sql.Result {
		if err != nil {
			return nil
		}
		var res sql.Result
		res, err = tx.ExecContext(ctx, query, args...)
		return res
	}
	order := 1 + r.IntN(orders)
	switch n := r.IntN(10); {
	case n < 4:
		sale(r, exec)
	case n < 7:
		exec("UPDATE orders SET state = IF(state = 'new', 'paid', 'shipped') WHERE id = ?", order)
	case n < 9:
		exec("UPDATE customers SET city = ELT(?, 'Oslo', 'Porto', '杭州', 'Graz', 'Malmö', 'Lyon') WHERE id = ?", 1+r.IntN(6), 1+r.IntN(customers))
	default:
		exec("DELETE FROM items WHERE order_id = ?", order)
		exec("DELETE FROM orders WHERE id = ?", order)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// sale is an order with its items.
func sale(r *rand.Rand, exec func(string, ...any) sql.Result) {
	res := exec("INSERT INTO orders (customer, state, total, placed) VALUES (?, 'new', 0, NOW(3))", 1+r.IntN(customers))
	if res == nil {
		return
	}
	id, err := res.LastInsertId()
	if err != nil {
		return // this driver has it always
	}
	for line := range 1 + r.IntN(3) {
		exec("INSERT INTO items VALUES (?, ?, ?, ?, ?)", id, line+1, fmt.Sprintf("sampler %d", r.IntN(50)), 1+r.IntN(5), float64(r.IntN(5000))/100)
	}
	exec("UPDATE orders SET total = (SELECT SUM(quantity * price) FROM items WHERE order_id = ?) WHERE id = ?", id, id)
}
