// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rowID is an id of rule D3 taken apart.
type rowID struct {
	// base is the id of the first row, without the packing suffix.
	base string
	// rows is what the packing suffix says, 1 without one.
	rows int
	// gtid and ordinal of an incremental id; half is '-' or '+' for one half of a
	// split key change, else 0.
	gtid    string
	ordinal int64
	half    byte
}

var (
	// placeForm is what stands for a GTID where the source gives none (rule S11).
	placeForm = regexp.MustCompile(`:log:[1-9][0-9]{12,}$`)
	gtidForm  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(:[a-z_][a-z0-9_]{0,31})?:[1-9][0-9]*$`)
	partForm  = regexp.MustCompile(`^[0-9]+(\+[0-9]+)*$`)
	digitForm = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
)

// parseID reads an id from both ends inwards, because names of databases and
// tables may hold every separator an id uses.
func parseID(h *header) (rowID, error) {
	id := rowID{base: h.id, rows: 1}
	if i := strings.LastIndexByte(h.id, '*'); i >= 0 && digitForm.MatchString(h.id[i+1:]) {
		n, err := strconv.Atoi(h.id[i+1:])
		if err != nil || n < 2 {
			return id, fmt.Errorf("packing suffix %q is not a number above 1", h.id[i:])
		}
		id.base, id.rows = h.id[:i], n
	}
	if !h.ddl() && id.rows != h.rows {
		return id, fmt.Errorf("id speaks of %d rows, the property of %d", id.rows, h.rows)
	}
	if h.full() {
		return id, id.checkFull(h.name())
	}
	if h.reset {
		return id, id.checkReset(h.name())
	}
	return id, id.parseIncremental(h.name())
}

// given is the GTID the source gave, "" when it gave none.
func (id *rowID) given() string {
	if placeForm.MatchString(id.gtid) {
		return ""
	}
	return id.gtid
}

func (id *rowID) checkFull(table string) error {
	rest, ok := strings.CutPrefix(id.base, table+"/")
	if !ok {
		return fmt.Errorf("id is not of table %s", table)
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || !digitForm.MatchString(parts[0]) || !partForm.MatchString(parts[1]) || !digitForm.MatchString(parts[2]) {
		return fmt.Errorf("%q is not <generation>/<chunk>/<row>", rest)
	}
	return nil
}

// checkReset: a reset may belong to no transaction, so it is named by the
// generation it opens.
func (id *rowID) checkReset(table string) error {
	rest, ok := strings.CutPrefix(id.base, table+"/")
	gen, isReset := strings.CutSuffix(rest, "/reset")
	if !ok || !isReset || !digitForm.MatchString(gen) {
		return fmt.Errorf("%q is not %s/<generation>/reset", id.base, table)
	}
	return nil
}

func (id *rowID) parseIncremental(table string) error {
	first, last := strings.IndexByte(id.base, '/'), strings.LastIndexByte(id.base, '/')
	if first < 0 || first == last {
		return fmt.Errorf("id is not <gtid>/<table>/<ordinal>")
	}
	id.gtid = id.base[:first]
	if !gtidForm.MatchString(id.gtid) {
		return fmt.Errorf("%q is not a GTID", id.gtid)
	}
	if name := id.base[first+1 : last]; name != table {
		return fmt.Errorf("id is of table %s, the message of %s", name, table)
	}
	ordinal := id.base[last+1:]
	if n := len(ordinal); n > 1 && (ordinal[n-1] == '-' || ordinal[n-1] == '+') {
		id.half, ordinal = ordinal[n-1], ordinal[:n-1]
	}
	if !digitForm.MatchString(ordinal) {
		return fmt.Errorf("%q is not an ordinal", ordinal)
	}
	n, err := strconv.ParseInt(ordinal, 10, 64)
	if err != nil {
		return fmt.Errorf("ordinal %s: %w", ordinal, err)
	}
	id.ordinal = n
	return nil
}
