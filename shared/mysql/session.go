// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// statementSession is what a statement's text and meaning depend on (rule T5).
type statementSession struct {
	mode    uint64 // sql_mode
	charset string // of the text; "" when the event doesn't say
	// serverCollation is what a database gets that names none.
	serverCollation string
	// utf8mb4Collation is the session's default for utf8mb4; "" for the server's.
	utf8mb4Collation string
	// explicitTimestamps is explicit_defaults_for_timestamp; nil when not said.
	explicitTimestamps *bool
}

// statusSizes are the sizes of a QueryEvent's status variables by their code;
// see statusSize for those whose size depends on their content.
var statusSizes = map[byte]int{
	0: 4, // flags
	1: 8, // sql_mode
	3: 4, // auto_increment
	4: 6, // collations of client, connection and server
	7: 2, 8: 2, 9: 8, 10: 4, 13: 3,
	16: 1, // explicit_defaults_for_timestamp
	17: 8,
	18: 2, // default_collation_for_utf8mb4
	19: 1, 20: 1,
}

// statusSize is a variable's size; false when it can't be told.
func statusSize(code byte, value []byte) (int, bool) {
	switch code {
	case 5, 6: // time zone, catalog: a length and that many bytes
		if len(value) == 0 {
			return 0, false
		}
		return 1 + int(value[0]), true
	case 11: // user and host
		if len(value) == 0 || 1+int(value[0]) >= len(value) {
			return 0, false
		}
		user := 1 + int(value[0])
		return user + 1 + int(value[user]), true
	case 12: // databases, each ended by a zero; 254 for too many
		return databasesSize(value)
	}
	size, ok := statusSizes[code]
	return size, ok
}

func databasesSize(value []byte) (int, bool) {
	if len(value) == 0 {
		return 0, false
	}
	size := 1
	if value[0] == 254 {
		return size, true
	}
	for range value[0] {
		end := bytes.IndexByte(value[size:], 0)
		if end < 0 {
			return 0, false
		}
		size += end + 1
	}
	return size, true
}

// sessionOf reads a QueryEvent's status variables, as far as they are known.
func sessionOf(vars []byte) statementSession {
	var s statementSession
	for len(vars) > 0 {
		code, value := vars[0], vars[1:]
		size, ok := statusSize(code, value)
		if !ok || size > len(value) {
			return s
		}
		switch code {
		case 1:
			s.mode = binary.LittleEndian.Uint64(value)
		case 4:
			s.charset = collationsByID()[uint64(binary.LittleEndian.Uint16(value))].charset
			s.serverCollation = collationsByID()[uint64(binary.LittleEndian.Uint16(value[4:]))].name
		case 16:
			explicit := value[0] != 0
			s.explicitTimestamps = &explicit
		case 18:
			s.utf8mb4Collation = collationsByID()[uint64(binary.LittleEndian.Uint16(value))].name
		}
		vars = value[size:]
	}
	return s
}

// implicitTimestamps tells whether a TIMESTAMP without NULL is NOT NULL.
func (s *statementSession) implicitTimestamps(x *Dialect) bool {
	if s.explicitTimestamps != nil {
		return !*s.explicitTimestamps
	}
	return x.implicitTimestamps
}

// text gives a statement in UTF-8. What its charset can't explain is dropped:
// the server has read it all the same.
func (s statementSession) text(raw []byte) string {
	if s.charset != "" && s.charset != "binary" {
		if t, err := DecodeText(s.charset, raw); err == nil {
			return t
		}
	}
	return strings.ToValidUTF8(string(raw), "")
}
