// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// The tables are the server's own, written by
//
//	go test ./shared/mysql -run TestCharset -update
//
// and compared with a real server by the same tests.
var (
	// charsetRuns has lines "charset code count rune": count codes from code on
	// stand for consecutive runes, "-" for none. Code and rune are hexadecimal.
	//go:embed charset_runs.txt
	charsetRuns string
	// collationIDs has lines "id name charset".
	//go:embed charset_collations.txt
	collationIDs string
)

// charsetCodes holds, per charset, what libraries don't say or say otherwise
// than the server: all of the single-byte charsets, corrections for others.
var charsetCodes = sync.OnceValue(func() map[string]map[uint32]rune {
	all := map[string]map[uint32]rune{}
	for line := range strings.Lines(charsetRuns) {
		var name, to string
		var code, count uint32
		if _, err := fmt.Sscanf(line, "%s %x %d %s", &name, &code, &count, &to); err != nil {
			continue // a comment
		}
		codes := all[name]
		if codes == nil {
			codes = map[uint32]rune{}
			all[name] = codes
		}
		var first rune
		_, err := fmt.Sscanf(to, "%x", &first)
		for i := range count {
			if err != nil {
				codes[code+i] = noCode
			} else {
				codes[code+i] = first + rune(i)
			}
		}
	}
	return all
})

// collation is a collation's name and its charset's.
type collation struct{ name, charset string }

// collationsByID maps the ids that table maps carry.
var collationsByID = sync.OnceValue(func() map[uint64]collation {
	all := map[uint64]collation{}
	for line := range strings.Lines(collationIDs) {
		var id uint64
		var c collation
		if _, err := fmt.Sscanf(line, "%d %s %s", &id, &c.name, &c.charset); err == nil {
			all[id] = c
		}
	}
	return all
})

// charsetOfCollation is "" for an unknown collation.
func charsetOfCollation(name string) string { return charsetsByCollation()[name] }

var charsetsByCollation = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, c := range collationsByID() {
		all[c.name] = c.charset
	}
	return all
})

// modernName gives charsets and collations of servers before 8.0.30 the names
// of today: utf8 became utf8mb3.
func modernName(name string) string {
	if name == "utf8" || strings.HasPrefix(name, "utf8_") {
		return "utf8mb3" + name[len("utf8"):]
	}
	return name
}

// bytesPerChar is the most a character of the charset takes.
func bytesPerChar(charset string) int {
	switch charset {
	case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return 4
	case "utf8mb3", "ujis", "eucjpms":
		return 3
	case "big5", "cp932", "euckr", "gb2312", "gbk", "sjis", "ucs2":
		return 2
	}
	return 1
}
