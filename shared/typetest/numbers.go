// SPDX-License-Identifier: Apache-2.0

package typetest

import (
	"fmt"
	"strconv"
)

// column is a column of all versions.
func column(declared string, values ...string) Column {
	return Column{Declared: declared, Values: values}
}

func numbers() []Column {
	list := []Column{
		column("bool", "0", "1", "-128", "127"), column("tinyint(1)", "1", "0"), column("int(8) unsigned zerofill", "42", "4294967295", "0"),
		column("bigint(20) zerofill", "7", "18446744073709551615"), column("smallint(3)", "-1", "32767"),
		column("float", "0", "1", "0.1", "-0e0", "3.4028234e38", "-3.4028234e38", "1.17549e-38", "1e-45", "16777217", "1e7", "0.001", "123456.7"),
		column("float unsigned", "0", "1.5", "3e38"), column("float(7,2)", "12345.67", "0.006", "-1.1", "99999.99"),
		column("float(24)", "0.1"), column("float(25)", "0.1", "1e300"), column("float zerofill", "1.5"),
		column("double", "0", "1", "0.1", "-0e0", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "2.2250738585072014e-308",
			"0.30000000000000004", "9007199254740993", "1e7", "9999999.999", "0.001", "0.00099", "2e23", "1e20", "123456789012345680"),
		column("double unsigned zerofill", "1.5", "0"), column("double(20,4)", "123456789.12345", "-0.5", "0"), column("real", "1e0"),
		column("decimal", "1", "-9999999999", "9999999999"), column("decimal(1,0)", "0", "9", "-9"), column("decimal(1,1)", "0.9", "-0.1", "0"),
		column("decimal(10,2)", "1", ".5", "-0.001", "-12345678.9", "99999999.99", "0", "-0.01", "1.10"),
		column("decimal(5,0)", "-0.4", "99999", "-99999", "100"), column("decimal(9,3) unsigned zerofill", "7.5", "0", "123456.789"),
		column("decimal(10,0) unsigned", "0", "9999999999"), column("numeric(9,9)", "0.123456789", "-0.000000001", "0"),
		column("decimal(18,9)", "123456789.123456789", "-1.000000001", "1"), column("decimal(20,10)", "1234567890.0123456789", "-0.0000000001", "0", "5"),
		column("decimal(30,30)", "0.000000000000000000000000000001", "-0.999999999999999999999999999999", "0"),
		column("decimal(65,0)", "99999999999999999999999999999999999999999999999999999999999999999", "-1", "0"),
		column("decimal(65,30)", "12345678901234567890123456789012345.123456789012345678901234567891", "-1e-30", "10000000001", "0",
			"-99999999999999999999999999999999999.999999999999999999999999999999"),
		column("decimal(40,20)", "0", "1.5", "-0.00000000000000000001"),
	}
	for _, i := range []struct {
		name string
		bits uint
	}{{"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}} {
		low, high := int64(-1)<<(i.bits-1), int64(1)<<(i.bits-1)-1
		list = append(list,
			column(i.name, "0", "-1", strconv.FormatInt(low, 10), strconv.FormatInt(high, 10)),
			column(i.name+" unsigned", "0", strconv.FormatInt(high, 10), strconv.FormatUint(uint64(high)+1, 10), strconv.FormatUint(^uint64(0)>>(64-i.bits), 10)))
	}
	return list
}

// bits is BIT in every width, with its lowest and its highest bit alone.
func bits() []Column {
	list := []Column{{Declared: "bit", Values: []string{"b'0'", "b'1'"}}}
	for n := range 64 {
		all := ^uint64(0) >> (63 - n)
		list = append(list, column(fmt.Sprintf("bit(%d)", n+1), "0", "1", strconv.FormatUint(1<<n, 10), strconv.FormatUint(all, 10), "b'101'&"+strconv.FormatUint(all, 10)))
	}
	return list
}
