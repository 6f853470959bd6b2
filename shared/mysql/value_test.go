// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"slipway/shared/change"
	"slipway/shared/mysql"
	"slipway/shared/servertest"
)

// zoo is every column type with values worth a look: an SQL literal and what
// Value.String must say.
var zoo = []struct {
	declared string
	values   [][2]string
}{
	{"tinyint", [][2]string{{"-128", "-128"}, {"127", "127"}, {"0", "0"}, {"NULL", "NULL"}}},
	{"tinyint unsigned", [][2]string{{"255", "255"}, {"128", "128"}, {"0", "0"}}},
	{"tinyint(1)", [][2]string{{"1", "1"}, {"-1", "-1"}}},
	{"smallint", [][2]string{{"-32768", "-32768"}, {"32767", "32767"}}},
	{"smallint unsigned", [][2]string{{"65535", "65535"}, {"32768", "32768"}}},
	{"mediumint", [][2]string{{"-8388608", "-8388608"}, {"8388607", "8388607"}, {"-1", "-1"}}},
	{"mediumint unsigned", [][2]string{{"16777215", "16777215"}, {"8388608", "8388608"}}},
	{"int", [][2]string{{"-2147483648", "-2147483648"}, {"2147483647", "2147483647"}}},
	{"int unsigned", [][2]string{{"4294967295", "4294967295"}, {"2147483648", "2147483648"}}},
	{"int(8) unsigned zerofill", [][2]string{{"42", "42"}, {"4294967295", "4294967295"}}},
	{"bigint", [][2]string{{"-9223372036854775808", "-9223372036854775808"}, {"9223372036854775807", "9223372036854775807"}}},
	{"bigint unsigned", [][2]string{{"18446744073709551615", "18446744073709551615"}, {"9223372036854775808", "9223372036854775808"}, {"0", "0"}}},
	{"float", [][2]string{{"0.1", "0.1"}, {"-0e0", "-0"}, {"3.4028234e38", "3.4028235e+38"}, {"1.17549e-38", "1.17549e-38"}, {"16777217", "1.6777216e+07"}, {"NULL", "NULL"}}},
	{"float(7,2)", [][2]string{{"12345.67", "12345.67"}, {"0.006", "0.01"}, {"-1.1", "-1.1"}}},
	{"float unsigned zerofill", [][2]string{{"1.5", "1.5"}}},
	{"double", [][2]string{{"0.1", "0.1"}, {"-0e0", "-0"}, {"1.7976931348623157e308", "1.7976931348623157e+308"}, {"5e-324", "5e-324"}, {"0.30000000000000004", "0.30000000000000004"}, {"9007199254740993", "9.007199254740992e+15"}}},
	{"double(20,4)", [][2]string{{"123456789.12345", "1.234567891234e+08"}, {"-0.5", "-0.5"}}},
	{"decimal(10,2)", [][2]string{{"1", `"1.00"`}, {".5", `"0.50"`}, {"-0.001", `"0.00"`}, {"-12345678.9", `"-12345678.90"`}, {"99999999.99", `"99999999.99"`}, {"0", `"0.00"`}, {"-0.01", `"-0.01"`}}},
	{"decimal(5,0)", [][2]string{{"-0.4", `"0"`}, {"99999", `"99999"`}, {"-99999", `"-99999"`}, {"100", `"100"`}}},
	{"decimal(65,30)", [][2]string{{"12345678901234567890123456789012345.123456789012345678901234567891", `"12345678901234567890123456789012345.123456789012345678901234567891"`}, {"-1e-30", `"-0.000000000000000000000000000001"`}, {"10000000001", `"10000000001.000000000000000000000000000000"`}, {"0", `"0.000000000000000000000000000000"`}}},
	{"decimal(2,2)", [][2]string{{"0.99", `"0.99"`}, {"-0.5", `"-0.50"`}}},
	{"decimal(9,3) unsigned zerofill", [][2]string{{"7.5", `"7.500"`}, {"0", `"0.000"`}, {"123456.789", `"123456.789"`}}},
	{"bit(1)", [][2]string{{"b'1'", "1"}, {"b'0'", "0"}}},
	{"bit(10)", [][2]string{{"b'1000000001'", "513"}, {"NULL", "NULL"}}},
	{"bit(64)", [][2]string{{"0xFFFFFFFFFFFFFFFF", "18446744073709551615"}, {"1", "1"}, {"0", "0"}}},
	{"year", [][2]string{{"2024", "2024"}, {"0", "0"}, {"1901", "1901"}, {"2155", "2155"}}},
	{"date", [][2]string{{"'2024-01-31'", `"2024-01-31"`}, {"'0000-00-00'", `"0000-00-00"`}, {"'2024-00-15'", `"2024-00-15"`}, {"'9999-12-31'", `"9999-12-31"`}, {"'0001-01-01'", `"0001-01-01"`}, {"'2024-01-00'", `"2024-01-00"`}, {"'0000-01-01'", `"0000-01-01"`}}},
	{"time", [][2]string{{"'12:34:56'", `"12:34:56"`}, {"'838:59:59'", `"838:59:59"`}, {"'-838:59:59'", `"-838:59:59"`}, {"'0'", `"00:00:00"`}, {"'-00:00:01'", `"-00:00:01"`}, {"'100:00:00'", `"100:00:00"`}}},
	{"time(1)", [][2]string{{"'-00:00:00.1'", `"-00:00:00.1"`}, {"'-12:00:00.0'", `"-12:00:00.0"`}, {"'0'", `"00:00:00.0"`}}},
	{"time(3)", [][2]string{{"'-12:00:00'", `"-12:00:00.000"`}, {"'12:00:00.007'", `"12:00:00.007"`}, {"'-838:59:58.999'", `"-838:59:58.999"`}, {"'-00:00:00.001'", `"-00:00:00.001"`}}},
	{"time(6)", [][2]string{{"'12:00:00'", `"12:00:00.000000"`}, {"'-00:00:00.000001'", `"-00:00:00.000001"`}, {"'25:00:00.5'", `"25:00:00.500000"`}, {"'-838:59:59'", `"-838:59:59.000000"`}}},
	{"datetime", [][2]string{{"'2024-01-31 12:34:56'", `"2024-01-31 12:34:56"`}, {"'0000-00-00 00:00:00'", `"0000-00-00 00:00:00"`}, {"'1000-01-01'", `"1000-01-01 00:00:00"`}, {"'2024-00-15 01:02:03'", `"2024-00-15 01:02:03"`}, {"'9999-12-31 23:59:59'", `"9999-12-31 23:59:59"`}}},
	{"datetime(3)", [][2]string{{"'2024-01-31 12:34:56.789'", `"2024-01-31 12:34:56.789"`}, {"'2024-01-31'", `"2024-01-31 00:00:00.000"`}, {"'0000-00-00'", `"0000-00-00 00:00:00.000"`}, {"'1969-12-31 23:59:59.001'", `"1969-12-31 23:59:59.001"`}}},
	{"datetime(6)", [][2]string{{"'1000-01-01 00:00:00.000001'", `"1000-01-01 00:00:00.000001"`}, {"'2024-01-31 12:00:00'", `"2024-01-31 12:00:00.000000"`}, {"'0000-00-00 00:00:00'", `"0000-00-00 00:00:00.000000"`}, {"'2024-01-00 00:00:00.5'", `"2024-01-00 00:00:00.500000"`}}},
	{"timestamp NULL", [][2]string{{"'1970-01-01 00:00:01'", `"1970-01-01 00:00:01"`}, {"'2038-01-19 03:14:07'", `"2038-01-19 03:14:07"`}, {"'0000-00-00'", `"0000-00-00 00:00:00"`}, {"NULL", "NULL"}, {"'2024-03-31 02:30:00'", `"2024-03-31 02:30:00"`}}},
	{"timestamp(2) NULL", [][2]string{{"'2024-01-31 12:34:56.7'", `"2024-01-31 12:34:56.70"`}, {"'0000-00-00'", `"0000-00-00 00:00:00.00"`}}},
	{"timestamp(6) NULL", [][2]string{{"'2038-01-19 03:14:07.499999'", `"2038-01-19 03:14:07.499999"`}, {"'2024-01-31'", `"2024-01-31 00:00:00.000000"`}}},
	{"char(10)", [][2]string{{"'ab  '", `"ab"`}, {"''", `""`}, {"'日本語😀'", `"日本語😀"`}, {"' x'", `" x"`}}},
	{"char(0)", [][2]string{{"''", `""`}, {"NULL", "NULL"}}},
	{"char(255)", [][2]string{{"REPEAT('😀',255)", `"` + strings.Repeat("😀", 255) + `"`}, {"'a'", `"a"`}}},
	{"varchar(50)", [][2]string{{"'ab  '", `"ab  "`}, {"''", `""`}, {"'a\\0b'", `"a\x00b"`}, {"'é\u200b'", `"é\u200b"`}}},
	{"varchar(300)", [][2]string{{"REPEAT('ä',300)", `"` + strings.Repeat("ä", 300) + `"`}, {"'x'", `"x"`}}},
	{"varchar(20) character set latin1", [][2]string{{"'é€ÿ'", `"é€ÿ"`}, {"0x81", `"\u0081"`}}},
	{"char(20) character set gbk", [][2]string{{"'汉字abc'", `"汉字abc"`}, {"'Ａ '", `"Ａ"`}}},
	{"varchar(20) character set gb18030", [][2]string{{"'汉字😀'", `"汉字😀"`}, {"'ä'", `"ä"`}}},
	{"varchar(20) character set big5", [][2]string{{"'漢字 '", `"漢字 "`}}},
	{"varchar(20) character set sjis", [][2]string{{"'表ｱ漢'", `"表ｱ漢"`}}},
	{"varchar(20) character set ujis", [][2]string{{"'日本ｱ丂'", `"日本ｱ丂"`}}},
	{"varchar(20) character set euckr", [][2]string{{"'한국어'", `"한국어"`}}},
	{"char(20) character set utf16", [][2]string{{"'aé😀 '", `"aé😀"`}, {"''", `""`}}},
	{"char(5) character set utf16le", [][2]string{{"'aé😀'", `"aé😀"`}}},
	{"varchar(20) character set utf32", [][2]string{{"'aé😀'", `"aé😀"`}}},
	{"char(20) character set ucs2", [][2]string{{"'aé漢 '", `"aé漢"`}}},
	{"text character set utf8mb3", [][2]string{{"'aé漢'", `"aé漢"`}, {"''", `""`}}},
	{"tinytext", [][2]string{{"'t'", `"t"`}, {"NULL", "NULL"}}},
	{"mediumtext character set cp1251", [][2]string{{"'Привет'", `"Привет"`}}},
	{"longtext", [][2]string{{"'long\\nline'", `"long\nline"`}}},
	{"binary(4)", [][2]string{{"0x01000000", "0x01000000"}, {"''", "0x00000000"}, {"0xFF", "0xff000000"}, {"0x20202020", "0x20202020"}}},
	{"binary(255)", [][2]string{{"0x01", "0x01" + strings.Repeat("00", 254)}}},
	{"varbinary(10)", [][2]string{{"0x0100", "0x0100"}, {"''", "0x"}, {"0xFF", "0xff"}}},
	{"tinyblob", [][2]string{{"0x00", "0x00"}}},
	{"blob", [][2]string{{"0xFF00FF", "0xff00ff"}, {"''", "0x"}, {"NULL", "NULL"}}},
	{"mediumblob", [][2]string{{"0xFE", "0xfe"}}},
	{"longblob", [][2]string{{"'x'", "0x78"}}},
	{"enum('a','b''c','é')", [][2]string{{"'a'", "1"}, {"'é'", "3"}, {"0", "0"}, {"NULL", "NULL"}}},
	{"set('x','y','z')", [][2]string{{"'x,z'", "5"}, {"''", "0"}, {"'y'", "2"}}},
	{setOf64(), [][2]string{{"18446744073709551615", "18446744073709551615"}, {"1", "1"}, {"'m63'", "9223372036854775808"}}},
	{"geometry", [][2]string{{"ST_GeomFromText('POINT(1 2)')", "0x000000000101000000000000000000f03f0000000000000040"}, {"NULL", "NULL"}}},
	{"point SRID 4326", [][2]string{{"ST_GeomFromText('POINT(1 2)', 4326)", "0xe6100000010100000000000000000000400000" + "00000000f03f"}}},
	{"vector(3)", [][2]string{{"TO_VECTOR('[1,-2,0.5]')", "0x0000803f000000c00000003f"}, {"NULL", "NULL"}}},
	{"json", [][2]string{{`'{"b": 1, "aa": [1.0, true, null]}'`, `"{\"b\": 1, \"aa\": [1.0, true, null]}"`}, {"NULL", "NULL"}, {"'null'", `"null"`}}},
}

