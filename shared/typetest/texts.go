// SPDX-License-Identifier: Apache-2.0

package typetest

const (
	// awkward is what escaping trips over.
	awkward = `CONCAT('"\\/', CHAR(1,8,9,10,12,13,31,127 USING utf8mb4), '<>&''', 'é船🚢', CHAR(0xC280,0xE280A8,0xEFBFBD USING utf8mb4))`
	// everyByte is what a rendering of bytes has to get through.
	everyByte = "X'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f5c7e7f808182" +
		"8d8f909da0adb0bfc0c1c2c3dfe0e8eff0f4f5feff'"
)

// texts are text and bytes of every length class.
func texts() []Column {
	return []Column{
		column("char(0)", "''"), column("char", "'x'", "'😀'", "''"), column("char(10)", "'ab  '", "''", "'日本語😀'", "' x'", "'  '"),
		column("char(40)", awkward, "'trailing  '"), column("char(255)", "REPEAT('😀', 255)", "'a'", "REPEAT('b', 255)"),
		column("varchar(0)", "''"), column("varchar(1)", "'é'", "' '"), column("varchar(63)", "REPEAT('😀', 63)", "''"), column("varchar(64)", "REPEAT('😀', 64)", "'x'"),
		column("varchar(50)", "'ab  '", "''", `'a\0b'`, "'tab\t'"), column("varchar(300)", "REPEAT('ä', 300)", awkward, "'x'"),
		column("tinytext", "''", awkward, "REPEAT('x', 255)"), column("text", "''", awkward, "REPEAT('x', 256)"),
		column("mediumtext", "REPEAT('long ', 60)", awkward, "REPEAT('é', 33000)"), column("longtext", "''", awkward),
		column("nchar(5)", "'é'", "''"), column("nvarchar(5)", "'漢字  '"), column("long", "'long is mediumtext'"),
		column("varchar(20) character set latin1 binary", "'é'"), column("text character set latin1 collate latin1_bin", "'É'"),
		column("char byte", "'x'", "''"), column("binary(0)", "''"), column("binary(4)", "X'01000000'", "''", "X'ff'", "X'20202020'", "X'00000000'", "'abcd'", "X'61620020'"),
		column("binary(255)", "X'01'", "REPEAT(X'ff', 255)"), column("varbinary(0)", "''"), column("varbinary(10)", "X'0100'", "''", "X'ff'", "X'2020'"),
		column("varbinary(255)", everyByte), column("varbinary(256)", "REPEAT(X'e8', 256)", "X'00'"), column("varbinary(1000)", everyByte, "''"),
		column("tinyblob", "''", everyByte, "X'00'"), column("blob", "''", everyByte, "X'ff00ff'"), column("mediumblob", everyByte, "REPEAT(X'00ff', 40000)"),
		column("longblob", everyByte, "'x'"),
	}
}
