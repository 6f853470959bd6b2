// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
	"slipway/shared/fault"
)

// ReaderConfig says where and how to read the binlog.
type ReaderConfig struct {
	Source Config
	// ServerID is this reader's own replica id; two readers with one id cut each
	// other off.
	ServerID uint32
	// From is everything already read: the dump starts behind it. A set by
	// position (rule S11) is followed by position.
	From change.GTIDSet
	// Known is From's end, as far as it is known as a position, so that another log
	// in the place of the one that was read is noticed.
	Known LogPosition
	// Open and OpenSteps: of transaction Open, the first OpenSteps steps (rows of
	// selected tables, and statements) have been read already (rule T2).
	Open      change.GTID
	OpenSteps int64
	// ServerUUID is the server From and Open belong to; "" takes any at first.
	ServerUUID string
	// Heartbeat is how often an idle server says where it stands.
	Heartbeat time.Duration
	// Patience bounds how long a lost connection is tried again without any
	// progress; 0 gives up at once.
	Patience time.Duration
	Tables   Definitions
	// Volatile says that Tables selects other tables from one moment to the next:
	// then a half-read transaction can't be taken up, and a connection lost in it
	// ends Run.
	Volatile bool
	Logger   *slog.Logger
}

// ErrServerChanged says that another server answers than the one read so far.
var ErrServerChanged = errors.New("another server answers at this address")

// Reader reads the binlog by GTID set, or without GTIDs by position (rule S11),
// transaction after transaction, and reconnects by itself. Across reconnects to
// one server it hands out every event once: what it handed out of the open
// transaction is skipped (rule T1).
type Reader struct {
	cfg ReaderConfig
	h   func(Event) error

	// Owned by the goroutine of the running dump.
	read     change.GTIDSet // transactions read to their end
	uuid     string
	log      LogPosition
	tx       openTransaction
	position *positionReader // nil when reading by GTID set
	maps     map[uint64]*tableMap
	server   string // version of the log's writer
	checksum bool   // events end in one
	failure  error  // the handler's error, which ends Run
	moved    bool   // something was read since the last connect
}

// openTransaction is the transaction being read.
type openTransaction struct {
	gtid change.GTID
	// begun tells that BEGIN or XA START was seen on this connection: the
	// transaction doesn't end with its first statement.
	begun bool
	// seen counts steps read on this connection, handed those given to the
	// handler: after a reconnect the first handed are skipped.
	seen, handed int64
}

// NewReader makes a reader; Run starts it.
func NewReader(cfg ReaderConfig) *Reader {
	r := &Reader{cfg: cfg, read: cfg.From.Clone(), uuid: cfg.ServerUUID}
	if _, ok := cfg.From.LogEnd(); ok {
		r.position = &positionReader{known: cfg.Known}
	}
	if !cfg.Open.IsZero() {
		r.tx = openTransaction{gtid: cfg.Open, handed: cfg.OpenSteps}
	}
	return r
}

