// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// notBuilt are the documented keys whose features this release lacks, by path
// with list indexes left out. A release that builds one moves it into Task.
var notBuilt = []string{
	"alerts",
	"canalJson",
	"destination.producerGroup",
	"destination.region",
	"destination.roleArn",
	"etl",
	"limits.full",
	"limits.incremental",
	"objects[].columns",
	"objects[].ddl",
	"objects[].dml",
	"objects[].filter",
	"source.rds",
}

// structFields are the YAML keys of a struct type, in its order.
type structFields struct {
	names []string
	index map[string]int
}

func fieldsOf(t reflect.Type) structFields {
	fields := structFields{index: map[string]int{}}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields.names = append(fields.names, name)
		fields.index[name] = i
	}
	return fields
}

// taskPaths lists the path of every key of Task, such as objects[].match.
func taskPaths() []string { return appendPaths(nil, "", reflect.TypeFor[Task]()) }

func appendPaths(paths []string, prefix string, t reflect.Type) []string {
	if t.Kind() == reflect.Slice {
		prefix, t = prefix+"[]", t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return paths
	}
	fields := fieldsOf(t)
	for _, name := range fields.names {
		path := join(prefix, name)
		paths = append(paths, path)
		paths = appendPaths(paths, path, t.Field(fields.index[name]).Type)
	}
	return paths
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// unknownKey says what is wrong with a key that the struct at path doesn't have.
func unknownKey(path, key string, known []string) string {
	general := listIndex.ReplaceAllString(path, "[]")
	if slices.Contains(notBuilt, join(general, key)) {
		return "not built yet; leave it out"
	}
	if near := nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key; did you mean %s?", near)
	}
	for _, p := range taskPaths() {
		if strings.HasSuffix(p, "."+key) {
			return fmt.Sprintf("unknown key here; it belongs at %s", p)
		}
	}
	return "unknown key; expected one of " + strings.Join(known, ", ")
}

// nearest is the known key that is a slip of the pen away from key, "" if none is.
func nearest(key string, known []string) string {
	if len(key) > 64 {
		return ""
	}
	lower := strings.ToLower(key)
	distances := func(a, b string) int {
		return cmp.Compare(distance(lower, strings.ToLower(a)), distance(lower, strings.ToLower(b)))
	}
	best := slices.MinFunc(known, distances)
	if distance(lower, strings.ToLower(best)) > max(1, len(best)/3) {
		return ""
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
