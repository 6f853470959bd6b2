// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"math"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/fault"
)

// positionReader is what a Reader needs beside, to read by position (rule S11).
type positionReader struct {
	// known is where the reader's set ends; its File and Begun are "" and 0 while
	// they aren't known.
	known LogPosition
	// start is where this connection's events count from.
	start LogPosition
}

// maxDumpPos is the highest offset a dump by position can be asked for.
var maxDumpPos uint64 = math.MaxUint32

// logStart is where the events of a log file begin.
const logStart = 4

// checkPosition asks whether the server still has the place that was read to,
// and whether it is still the same place.
func (r *Reader) checkPosition(ctx context.Context, c *Conn) error {
	place, _ := r.read.LogEnd()
	if err := c.inLog(ctx, place); err != nil {
		return err
	}
	_, number, offset, _ := place.LogPlace()
	file, err := c.logFile(ctx, number)
	if err != nil {
		return err
	}
	known := r.position.known
	switch {
	case file == nil:
		return fault.New(fault.PositionLost, newSnapshotRemedy+", and keep the binlog longer (binlog_expire_logs_seconds)",
			"source %s has no binlog file number %d any more, which was not read to its end: it was purged, or the log was reset", r.cfg.Source.Addr, number)
	case known.File != "" && logBase(known.File) != logBase(file.File):
		return fault.New(fault.PositionLost, "give log_bin its old name, or "+newSnapshotRemedy,
			"the binlog files of source %s are named like %s, and were named like %s", r.cfg.Source.Addr, file.File, known.File)
	case uint64(offset) > file.Pos:
		return fault.New(fault.PositionLost, otherServerRemedy,
			"%s of source %s has %d bytes, and was read up to %d: the server was restored, or its log was reset", file.File, r.cfg.Source.Addr, file.Pos, offset)
	}
	r.position.start = LogPosition{File: file.File, Pos: uint64(offset)}
	return nil
}

func logBase(file string) string {
	base, _, _ := splitLogName(file)
	return base
}

// dumpFrom is what the server is asked for. An offset that has no room in the
// request is reached from the file's beginning.
func (p *positionReader) dumpFrom() gomysql.Position {
	at := gomysql.Position{Name: p.start.File, Pos: logStart}
	if p.start.Pos <= maxDumpPos {
		at.Pos = uint32(p.start.Pos)
	}
	return at
}

// follow moves the position past an event; skip says that it was read before.
// Headers have the low 32 bits of an offset (rule T6): nothing is left out of a
// dump by position, so the carry can be counted.
func (r *Reader) follow(e *replication.BinlogEvent, logPos uint32) (skip bool, err error) {
	p := r.position
	beat, isBeat := e.Event.(*replication.HeartbeatEvent)
	if isBeat && beat.Filename != r.log.File {
		r.log = LogPosition{File: beat.Filename}
	}
	if logPos > 0 {
		pos := r.log.Pos&^math.MaxUint32 | uint64(logPos)
		if pos < r.log.Pos {
			pos += 1 << 32
		}
		if pos-r.log.Pos > 1<<31 {
			return false, fault.New(fault.UnreadableEvent, newSnapshotRemedy, "the position in %s went from %d to %d (mod 2^32)", r.log.File, r.log.Pos, logPos)
		}
		r.log.Pos = pos
	}
	switch e.Event.(type) {
	case *replication.RotateEvent:
		return false, nil
	case *replication.FormatDescriptionEvent:
		return false, r.recognise(int64(e.Header.Timestamp))
	}
	before := r.log.File == p.start.File && (r.log.Pos < p.start.Pos || r.log.Pos == p.start.Pos && !isBeat)
	return before, nil
}

// recognise takes the time at which the server began the present file: by it, a
// file that got its name after the log was reset is told from the one before.
func (r *Reader) recognise(begun int64) error {
	r.log.Begun = begun
	if known := r.position.known; known.File == r.log.File && known.Begun != 0 && known.Begun != begun {
		return fault.New(fault.PositionLost, newSnapshotRemedy,
			"%s of source %s is not the file of this name that was read so far: the log was reset", r.log.File, r.cfg.Source.Addr)
	}
	return nil
}

// rotated has the position follow from one file into the next, so that the
// first may be purged. A connection begins with such an event, too, for the file
// that is known.
func (r *Reader) rotated() error {
	if r.position == nil || !r.tx.gtid.IsZero() || r.log.File == r.position.known.File {
		return nil
	}
	place, err := r.log.GTID(r.uuid)
	if err != nil {
		return err
	}
	r.read.AddBefore(place)
	r.position.known = r.log
	return nil
}

// reached notes the place after a boundary, behind which the next connection
// goes on.
func (r *Reader) reached(e *Event) (err error) {
	if r.position == nil || !e.Kind.IsEnd() && e.Kind != Idle {
		return nil
	}
	r.position.known = r.log
	e.Place, err = r.log.GTID(r.uuid)
	return err
}
