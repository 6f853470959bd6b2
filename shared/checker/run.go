// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Config is a whole check: what Run does for tests, demo and soak.
type Config struct {
	Options
	// NameServer is host:port; Topics are all the task writes to, the DDL topic
	// too.
	NameServer string
	Topics     []string
	Read       []ReadOption
	// DB is the source, Tables all that the task moves.
	DB     *sql.DB
	Tables []Table
	// Committed, if set, is waited for before reading; see Fence.
	Committed func(ctx context.Context) (gtidSet string, err error)
	// Seeds are further interleavings of the queues to fold; nil means 1 and 2.
	// The first reading goes queue by queue.
	Seeds []uint64
}

// Run waits for the fence, reads the topics once per interleaving, and compares
// with the source. The report is of the first reading; a fold that depends on
// the interleaving is a violation in it. An error means the check could not be
// done.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if cfg.DB == nil || len(cfg.Tables) == 0 {
		return Report{}, errNoTables
	}
	if cfg.Committed != nil {
		if err := Fence(ctx, cfg.DB, cfg.Committed); err != nil {
			return Report{}, err
		}
	}
	c := New(cfg.Options)
	if err := c.addAll(ctx, cfg, 0); err != nil {
		return Report{}, err
	}
	if err := c.Compare(ctx, cfg.DB, cfg.Tables); err != nil {
		return Report{}, err
	}
	report, want := c.Report(), c.Digest()
	seeds := cfg.Seeds
	if seeds == nil {
		seeds = []uint64{1, 2}
	}
	for _, seed := range seeds {
		other := New(cfg.Options)
		if err := other.addAll(ctx, cfg, seed); err != nil {
			return Report{}, err
		}
		report.Seeds = append(report.Seeds, seed)
		if other.Digest() != want {
			report.violate(cfg.detail(), Violation{Rule: RuleFold, Detail: fmt.Sprintf("interleaving %d of the queues folds to other rows", seed)})
		}
		if m := other.report.Messages; m != report.Messages {
			return Report{}, fmt.Errorf("the topics hold %d messages, a moment ago %d: stop their producers", m, report.Messages)
		}
	}
	return report, nil
}

func (c *Checker) addAll(ctx context.Context, cfg Config, seed uint64) error {
	opts := append([]ReadOption{WithSeed(seed)}, cfg.Read...)
	for m, err := range Stream(ctx, cfg.NameServer, cfg.Topics, opts...) {
		if err != nil {
			return fmt.Errorf("read the topics: %w", err)
		}
		c.Add(m)
	}
	if c.report.Messages == 0 {
		return errors.New("the topics hold no message: nothing to check")
	}
	return nil
}
