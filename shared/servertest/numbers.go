// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"fmt"
	"strings"
)

// Numbers is a table n for a FROM, whose column i holds lo, lo+step, … below hi in this order. Every version of MySQL
// takes it; recursive queries came with 8.0.
func Numbers(lo, hi, step int) string {
	const digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
	count := (hi - lo + step - 1) / step
	var terms, tables []string
	for power := 1; power == 1 || power < count; power *= 10 {
		terms = append(terms, fmt.Sprintf("%d * p%d.d", power*step, power))
		tables = append(tables, fmt.Sprintf("%s p%d", digits, power))
	}
	return fmt.Sprintf("(SELECT %d + %s AS i FROM %s ORDER BY i LIMIT %d) n", lo, strings.Join(terms, " + "), strings.Join(tables, ", "), count)
}
