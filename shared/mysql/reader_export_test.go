// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
)

// Feed is a Reader whose events come from a test instead of a server, inside an open transaction.
type Feed struct {
	reader *Reader
	parser *replication.BinlogParser
}

// NewFeed hands the events of tables to h. Its parser is set up as the one of a connection.
func NewFeed(tables Definitions, h func(Event) error) (*Feed, error) {
	r := NewReader(ReaderConfig{Source: Config{Addr: "nowhere:1"}, Tables: tables, Open: change.GTID{Source: "00000000-0000-0000-0000-000000000001", N: 1}})
	r.h, r.maps = h, map[uint64]*tableMap{}
	cfg, err := r.syncerConfig()
	if err != nil {
		return nil, err
	}
	p := replication.NewBinlogParser()
	p.SetFlavor(cfg.Flavor)
	p.SetParseTime(cfg.ParseTime)
	p.SetTimestampStringLocation(cfg.TimestampStringLocation)
	p.SetUseDecimal(cfg.UseDecimal)
	p.SetUseFloatWithTrailingZero(cfg.UseFloatWithTrailingZero)
	p.SetVerifyChecksum(cfg.VerifyChecksum)
	p.SetRowsEventDecodeFunc(cfg.RowsEventDecodeFunc)
	return &Feed{r, p}, nil
}

// Parse parses one event, its header first.
func (f *Feed) Parse(raw []byte) (*replication.BinlogEvent, error) { return f.parser.Parse(raw) }

// Handle has the Reader handle it.
func (f *Feed) Handle(e *replication.BinlogEvent) error { return f.reader.HandleEvent(e) }
