// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"
)

// Where a server gives its transactions no GTIDs, they are named by where they
// lie in its binlog (rule S11). Such a name has the form of a GTID tagged
// "log": its number is the log file's, times logFile, and the offset within it.
// All that lies before a place is then a set like any other, 1 to the place's
// number, and a row of a bucket can be read: of "…:log:1-42000000001234"
// everything before offset 1234 of binlog.000042 was read.
//
// A transaction's number is the end of its GTID event, which every transaction
// begins with. That is inside the transaction, so the set before a boundary
// holds just the transactions that end at or before it.
const (
	logTag  = ":log"
	logFile = 1_000_000_000_000
	// maxLogFile is the last file whose places have a number.
	maxLogFile = 1<<63/logFile - 1
)

// LogGTID names a place in the binlog of a server: the number of a log file,
// from 1 on, and an offset in bytes.
func LogGTID(uuid string, file, offset int64) (GTID, error) {
	if file < 1 || file > maxLogFile || offset < 1 || offset >= logFile {
		return GTID{}, fmt.Errorf("binlog file %d at %d: files up to %d and offsets below %d can be named", file, offset, maxLogFile, int64(logFile))
	}
	return GTID{Source: strings.ToLower(uuid) + logTag, N: file*logFile + offset}, nil
}

// LogPlace is what LogGTID was made of; ok is false for a GTID that the server
// gave.
func (g GTID) LogPlace() (uuid string, file, offset int64, ok bool) {
	uuid, tagged := strings.CutSuffix(g.Source, logTag)
	if !tagged || g.N <= logFile {
		return "", 0, 0, false // a tag of the user's own: nobody gets to so high a number
	}
	return uuid, g.N / logFile, g.N % logFile, true
}

// AddBefore puts everything that lies before a place of LogGTID into the set.
func (s *GTIDSet) AddBefore(place GTID) { s.add(place.Source, interval{1, place.N}) }

// LogEnd is the place a set made by AddBefore reaches to; ok is false for a set
// of GTIDs that servers gave.
func (s GTIDSet) LogEnd() (place GTID, ok bool) {
	for source, ivs := range s.m {
		if len(s.m) > 1 || len(ivs) > 1 || ivs[0].from > 1 {
			return GTID{}, false
		}
		place = GTID{Source: source, N: ivs[0].to}
	}
	_, _, _, ok = place.LogPlace()
	return place, ok
}