func setOf64() string {
	labels := make([]string, 64)
	for i := range labels {
		labels[i] = fmt.Sprintf("'m%d'", i)
	}
	return "set(" + strings.Join(labels, ",") + ")"
}

// makeZoo creates and fills the table; every row takes each column's next
// value.
func makeZoo(t *testing.T, c *mysql.Conn, db string) (rows int) {
	t.Helper()
	var create strings.Builder
	fmt.Fprintf(&create, "CREATE TABLE %s.zoo (id int PRIMARY KEY, n int NOT NULL DEFAULT 0", db)
	for i, z := range zoo {
		fmt.Fprintf(&create, ", c%d %s", i, z.declared)
		rows = max(rows, len(z.values))
	}
	create.WriteString(", virt int AS (n + 1) VIRTUAL, stor varchar(20) AS (CONCAT('v', n)) STORED, hidden int DEFAULT 7 INVISIBLE)")
	query(t, c, forServer(c, create.String()))
	for r := range rows {
		var names, literals strings.Builder
		for i, z := range zoo {
			fmt.Fprintf(&names, ", c%d", i)
			literals.WriteString(", " + z.values[r%len(z.values)][0])
		}
		query(t, c, forServer(c, fmt.Sprintf("INSERT INTO %s.zoo (id%s) VALUES (%d%s)", db, names.String(), r, literals.String())))
	}
	return rows
}

