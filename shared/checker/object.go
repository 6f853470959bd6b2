// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"bytes"
	"encoding/json"
)

// parseObject reads a flat JSON object of strings and nulls and keeps the order
// of its members, which encoding/json loses. The input has passed
// encoding/json once, so it is valid JSON; texts share the memory of one copy.
func parseObject(raw json.RawMessage, into []field) ([]field, error) {
	s := scanner{raw: raw, text: string(raw)}
	if !s.eat('{') {
		return nil, errNotObject
	}
	if s.eat('}') {
		return into, nil
	}
	for {
		name, ok := s.string()
		if !ok || !s.eat(':') {
			return nil, errNotObject
		}
		f := field{name: name}
		if s.null() {
			f.value.Null = true
		} else if f.value.Text, ok = s.string(); !ok {
			return nil, errNotObject
		}
		into = append(into, f)
		if s.eat('}') {
			return into, nil
		}
		if !s.eat(',') {
			return nil, errNotObject
		}
	}
}

// objectNames lists an object's member names in their order, whatever the
// values are.
func objectNames(raw json.RawMessage) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	var names []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, errNotObject
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// scanner walks over valid JSON.
type scanner struct {
	raw  []byte
	text string
	pos  int
}

func (s *scanner) space() {
	for s.pos < len(s.raw) {
		switch s.raw[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) eat(c byte) bool {
	s.space()
	if s.pos < len(s.raw) && s.raw[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) null() bool {
	s.space()
	if bytes.HasPrefix(s.raw[s.pos:], []byte("null")) {
		s.pos += 4
		return true
	}
	return false
}

func (s *scanner) string() (string, bool) {
	if !s.eat('"') {
		return "", false
	}
	start, escaped := s.pos, false
	for s.pos < len(s.raw) {
		switch s.raw[s.pos] {
		case '\\':
			escaped = true
			s.pos++
		case '"':
			end := s.pos
			s.pos++
			if !escaped {
				return s.text[start:end], true
			}
			var text string
			err := json.Unmarshal(s.raw[start-1:s.pos], &text)
			return text, err == nil
		}
		s.pos++
	}
	return "", false
}
