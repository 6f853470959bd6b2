// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"
)

// TableName is a table's full name.
type TableName struct {
	Database string `json:"database"`
	Name     string `json:"name"`
}

// String joins the name with a dot; a dot in a part has a backslash before it,
// so that ParseTableName can tell.
func (n TableName) String() string { return escapeDots(n.Database) + "." + escapeDots(n.Name) }

func escapeDots(s string) string { return strings.NewReplacer(`\`, `\\`, ".", `\.`).Replace(s) }

// ParseTableName reads what TableName.String wrote.
func ParseTableName(s string) (TableName, error) {
	parts := []string{""}
	for i := 0; i < len(s); i++ {
		last := &parts[len(parts)-1]
		switch {
		case s[i] == '.':
			parts = append(parts, "")
		case s[i] == '\\' && i+1 < len(s):
			i++
			*last += s[i : i+1]
		default:
			*last += s[i : i+1]
		}
	}
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return TableName{}, fmt.Errorf(`table name %q: want database.table, with a backslash before dots inside a name`, s)
	}
	return TableName{parts[0], parts[1]}, nil
}
