// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GTID names one transaction. Source is the server's UUID, lower case, with
// ":tag" behind it when the GTID is tagged (MySQL 8.3+).
type GTID struct {
	Source string
	N      int64
}

// IsZero tells that there is no GTID.
func (g GTID) IsZero() bool { return g.Source == "" }

// String is the GTID as MySQL writes it: "uuid:5" or "uuid:tag:5".
func (g GTID) String() string {
	if g.IsZero() {
		return ""
	}
	return g.Source + ":" + strconv.FormatInt(g.N, 10)
}

// ParseGTID reads one GTID.
func ParseGTID(s string) (GTID, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return GTID{}, fmt.Errorf("GTID %q: expected uuid:number", s)
	}
	n, err := strconv.ParseInt(s[i+1:], 10, 64)
	if err != nil || n < 1 {
		return GTID{}, fmt.Errorf("GTID %q: expected uuid:number", s)
	}
	return GTID{Source: strings.ToLower(s[:i]), N: n}, nil
}

// interval is [from, to], both in the set.
type interval struct{ from, to int64 }

// GTIDSet is a set of GTIDs. The zero value is the empty set; copies share
// storage, so a set that goes on changing is handed out by Clone.
type GTIDSet struct {
	// m: per source, ascending intervals that neither overlap nor touch.
	m map[string][]interval
}

// ParseGTIDSet reads a set as MySQL prints it, tagged GTIDs and line breaks
// included.
func ParseGTIDSet(s string) (GTIDSet, error) {
	var set GTIDSet
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		fields := strings.Split(part, ":")
		uuid := strings.ToLower(strings.TrimSpace(fields[0]))
		if len(uuid) != 36 || len(fields) < 2 {
			return GTIDSet{}, fmt.Errorf("GTID set %q: expected uuid:interval in %q", s, part)
		}
		source := uuid
		for _, f := range fields[1:] {
			f = strings.TrimSpace(f)
			if f != "" && (f[0] < '0' || f[0] > '9') {
				source = uuid + ":" + strings.ToLower(f)
				continue
			}
			iv, err := parseInterval(f)
			if err != nil {
				return GTIDSet{}, fmt.Errorf("GTID set %q: %w", s, err)
			}
			set.add(source, iv)
		}
	}
	return set, nil
}

func parseInterval(s string) (interval, error) {
	a, b, ranged := strings.Cut(s, "-")
	from, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return interval{}, fmt.Errorf("interval %q: %w", s, err)
	}
	to := from
	if ranged {
		if to, err = strconv.ParseInt(b, 10, 64); err != nil {
			return interval{}, fmt.Errorf("interval %q: %w", s, err)
		}
	}
	if from < 1 || to < from {
		return interval{}, fmt.Errorf("interval %q: expected 1 <= from <= to", s)
	}
	return interval{from, to}, nil
}

// Add puts one GTID into the set.
func (s *GTIDSet) Add(g GTID) { s.add(g.Source, interval{g.N, g.N}) }

func (s *GTIDSet) add(source string, iv interval) {
	if s.m == nil {
		s.m = map[string][]interval{}
	}
	ivs := s.m[source]
	// The common case: the next number of the last interval.
	if n := len(ivs); n > 0 && iv.from == ivs[n-1].to+1 {
		ivs[n-1].to = iv.to
		return
	}
	// lo: the first interval that touches iv or lies behind it; hi: the first
	// that lies wholly behind it.
	lo := sortSearch(ivs, func(x interval) bool { return x.to+1 >= iv.from })
	hi := sortSearch(ivs, func(x interval) bool { return x.from > iv.to+1 })
	if lo < hi {
		iv.from = min(iv.from, ivs[lo].from)
		iv.to = max(iv.to, ivs[hi-1].to)
	}
	s.m[source] = slices.Replace(ivs, lo, hi, iv)
}

// sortSearch gives the first index for which ok holds; ok is monotone.
func sortSearch(ivs []interval, ok func(interval) bool) int {
	i, _ := slices.BinarySearchFunc(ivs, true, func(x interval, _ bool) int {
		if ok(x) {
			return 1
		}
		return -1
	})
	return i
}

// Union puts all of o into the set.
func (s *GTIDSet) Union(o GTIDSet) {
	for source, ivs := range o.m {
		for _, iv := range ivs {
			s.add(source, iv)
		}
	}
}

// Contains tells whether one GTID is in the set.
func (s GTIDSet) Contains(g GTID) bool {
	return s.covers(g.Source, interval{g.N, g.N})
}

func (s GTIDSet) covers(source string, iv interval) bool {
	ivs := s.m[source]
	i := sortSearch(ivs, func(x interval) bool { return x.to >= iv.from })
	return i < len(ivs) && ivs[i].from <= iv.from && ivs[i].to >= iv.to
}

// Covers tells whether every GTID of o is in the set.
func (s GTIDSet) Covers(o GTIDSet) bool {
	for source, ivs := range o.m {
		for _, iv := range ivs {
			if !s.covers(source, iv) {
				return false
			}
		}
	}
	return true
}

// Minus gives the GTIDs of the set that are not in o.
func (s GTIDSet) Minus(o GTIDSet) GTIDSet {
	var out GTIDSet
	for source, ivs := range s.m {
		holes := o.m[source]
		for _, iv := range ivs {
			for _, h := range holes {
				if h.to < iv.from || h.from > iv.to {
					continue
				}
				if h.from > iv.from {
					out.add(source, interval{iv.from, h.from - 1})
				}
				iv.from = h.to + 1
			}
			if iv.from <= iv.to {
				out.add(source, iv)
			}
		}
	}
	return out
}

// Equal tells whether both hold the same GTIDs.
func (s GTIDSet) Equal(o GTIDSet) bool {
	return maps.EqualFunc(s.m, o.m, slices.Equal[[]interval])
}

// IsEmpty tells that the set holds nothing.
func (s GTIDSet) IsEmpty() bool { return len(s.m) == 0 }

// Clone gives a copy that shares nothing with the set.
func (s GTIDSet) Clone() GTIDSet {
	c := GTIDSet{m: make(map[string][]interval, len(s.m))}
	for k, v := range s.m {
		c.m[k] = slices.Clone(v)
	}
	return c
}

// String is the set as MySQL takes it, sources ascending; equal sets give
// equal texts.
func (s GTIDSet) String() string {
	var b strings.Builder
	for _, source := range slices.SortedFunc(maps.Keys(s.m), cmp.Compare[string]) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(source)
		for _, iv := range s.m[source] {
			b.WriteByte(':')
			b.WriteString(strconv.FormatInt(iv.from, 10))
			if iv.to > iv.from {
				b.WriteByte('-')
				b.WriteString(strconv.FormatInt(iv.to, 10))
			}
		}
	}
	return b.String()
}

// MarshalText makes a set a JSON string.
func (s GTIDSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *GTIDSet) UnmarshalText(b []byte) (err error) {
	*s, err = ParseGTIDSet(string(b))
	return err
}
