// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"context"
	"fmt"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"slipway/shared/change"
)

// Dialect is what a server makes of a column definition that leaves things
// out, and how it spells the result.
type Dialect struct {
	collations map[string]string // charset → its default collation
	// widths: integers show their display width (before 8.0.19).
	widths bool
	// geomcollection is how GEOMETRYCOLLECTION is spelt.
	geomcollection string
	// implicitTimestamps: a TIMESTAMP is NOT NULL unless it says NULL, where the
	// session doesn't tell.
	implicitTimestamps bool
	// Metadata: the server can log what the columns of rows are (since 8.0.1).
	Metadata bool
}

// LoadDialect asks a server for its dialect.
func LoadDialect(ctx context.Context, c *Conn) (Dialect, error) {
	server := c.Server()
	d := Dialect{
		collations: map[string]string{}, geomcollection: "geomcollection",
		widths: !server.since(release{8, 0, 19}), implicitTimestamps: !server.since(release{8, 0, 2}), Metadata: server.since(release{8, 0, 1}),
	}
	if !server.since(release{8, 0, 11}) {
		d.geomcollection = "geometrycollection"
	}
	r, err := c.Query(ctx, "SELECT CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS")
	if err != nil {
		return d, fmt.Errorf("read the default collations: %w", err)
	}
	for _, f := range r.Values {
		d.collations[modernName(text(f[0]))] = modernName(text(f[1]))
	}
	return d, nil
}

// collation is a charset's default collation.
func (x *Dialect) collation(charset string, session *statementSession) string {
	charset = modernName(strings.ToLower(charset))
	if charset == "utf8mb4" && session.utf8mb4Collation != "" {
		return session.utf8mb4Collation
	}
	return x.collations[charset]
}

// column makes a column of its definition; fallback is the table's collation.
func (x *Dialect) column(def *sqlparser.ColumnDefinition, fallback string, session *statementSession) (listed, error) {
	t, o := def.Type, def.Type.Options
	collation := fallback
	switch {
	case o.Collate != "":
		collation = modernName(strings.ToLower(o.Collate))
	case t.Charset.Binary:
		charset := charsetOfCollation(fallback)
		if t.Charset.Name != "" {
			charset = modernName(strings.ToLower(t.Charset.Name))
		}
		collation = charset + "_bin"
	case t.Charset.Name != "":
		collation = x.collation(t.Charset.Name, session)
	}
	charset := charsetOfCollation(collation)
	declared, err := x.declare(t, charset, session.mode)
	if err != nil {
		return listed{}, fmt.Errorf("column %q: %w", def.Name.String(), err)
	}
	col, err := newColumn(def.Name.String(), declared, "")
	if err != nil {
		return listed{}, err
	}
	if carriesText(col.Type) {
		if charset == "" {
			return listed{}, fmt.Errorf("column %q: collation %q isn't known", def.Name.String(), collation)
		}
		col.Charset, col.Collation = charset, collation
	}
	col.Nullable = o.Null == nil || *o.Null
	if o.Null == nil && col.Type == change.TypeTimestamp && session.implicitTimestamps(x) {
		col.Nullable = false
	}
	col.Generated = o.As != nil
	col.Invisible = o.Invisible != nil && *o.Invisible
	return listed{Column: col, virtual: o.As != nil && o.Storage != sqlparser.StoredStorage}, nil
}

// carriesText tells which types have a charset.
func carriesText(t change.Type) bool {
	switch t {
	case change.TypeChar, change.TypeVarchar, change.TypeText, change.TypeEnum, change.TypeSet:
		return true
	}
	return false
}

// convert is CONVERT TO CHARACTER SET for one column. A TEXT grows so that it
// holds as many characters as before.
func (x *Dialect) convert(col *change.Column, collation string) {
	if !carriesText(col.Type) || col.Charset == "binary" {
		return
	}
	charset := charsetOfCollation(collation)
	if col.Type == change.TypeText && charset != col.Charset {
		chars := textCapacity[col.Declared] / bytesPerChar(col.Charset)
		col.Declared = textOfSize(chars*bytesPerChar(charset), "text")
	}
	col.Charset, col.Collation = charset, collation
}

// textCapacity is the most bytes each of the TEXT types holds.
var textCapacity = map[string]int{"tinytext": 1<<8 - 1, "text": 1<<16 - 1, "mediumtext": 1<<24 - 1, "longtext": 1<<32 - 1}

// textOfSize is the smallest TEXT or BLOB type for n bytes.
func textOfSize(n int, word string) string {
	switch {
	case n < 1<<8:
		return "tiny" + word
	case n < 1<<16:
		return word
	case n < 1<<24:
		return "medium" + word
	}
	return "long" + word
}
