// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/shared/task"
)

func TestProblemsOfGeneralValues(t *testing.T) {
	const nameWant = `expected 1 to 40 of the characters a-z, 0-9 and -`
	checkProblems(t, []problemCase{
		{"name", "name: shop", "name: Shop_1", []string{`1:7: name: ` + nameWant + `, got "Shop_1"`}},
		{"empty name", "name: shop", "name: ''", []string{`1:7: name: ` + nameWant + `, got ""`}},
		{"environment", "", "environment: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", []string{`13:14: environment: expected at most 64 bytes, got 65`}},
		{"capitalization", "", "capitalization: upper\n", []string{`13:17: capitalization: "upper" is not built yet; expected "default"`}},
		{"unknown stage", "", "stages: [full, tail]\n", []string{`13:9: stages: expected [full], [incremental] or [full, incremental]`}},
		{"stage order", "", "stages: [incremental, full]\n", []string{`13:9: stages: expected [full], [incremental] or [full, incremental]`}},
		{"no stage", "", "stages: []\n", []string{`13:9: stages: expected [full], [incremental] or [full, incremental]`}},
		{"start with a snapshot", "", "start: now\n", []string{`13:8: start: expected only with stages: [incremental]; after a snapshot the tail starts where the snapshot stands`}},
		{"start at a GTID set", "", "stages: [incremental]\nstart: gtid:x:1-5\n", []string{`14:8: start: "gtid:" is not built yet; expected "now"`}},
		{"start elsewhere", "", "stages: [incremental]\nstart: yesterday\n", []string{`14:8: start: expected "now", got "yesterday"`}},
		{"relative state", "file:///var/lib/slipway", "file://state", []string{`2:8: state: expected three slashes and an absolute directory, file:///directory, got "file://state"`}},
		{"root state", "file:///var/lib/slipway", "file:///", []string{`2:8: state: expected three slashes and an absolute directory, file:///directory, got "file:///"`}},
		{"unknown store", "file:///var/lib/slipway", "/var/lib/slipway", []string{`2:8: state: expected the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix, got "/var/lib/slipway"`}},
		{"no bucket", "file:///var/lib/slipway", "s3:///prefix", []string{`2:8: state: expected the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix, got "s3:///prefix"`}},
		{"capital store", "file:///var/lib/slipway", "S3://bucket", []string{`2:8: state: expected the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix, got "S3://bucket"`}},
		{"bad URL", "file:///var/lib/slipway", "'s3://b/%zz'", []string{`2:8: state: expected the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix, got "s3://b/%zz"`}},
		{"offset", "", "timezone: '+8:00'\n", []string{`13:11: timezone: expected an offset such as +08:00, got "+8:00"`}},
		{"offset range", "", "timezone: '+14:01'\n", []string{`13:11: timezone: expected an offset from -13:59 to +14:00, got "+14:01"`}},
		{"zone", "", "timezone: Mars/Olympus\n", []string{`13:11: timezone: expected an offset such as +08:00 or an IANA name such as Asia/Shanghai, got "Mars/Olympus"`}},
		{"local zone", "", "timezone: Local\n", []string{`13:11: timezone: expected an offset such as +08:00 or an IANA name such as Asia/Shanghai, got "Local"`}},
	})
}

