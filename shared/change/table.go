// SPDX-License-Identifier: Apache-2.0

package change

import "strings"

// Type is a column's type, free of length and sign.
type Type uint8

// The column types of MySQL.
const (
	TypeUnknown Type = iota
	TypeTinyInt
	TypeSmallInt
	TypeMediumInt
	TypeInt
	TypeBigInt
	TypeFloat
	TypeDouble
	TypeDecimal
	TypeBit
	TypeYear
	TypeDate
	TypeTime
	TypeDateTime
	TypeTimestamp
	TypeChar
	TypeVarchar
	TypeText // TINYTEXT to LONGTEXT
	TypeBinary
	TypeVarbinary
	TypeBlob // TINYBLOB to LONGBLOB
	TypeEnum
	TypeSet
	TypeJSON
	TypeGeometry
	TypeVector
)

// Column is one column of a table definition.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Declared is the type as SHOW CREATE TABLE prints it, without charset:
	// "int unsigned", "varchar(50)", "enum('a','b')".
	Declared string `json:"declared"`
	Unsigned bool   `json:"unsigned,omitempty"`
	Nullable bool   `json:"nullable,omitempty"`
	// Charset and Collation are set for CHAR, VARCHAR, TEXT, ENUM and SET.
	Charset   string `json:"charset,omitempty"`
	Collation string `json:"collation,omitempty"`
	// Labels are the members of an ENUM or SET, in order, as UTF-8.
	Labels []string `json:"labels,omitempty"`
	// Length is BINARY's and CHAR's length (bytes, characters), BIT's bits.
	Length int `json:"length,omitempty"`
	// Precision and Scale of a DECIMAL; Scale is the number of fractional
	// seconds' digits of TIME, DATETIME and TIMESTAMP.
	Precision int `json:"precision,omitempty"`
	Scale     int `json:"scale,omitempty"`
	// Generated (virtual or stored) and Invisible columns are delivered like
	// others.
	Generated bool `json:"generated,omitempty"`
	Invisible bool `json:"invisible,omitempty"`
}

// Table is a table definition as of some position. It never changes: a DDL
// makes a new one.
type Table struct {
	Database string   `json:"database"`
	Name     string   `json:"name"`
	Engine   string   `json:"engine,omitempty"`
	Columns  []Column `json:"columns"`
	// Key holds the indexes into Columns of what identifies a row at the source,
	// in key order: the primary key, else a unique key of NOT NULL, unprefixed
	// columns. Empty for a keyless table.
	Key []int `json:"key,omitempty"`
	// Primary tells that Key is the primary key.
	Primary bool `json:"primary,omitempty"`
}

// String is the full name as ids and logs have it: "db.table".
func (t *Table) String() string { return t.FullName().String() }

// FullName is the name as maps and object keys have it.
func (t *Table) FullName() TableName { return TableName{t.Database, t.Name} }

// PrimaryNames lists the primary key's columns in TABLE order, as canal does;
// nil without a primary key.
func (t *Table) PrimaryNames() []string {
	if !t.Primary {
		return nil
	}
	in := make([]bool, len(t.Columns))
	for _, i := range t.Key {
		in[i] = true
	}
	var names []string
	for i, ok := range in {
		if ok {
			names = append(names, t.Columns[i].Name)
		}
	}
	return names
}

// KeyOf extracts the key's values of a row, in key order.
func (t *Table) KeyOf(r Row) Row {
	key := make(Row, len(t.Key))
	for i, c := range t.Key {
		key[i] = r[c]
	}
	return key
}

// Column returns the index of a column by name, ignoring case as MySQL does;
// -1 when there is none.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}
