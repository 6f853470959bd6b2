// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// validator checks the values of a decoded task and fills in the defaults that
// hang on other values. Paths the decoder has settled are left alone.
type validator struct {
	*decoder
	task *Task
}

func (v *validator) validate() {
	v.name()
	v.check("", reflect.ValueOf(v.task).Elem())
	v.timezone()
	v.start()
	v.state()
	v.source()
	v.destination()
	v.objects()
	v.retry()
	if len(v.task.Accept) == 0 {
		v.task.Accept = nil
	}
}

// fail reports a problem with the value at path, or with its absence from the
// innermost mapping or list that is there.
func (v *validator) fail(path, format string, args ...any) {
	if v.skip(path) {
		return
	}
	v.settled[path] = true
	v.report(v.place(path), path, fmt.Sprintf(format, args...))
}

// skip reports whether path or what holds it is settled.
func (v *validator) skip(path string) bool {
	for ; path != ""; path = parent(path) {
		if v.settled[path] {
			return true
		}
	}
	return false
}

func (v *validator) place(path string) position {
	for ; path != ""; path = parent(path) {
		if at, ok := v.at[path]; ok {
			return at
		}
	}
	return v.at[""]
}

func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// got is the text of the value at path as the file has it.
func (v *validator) got(path string) string {
	if raw, ok := v.raw[path]; ok {
		return strconv.Quote(raw)
	}
	return "nothing"
}

func (v *validator) given(path string) bool { _, ok := v.at[path]; return ok }

// alternatives makes "a, b or c".
func alternatives(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

func quoted(values []string) []string {
	out := make([]string, len(values))
	for i, s := range values {
		out[i] = strconv.Quote(s)
	}
	return out
}

// name takes the file's when it isn't given.
func (v *validator) name() {
	if v.given("name") {
		return
	}
	v.task.Name = fileTaskName(v.file)
	if r := ruleOf("name"); !r.pattern.MatchString(v.task.Name) {
		v.fail("name", "missing, and the file's name %q won't do; expected %s", v.task.Name, r.want)
	}
}

func (v *validator) timezone() {
	loc, err := parseTimezone(v.task.Timezone)
	if err != nil {
		v.fail("timezone", "%v, got %s", err, v.got("timezone"))
	}
	v.task.location = loc
}

func (v *validator) start() {
	t := v.task
	switch {
	case v.skip("stages"):
	case t.Full() && v.given("start"):
		v.fail("start", "expected only with stages: [incremental]; after a snapshot the tail starts where the snapshot stands")
	case !t.Full() && !v.given("start"):
		t.Start = "now"
	}
}

func (v *validator) state() {
	u, err := url.Parse(v.task.State)
	switch {
	case v.skip("state"):
	case err != nil:
		v.unexpected("state", ruleOf("state"))
	case u.User != nil || slices.ContainsFunc(queryKeys(u), secretLike):
		v.fail("state", "expected no credentials in the URL; give them to the process by its environment or role")
	case u.Scheme == "file" && u.Host == "" && len(u.Path) > 1 && u.RawQuery == "" && u.Fragment == "":
	case u.Scheme == "file":
		v.fail("state", "expected three slashes and an absolute directory, file:///directory, got %s", v.got("state"))
	case u.Host == "" || u.Fragment != "":
		v.unexpected("state", ruleOf("state"))
	}
}

func queryKeys(u *url.URL) []string {
	var keys []string
	for k := range u.Query() {
		keys = append(keys, k)
	}
	return keys
}

func secretLike(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc([]string{"secret", "password", "token", "key"}, func(s string) bool { return strings.Contains(key, s) })
}

func (v *validator) retry() {
	r, path := v.task.Retry, "retry.other"
	if !v.given(path) {
		path = "retry.connection"
	}
	if r.Other >= r.Connection && !v.skip("retry.connection") {
		v.fail(path, "expected retry.other to be less than retry.connection, got other %s and connection %s", r.Other, r.Connection)
	}
}

// hostPort checks host:port. A defaultPort stands in for a missing one, "" makes
// the port required. It returns the address in full, "" after a problem.
func (v *validator) hostPort(path, address, defaultPort string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil && defaultPort != "" {
		host, port, err = net.SplitHostPort(address + ":" + defaultPort)
	}
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err := cmp.Or(err, portErr); err != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@;,") {
		v.fail(path, "expected host:port, got %s", v.got(path))
		return ""
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}