func TestProblemsOfEnds(t *testing.T) {
	checkProblems(t, []problemCase{
		{"no host", "[db:3306]", "[]", []string{`4:10: source.hosts: expected one host:port, got nothing`}},
		{"two hosts", "[db:3306]", "[db:3306, db2:3306]", []string{`4:20: source.hosts[1]: a second host is not built yet; expected one host:port`}},
		{"port", "[db:3306]", "['db:70000']", []string{`4:11: source.hosts[0]: expected host:port, got "db:70000"`}},
		{"no user", "  user: slipway\n", "", []string{`4:3: source.user: missing; expected the MySQL account`}},
		{"rds", "  user: slipway", "  user: slipway\n  rds: {instanceId: x}", []string{`6:3: source.rds: not built yet; leave it out`}},
		{"tls mode", "  user: slipway", "  user: slipway\n  tls: {mode: preferred}", []string{`6:15: source.tls.mode: expected "disabled", "required", "verify-ca" or "verify-identity", got "preferred"`}},
		{"files without tls", "  user: slipway", "  user: slipway\n  tls: {ca: x.pem}", []string{`6:13: source.tls.ca: expected only with a source.tls.mode other than "disabled"`}},
		{"unchecked ca", "  user: slipway", "  user: slipway\n  tls: {mode: required, ca: x.pem}", []string{`6:29: source.tls.ca: mode "required" checks no certificate; expected source.tls.mode "verify-ca" or "verify-identity"`}},
		{"cert without key", "  user: slipway", "  user: slipway\n  tls: {mode: required, cert: x.pem}", []string{`6:8: source.tls.key: missing; expected the private key that belongs to source.tls.cert`}},
		{"key without cert", "  user: slipway", "  user: slipway\n  tls: {mode: required, key: x.pem}", []string{`6:8: source.tls.cert: missing; expected the certificate that belongs to source.tls.key`}},
		{"no cert", "  user: slipway", "  user: slipway\n  tls: {mode: required, cert: '', key: x.pem}", []string{`6:31: source.tls.cert: expected the certificate that belongs to source.tls.key, got ""`}},
		{"version 4", `"5"`, `"4"`, []string{`8:12: destination.version: "4" is not built yet; expected "5"`}},
		{"no version", "  version: \"5\"\n", "", []string{`8:3: destination.version: missing; expected "5"`}},
		{"endpoint without port", "mq:8081", "mq", []string{`9:13: destination.endpoint: expected host:port, got "mq"`}},
		{"endpoint with scheme", "mq:8081", "http://mq:8081", []string{`9:13: destination.endpoint: expected host:port, got "http://mq:8081"`}},
		{"no topic", "  topic: shop\n", "", []string{`8:3: destination.topic: missing; expected a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, % and |`}},
		{"topic", "topic: shop", "topic: a.b", []string{`10:10: destination.topic: expected a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, % and |, got "a.b"`}},
		{"ddl topic", "  topic: shop", "  topic: shop\n  ddlTopic: a b", []string{`11:13: destination.ddlTopic: expected a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, % and |, got "a b"`}},
		{"producer group", "  topic: shop", "  topic: shop\n  producerGroup: g", []string{`11:3: destination.producerGroup: not built yet; leave it out`}},
		{"destination tls", "  topic: shop", "  topic: shop\n  tls: {mode: verify-ca}", []string{`11:15: destination.tls.mode: "verify-ca" is not built yet; expected "disabled" or "required"`}},
	})
	want := []string{
		`1:1: destination: missing; expected the RocketMQ instance: version, endpoint, topic`,
		`1:1: objects: missing; expected at least one entry, such as {match: "shop.*"}`,
		`1:1: source: missing; expected the MySQL server: hosts, user, password`,
		`1:1: state: missing; expected the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix`,
	}
	if got := problemsOf(t, "name: shop\n"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestProblemsOfObjects(t *testing.T) {
	entry := func(lines string) string { return "  - match: shop.*\n" + lines }
	const old = "  - match: shop.*\n"
	checkProblems(t, []problemCase{
		{"no match", old, "  - topic: x\n", []string{`12:5: objects[0].match: missing; expected database.table, such as shop.orders or "shop.*"`}},
		{"no dot", old, "  - match: shop\n", []string{`12:12: objects[0].match: expected database.table, such as shop.orders or "shop.*", got "shop"`}},
		{"two dots", old, "  - match: a.b.c\n", []string{`12:12: objects[0].match: expected one dot, between database and table; quote a name that holds a dot with backticks, got "a.b.c"`}},
		{"space", old, "  - match: shop.old orders\n", []string{"12:12: objects[0].match: expected a name with a space or backtick to stand in backticks, such as shop.`old orders`, got \"shop.old orders\""}},
		{"open backtick", old, "  - match: shop.`x\n", []string{"12:12: objects[0].match: expected a closing backtick, got \"shop.`x\""}},
		{"number", old, "  - match: 5\n", []string{`12:12: objects[0].match: expected database.table, such as shop.orders or "shop.*", got "5"`}},
		{"system table", old, entry("  - match: mysql.user\n"), []string{`13:12: objects[1].match: expected a table of yours; "mysql" holds the server's own tables and is never migrated`}},
		{"system schema", old, entry("  - match: sys.*\n"), []string{`13:12: objects[1].match: expected a table of yours; "sys" holds the server's own tables and is never migrated`}},
		{"twice", old, "  - match: a.b\n  - match: a.`b`\n", []string{`13:12: objects[1].match: a.b is already in line 12; expected one entry per table`}},
		{"swallowed", old, entry("  - match: shop.o*\n"), []string{`13:12: objects[1].match: shop.*, in line 12, already selects every table of shop.o*; exclude it there or drop one`}},
		{"swallowing", old, entry("  - match: \"*.*\"\n"), []string{`13:12: objects[1].match: *.* selects every table of shop.*, in line 12, too; exclude it here or drop one`}},
		{"useless exclude", old, entry("    exclude: [other.*]\n"), []string{`13:15: objects[0].exclude[0]: expected a pattern that meets shop.*; no table matches both`}},
		{"all excluded", old, entry("    exclude: [\"*.*\"]\n"), []string{`13:15: objects[0].exclude[0]: expected a pattern that leaves something of shop.*; this one excludes it all`}},
		{"exclude of one table", old, "  - match: a.b\n    exclude: [a.b]\n", []string{`13:15: objects[0].exclude[0]: expected only under a match with a wildcard; a.b is one table`}},
		{"topic", old, entry("    topic: a/b\n"), []string{`13:12: objects[0].topic: expected a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, % and |, got "a/b"`}},
		{"key column twice", old, entry("    keyColumns: [a, a]\n"), []string{`13:21: objects[0].keyColumns[1]: "a" is already in the list`}},
		{"empty key column", old, entry("    keyColumns: ['']\n"), []string{`13:18: objects[0].keyColumns[0]: expected the name of a column, got ""`}},
		{"no key column", old, entry("    keyColumns: []\n"), []string{`13:17: objects[0].keyColumns: expected at least one column (leave the key out for the table's own key), got nothing`}},
		{"dml", old, entry("    dml: [insert]\n"), []string{`13:5: objects[0].dml: not built yet; leave it out`}},
		{"ddl", old, entry("    ddl: [ct]\n"), []string{`13:5: objects[0].ddl: not built yet; leave it out`}},
		{"columns", old, entry("    columns: [a]\n"), []string{`13:5: objects[0].columns: not built yet; leave it out`}},
	})
	load(t, edit(t, old, "  - {match: shop.*, exclude: [shop.o*]}\n  - match: shop.o*\n")) // an exclude makes room
	load(t, edit(t, old, "  - match: shop.*\n  - match: shop.orders\n"))                   // the levels differ
	load(t, edit(t, old, "  - match: shop.a*\n  - match: shop.*b\n"))                      // only tables can tell
}

func TestProblemsOfDelivery(t *testing.T) {
	checkProblems(t, []problemCase{
		{"format", "", "format: xml\n", []string{`13:9: format: expected "canal-json", got "xml"`}},
		{"later format", "", "format: dts-avro\n", []string{`13:9: format: "dts-avro" is not built yet; expected "canal-json"`}},
		{"order", "", "order: row\n", []string{`13:8: order: expected "key", "table" or "global", got "row"`}},
		{"large message", "", "largeMessage: store\n", []string{`13:15: largeMessage: "store" is not built yet; expected "fail"`}},
		{"conflict", "", "onConflict: ignore\n", []string{`13:13: onConflict: "ignore" is not built yet; expected "error"`}},
		{"no lane", "", "lanes: 0\n", []string{`13:8: lanes: expected a number from 1 to 1024, got 0`}},
		{"rows", "", "packing: {maxRows: 0}\n", []string{`13:20: packing.maxRows: expected a number from 1 to 10000, got 0`}},
		{"bytes", "", "packing: {maxBytes: 5MiB}\n", []string{`13:21: packing.maxBytes: expected a size from 1KiB to 4MiB, got 5MiB`}},
		{"size", "", "packing: {maxBytes: 256k}\n", []string{`13:21: packing.maxBytes: expected a size, such as 262144, 256KiB or 1MiB, got "256k"`}},
		{"rate", "", "limits: {messagesPerSecond: -1}\n", []string{`13:29: limits.messagesPerSecond: expected a number from 0 to 1000000, got -1`}},
		{"later limits", "", "limits: {full: {rowsPerSecond: 1}, incremental: {}}\n", []string{`13:10: limits.full: not built yet; leave it out`, `13:36: limits.incremental: not built yet; leave it out`}},
		{"duration", "", "retry: {other: 10}\n", []string{`13:16: retry.other: expected a duration with its unit, such as 90s or 720m, got "10"`}},
		{"long retry", "", "retry: {connection: 25h}\n", []string{`13:21: retry.connection: expected a duration from 1s to 24h, got 25h`}},
		{"retry order", "", "retry: {connection: 10m}\n", []string{`13:21: retry.connection: expected retry.other to be less than retry.connection, got other 10m and connection 10m`}},
		{"retry order at other", "", "retry: {other: 13h}\n", []string{`13:16: retry.other: expected retry.other to be less than retry.connection, got other 13h and connection 12h`}},
		{"accept twice", "", "accept: [a, a]\n", []string{`13:13: accept[1]: "a" is already in the list`}},
		{"accept nothing", "", "accept: ['']\n", []string{`13:10: accept[0]: expected the name of a precheck item, got ""`}},
		{"alerts", "", "alerts: {lag: 5s}\n", []string{`13:1: alerts: not built yet; leave it out`}},
		{"canal options", "", "canalJson: {}\n", []string{`13:1: canalJson: not built yet; leave it out`}},
	})
}

func TestTimezoneLocation(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
	}{{"'+00:00'", 0}, {"'-13:59'", -50340}, {"'+14:00'", 50400}, {"'+05:45'", 20700}, {"UTC", 0}, {"Asia/Shanghai", 28800}} {
		loc := load(t, base+"timezone: "+c.text+"\n").Location()
		if _, got := time.Date(2026, 1, 1, 0, 0, 0, 0, loc).Zone(); got != c.offset {
			t.Errorf("%s: offset %d, want %d", c.text, got, c.offset)
		}
	}
}

func TestWarnings(t *testing.T) {
	if got := load(t, base).Warnings(); len(got) != 0 {
		t.Errorf("the defaults warn: %q", got)
	}
	want := []string{
		"retry.connection: 20m is less than the advised 30m; a failover or a restart may take longer",
		"retry.other: 1m is less than the advised 10m; a broker under load may need longer",
	}
	if got := load(t, base+"retry: {connection: 20m, other: 60s}\n").Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestTopics(t *testing.T) {
	text := edit(t, "  - match: shop.*\n", "  - {match: shop.*, topic: b}\n  - {match: x.a, topic: a}\n  - {match: x.b, topic: b}\n")
	if got := load(t, text).Topics(); !slices.Equal(got, []string{"a", "b", "shop"}) {
		t.Errorf("got %q", got)
	}
}

// Every duration and size reads back from the text it renders as.
func TestScalarsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := task.Duration(rapid.Int64Range(0, 1e15).Draw(t, "nanoseconds"))
		if rapid.Bool().Draw(t, "whole") {
			d = d / task.Duration(time.Minute) * task.Duration(time.Minute)
		}
		var dBack task.Duration
		if err := dBack.UnmarshalText([]byte(d.String())); err != nil || dBack != d {
			t.Fatalf("%s: %v %v", d, dBack, err)
		}
		s := task.Size(rapid.Int64Range(0, 1<<50).Draw(t, "bytes") << rapid.IntRange(0, 12).Draw(t, "shift"))
		var sBack task.Size
		if err := sBack.UnmarshalText([]byte(s.String())); err != nil || sBack != s {
			t.Fatalf("%s: %v %v", s, sBack, err)
		}
	})
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]task.Size{"0": 0, "1": 1, "12B": 12, "1KiB": 1024, "1 KiB": 1024, "2MB": 2e6, "1GiB": 1 << 30} {
		var got task.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "1e3", "9999999999GiB", "1kib", "+1"} {
		if err := new(task.Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