func TestD1EveryTypeIsTheSameFromSelectAndBinlog(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	start := logEnd(t, c)
	n := makeZoo(t, c, db)
	table := loadTable(t, c, db, "zoo")
	first := selectRows(t, c, table)
	query(t, c, "UPDATE "+db+".zoo SET n = n + 1")
	second := selectRows(t, c, table)
	query(t, c, "DELETE FROM "+db+".zoo ORDER BY id")

	for r, row := range first {
		for i, z := range zoo {
			want := z.values[r%len(z.values)]
			if got := row[table.Column(fmt.Sprintf("c%d", i))].String(); got != want[1] {
				t.Errorf("%s %s: %s, want %s", z.declared, want[0], got, want[1])
			}
		}
	}
	if got := first[0][table.Column("hidden")].String(); got != "7" {
		t.Errorf("the invisible column has %s, want 7", got)
	}
	images := binlogImages(t, c, start, table)
	if len(images) != 4*n {
		t.Fatalf("%d row images, want %d", len(images), 4*n)
	}
	for r := range n {
		mustEqualRows(t, table, "INSERT", images[r].row, first[r])
		mustEqualRows(t, table, "UPDATE before", images[n+2*r].row, first[r])
		mustEqualRows(t, table, "UPDATE after", images[n+2*r+1].row, second[r])
		mustEqualRows(t, table, "DELETE", images[3*n+r].row, second[r])
	}
}

