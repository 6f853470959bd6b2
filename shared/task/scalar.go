// SPDX-License-Identifier: Apache-2.0

package task

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a container from scratch has no zone files
)

// Duration is a time.Duration written as 90s, 10m or 12h.
type Duration time.Duration

// UnmarshalText reads a duration with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("expected a duration with its unit, such as 90s or 720m")
	}
	*d = Duration(v)
	return nil
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the shortest form, such as 12h, 10m or 1h30m.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// durationForm is looser than time.ParseDuration, sizeForm than UnmarshalText.
var (
	durationForm = regexp.MustCompile(`^\+?([0-9.]+(ns|us|µs|μs|ms|s|m|h))+$`)
	sizeForm     = regexp.MustCompile(`^[0-9]+( *[KMG]i?B| *B)?$`)
)

// Size is a number of bytes, written as 262144, 256KiB or 1MiB.
type Size int64

// sizeUnits is ordered so that rendering takes the largest binary unit that
// divides the size, and parsing meets "KiB" before "B".
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// UnmarshalText reads a whole number with an optional unit.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > (1<<62)/unit {
		return fmt.Errorf("expected a size, such as 262144, 256KiB or 1MiB")
	}
	*s = Size(int64(n) * unit)
	return nil
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String uses the largest binary unit that divides the size.
func (s Size) String() string {
	for _, u := range sizeUnits[:3] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// parseTimezone reads what MySQL takes as time_zone, but for SYSTEM: an offset
// from -13:59 to +14:00, or an IANA name.
func parseTimezone(name string) (*time.Location, error) {
	if name != "" && (name[0] == '+' || name[0] == '-') {
		at, err := time.Parse("-07:00", name)
		if err != nil || len(name) != len("+00:00") {
			return nil, fmt.Errorf("expected an offset such as +08:00")
		}
		_, seconds := at.Zone()
		if seconds < -(13*3600+59*60) || seconds > 14*3600 {
			return nil, fmt.Errorf("expected an offset from -13:59 to +14:00")
		}
		return time.FixedZone(name, seconds), nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("expected an offset such as +08:00 or an IANA name such as Asia/Shanghai")
	}
	return loc, nil
}
