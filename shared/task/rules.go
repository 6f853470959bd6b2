// SPDX-License-Identifier: Apache-2.0

package task

import (
	"regexp"
	"strings"
	"time"
)

// A rule is what one value must keep, whatever the others are. Load holds values to it and the JSON Schema tells editors of
// it, so the two can't differ. What hangs on other values stands in the validator, and only there.
type rule struct {
	// want says in words what is expected; without it, the values do.
	want string
	// required: the key must be there, its value not empty. filled: not empty if there.
	required, filled bool
	// with is a key beside this one that needs this one.
	with string
	// values are all that text may be; later are documented ones that this release lacks, with a colon at the end beginnings of them.
	values, later []string
	// lists are all that a list may be.
	lists [][]string
	// pattern is the form of text, in what Go's and JavaScript's expressions share; blank: or empty.
	pattern *regexp.Regexp
	blank   bool
	// least and most bound a number, a Size in bytes, a Duration in ns; most alone a text's bytes and a list's items. A most of 0 is
	// no bound.
	least, most int64
	// unique: no two items of a list are the same.
	unique bool
}

var (
	taskName  = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	stateURL  = regexp.MustCompile(`^(file|s3|oss)://`)
	topicName = regexp.MustCompile(`^[A-Za-z0-9_%|-]{1,127}$`)
)

const topicWant = "a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, % and |"

// rules are by path, with list indexes left out.
var rules = map[string]rule{
	"name":           {pattern: taskName, want: "1 to 40 of the characters a-z, 0-9 and -"},
	"environment":    {most: 64},
	"stages":         {lists: [][]string{{string(StageFull)}, {string(StageIncremental)}, {string(StageFull), string(StageIncremental)}}},
	"start":          {values: []string{"now"}, later: []string{"gtid:", "file:", "time:"}},
	"state":          {required: true, pattern: stateURL, want: "the URL of the state store: file:///directory, s3://bucket/prefix or oss://bucket/prefix"},
	"format":         {values: []string{string(CanalJSON)}, later: []string{"dts-avro", "shareplex-json", "debezium-json"}},
	"order":          {values: []string{string(OrderKey), string(OrderTable), string(OrderGlobal)}},
	"lanes":          {least: 1, most: 1024},
	"largeMessage":   {values: []string{string(LargeMessageFail)}, later: []string{"skip", "columns", "store"}},
	"onConflict":     {values: []string{string(OnConflictError)}, later: []string{"ignore"}},
	"capitalization": {values: []string{"default"}, later: []string{"source", "upper", "lower"}},
	"accept":         {unique: true},
	"accept[]":       {filled: true, want: "the name of a precheck item"},

	"source":          {required: true, want: "the MySQL server: hosts, user, password"},
	"source.hosts":    {required: true, most: 1, want: "one host:port"},
	"source.hosts[]":  {filled: true, want: "host:port"},
	"source.user":     {required: true, want: "the MySQL account"},
	"source.tls.mode": {values: []string{string(TLSDisabled), string(TLSRequired), string(TLSVerifyCA), string(TLSVerifyIdentity)}},
	"source.tls.cert": {filled: true, with: "key", want: "the certificate that belongs to source.tls.key"},
	"source.tls.key":  {filled: true, with: "cert", want: "the private key that belongs to source.tls.cert"},

	"destination":           {required: true, want: "the RocketMQ instance: version, endpoint, topic"},
	"destination.version":   {required: true, values: []string{"5"}, later: []string{"4"}},
	"destination.endpoint":  {required: true, want: "the host:port of the RocketMQ proxy"},
	"destination.accessKey": {with: "secretKey", want: "the access key that belongs to destination.secretKey"},
	"destination.secretKey": {with: "accessKey", want: "the secret that belongs to destination.accessKey"},
	"destination.tls.mode":  {values: []string{string(TLSDisabled), string(TLSRequired)}, later: []string{string(TLSVerifyCA), string(TLSVerifyIdentity)}},
	"destination.topic":     {required: true, pattern: topicName, want: topicWant},
	"destination.ddlTopic":  {pattern: topicName, blank: true, want: topicWant},

	"objects":              {required: true, want: `at least one entry, such as {match: "shop.*"}`},
	"objects[].match":      {required: true, want: `database.table, such as shop.orders or "shop.*"`},
	"objects[].topic":      {pattern: topicName, blank: true, want: topicWant},
	"objects[].keyColumns": {filled: true, unique: true, want: "at least one column (leave the key out for the table's own key)"},

	"objects[].keyColumns[]": {filled: true, want: "the name of a column"},

	"packing.maxRows":          {least: 1, most: 10_000},
	"packing.maxBytes":         {least: 1 << 10, most: 4 << 20},
	"limits.messagesPerSecond": {least: 0, most: 1_000_000},
	"retry.connection":         {least: int64(time.Second), most: int64(1440 * time.Minute)},
	"retry.other":              {least: int64(time.Second), most: int64(1440 * time.Minute)},
}

// ruleOf is the rule for a path, list indexes and all.
func ruleOf(path string) rule { return rules[listIndex.ReplaceAllString(path, "[]")] }

// wanted is what is expected, in words.
func (r rule) wanted() string {
	if r.want != "" {
		return r.want
	}
	if r.lists == nil {
		return alternatives(quoted(r.values))
	}
	var lists []string
	for _, l := range r.lists {
		lists = append(lists, "["+strings.Join(l, ", ")+"]")
	}
	return alternatives(lists)
}