func TestD1GeneratedInvisiblePrimaryKeyIsInTheRow(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "SET sql_generate_invisible_primary_key = ON")
	query(t, c, "CREATE TABLE "+db+".t (a int, b int, KEY f ((a + b)))")
	start := logEnd(t, c)
	query(t, c, "INSERT INTO "+db+".t (a, b) VALUES (5, 6)")
	table := loadTable(t, c, db, "t")
	if len(table.Columns) != 3 || !table.Primary || table.Columns[table.Key[0]].Name != "my_row_id" {
		t.Fatalf("definition %+v", table)
	}
	images := binlogImages(t, c, start, table)
	if len(images) != 1 {
		t.Fatalf("%d row images", len(images))
	}
	mustEqualRows(t, table, "INSERT", images[0].row, selectRows(t, c, table)[0])
}

func TestT4BadBytesAreAnErrorThatNamesTheColumn(t *testing.T) {
	table := &change.Table{Database: "d", Name: "t", Columns: []change.Column{{Name: "the text", Type: change.TypeVarchar, Charset: "utf8mb4"}}}
	d, err := mysql.NewBinlogDecoder(table)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Decode([]any{"\xff"})
	if err == nil || !strings.Contains(err.Error(), `d.t: column "the text"`) {
		t.Errorf("error %v", err)
	}
}

func TestT4WrongDefinitionIsAnError(t *testing.T) {
	for _, tc := range []struct {
		typ change.Type
		raw any
	}{
		{change.TypeInt, "text"},
		{change.TypeVarchar, int32(1)},
		{change.TypeFloat, float64(1)},
		{change.TypeDouble, float32(1)},
		{change.TypeInt, float32(1)},
		{change.TypeText, true},
	} {
		d, err := mysql.NewBinlogDecoder(&change.Table{Columns: []change.Column{{Name: "c", Type: tc.typ, Charset: "utf8mb4"}}})
		if err != nil {
			t.Fatal(err)
		}
		if row, err := d.Decode([]any{tc.raw}); err == nil {
			t.Errorf("type %d from %T gives %v, want an error", tc.typ, tc.raw, row)
		}
		if row, err := d.Decode([]any{tc.raw, nil}); err == nil {
			t.Errorf("a row of two columns gives %v, want an error", row)
		}
	}
}

func TestT4PartialJSONRowsStayUndecoded(t *testing.T) {
	c := connect(t)
	db := servertest.MySQL(t).Database(t)
	query(t, c, "CREATE TABLE "+db+".t (id int PRIMARY KEY, j json)")
	query(t, c, "INSERT INTO "+db+`.t VALUES (1, '{"a": "a long enough text to be worth a difference", "b": 2}')`)
	query(t, c, "SET binlog_row_value_options = PARTIAL_JSON")
	start := logEnd(t, c)
	query(t, c, "UPDATE "+db+".t SET j = JSON_SET(j, '$.b', 3)")
	partial := 0
	readBinlog(t, c, start, func(e *replication.BinlogEvent) {
		if e.Header.EventType == replication.PARTIAL_UPDATE_ROWS_EVENT {
			partial++
			if rows := e.Event.(*replication.RowsEvent); len(rows.Rows) != 0 {
				t.Errorf("rows %v", rows.Rows)
			}
		}
	})
	if partial != 1 {
		t.Errorf("%d partial events, want 1", partial)
	}
}