// Run hands every event to h, in binlog order on one goroutine, until ctx ends
// (nil), h fails (its error), or the binlog can't be read on (classified).
func (r *Reader) Run(ctx context.Context, h func(Event) error) error {
	r.h = h
	var b *backoff.ExponentialBackOff
	var since time.Time
	for {
		r.moved = false
		err := r.dump(ctx)
		switch {
		case r.failure != nil:
			return r.failure
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the caller ended it; what the connection says of that is no news
		case !fault.Retryable(err), r.cfg.Volatile && r.tx.handed > 0:
			return err
		}
		if b == nil || r.moved {
			b, since = backoff.NewExponentialBackOff(), time.Now()
			b.MaxInterval = 10 * time.Second
		}
		if time.Since(since) > r.cfg.Patience {
			return err
		}
		wait := b.NextBackOff()
		r.cfg.Logger.Warn("binlog connection lost, trying again", "source", r.cfg.Source.Addr, "in", wait, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// dump reads one connection until it ends.
func (r *Reader) dump(ctx context.Context) error {
	if err := r.check(ctx); err != nil {
		return err
	}
	// The open transaction comes again from its start.
	r.tx.seen, r.tx.begun = 0, false
	r.maps = map[uint64]*tableMap{}

	cfg, err := r.syncerConfig()
	if err != nil {
		return err
	}
	syncer := replication.NewBinlogSyncer(cfg)
	defer syncer.Close()
	streamer, err := r.start(syncer)
	if err != nil {
		return Classify(r.cfg.Source.Addr, err)
	}
	// Events go to HandleEvent; the streamer only says how the stream ended.
	_, err = streamer.GetEvent(ctx)
	if err == nil {
		return errors.New("binlog streamer handed out an event beside its handler")
	}
	if classified, ok := errors.AsType[*fault.Error](err); ok {
		return classified
	}
	return Classify(r.cfg.Source.Addr, err)
}

func (r *Reader) syncerConfig() (replication.BinlogSyncerConfig, error) {
	host, port, err := net.SplitHostPort(r.cfg.Source.Addr)
	if err != nil {
		return replication.BinlogSyncerConfig{}, fault.New(fault.Config, "write source.hosts as host:port", "source %s: %w", r.cfg.Source.Addr, err)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return replication.BinlogSyncerConfig{}, fault.New(fault.Config, "write source.hosts as host:port", "source %s: %w", r.cfg.Source.Addr, err)
	}
	cfg := replication.BinlogSyncerConfig{
		ServerID: r.cfg.ServerID, Flavor: gomysql.MySQLFlavor,
		Host: host, Port: uint16(p), User: r.cfg.Source.User, Password: r.cfg.Source.Password, TLSConfig: r.cfg.Source.TLS,
		HeartbeatPeriod: r.cfg.Heartbeat, ReadTimeout: time.Minute,
		DisableRetrySync: true, DiscardGTIDSet: true,
		VerifyChecksum:          true,
		Logger:                  slog.New(slog.DiscardHandler),
		SynchronousEventHandler: r,
		RowsEventDecodeFunc:     r.decodeRows,
		Option: func(c *client.Conn) error {
			_, err := c.Execute("SET SESSION net_write_timeout = 3600")
			return err
		},
	}
	ConfigureDecoding(&cfg)
	return cfg, nil
}

// start asks the server for what comes behind that which was read.
func (r *Reader) start(syncer *replication.BinlogSyncer) (*replication.BinlogStreamer, error) {
	if r.position != nil {
		return syncer.StartSync(r.position.dumpFrom())
	}
	from, err := gomysql.ParseMysqlGTIDSet(r.read.String())
	if err != nil {
		return nil, fmt.Errorf("GTID set %s: %w", r.read, err)
	}
	return syncer.StartSyncGTID(from)
}

// check asks the server whether it is one we may read on from (rules T1, S8).
func (r *Reader) check(ctx context.Context) error {
	c, err := Connect(ctx, r.cfg.Source)
	if err != nil {
		return err
	}
	defer c.Close()
	uuid, err := c.ServerUUID(ctx)
	if err != nil {
		return err
	}
	if r.position != nil {
		err = r.checkPosition(ctx, c)
	} else {
		err = r.checkGTIDs(ctx, c, uuid)
	}
	if err != nil {
		return err
	}
	if r.uuid != "" && uuid != r.uuid {
		return fault.New(fault.SourceUnreachable, "", "source %s: %w: was %s, is %s", r.cfg.Source.Addr, ErrServerChanged, r.uuid, uuid)
	}
	r.uuid = uuid
	return nil
}

func (r *Reader) checkGTIDs(ctx context.Context, c *Conn, uuid string) error {
	mode, err := c.String(ctx, "SELECT @@global.gtid_mode")
	if err != nil {
		return err
	}
	if mode != "ON" {
		return fault.New(fault.Blocked, "SET GLOBAL gtid_mode = ON (step by step, see the manual); if there were changes meanwhile, take a new snapshot under a new task name",
			"source %s: gtid_mode is %s, and was ON when the task began", r.cfg.Source.Addr, mode)
	}
	// A purge after this question is seen at the dump itself.
	purged, err := c.Purged(ctx)
	if err != nil {
		return err
	}
	missing, err := c.Missing(ctx, r.read)
	if err != nil {
		return err
	}
	if !missing.IsEmpty() {
		return fault.New(fault.PositionLost, "point the task at the server it was reading, or take a new snapshot under a new task name",
			"source %s (server %s) has not executed %s, which was already read: it was restored, or promoted while behind", r.cfg.Source.Addr, uuid, missing)
	}
	if !r.read.Covers(purged) {
		return fault.New(fault.PositionLost, "take a new snapshot under a new task name, and keep the binlog longer (binlog_expire_logs_seconds)",
			"source %s has purged %s, which was not read yet", r.cfg.Source.Addr, purged.Minus(r.read))
	}
	return nil
}
