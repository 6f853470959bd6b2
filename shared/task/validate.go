// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validator checks the values of a decoded task and fills in the defaults that
// hang on other values. Paths the decoder has settled are left alone.
type validator struct {
	*decoder
	task *Task
}

func (v *validator) validate() {
	v.general()
	v.stages()
	v.state()
	v.source()
	v.destination()
	v.objects()
	v.delivery()
	v.accept()
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

// required reports whether the text at path is there, and a problem if not.
func (v *validator) required(path, value, want string) bool {
	if value == "" {
		v.fail(path, "missing; expected %s", want)
	}
	return value != "" && !v.skip(path)
}

// oneOf checks an enumeration: built are the values of this release, later the
// documented ones it doesn't have yet.
func (v *validator) oneOf(path, value string, built, later []string) {
	switch {
	case slices.Contains(built, value):
	case slices.Contains(later, value):
		v.fail(path, "%q is not built yet; expected %s", value, alternatives(built))
	default:
		v.fail(path, "expected %s, got %s", alternatives(built), v.got(path))
	}
}

// alternatives makes `"a", "b" or "c"`.
func alternatives(values []string) string {
	quoted := make([]string, len(values))
	for i, s := range values {
		quoted[i] = strconv.Quote(s)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

func (v *validator) intRange(path string, value, least, most int) {
	if value < least || value > most {
		v.fail(path, "expected a number from %d to %d, got %d", least, most, value)
	}
}

var taskName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (v *validator) general() {
	t := v.task
	const want = "1 to 40 of the characters a-z, 0-9 and -"
	switch {
	case !v.given("name"):
		t.Name = fileTaskName(v.file)
		if !taskName.MatchString(t.Name) {
			v.fail("name", "missing, and the file's name %q won't do; expected %s", t.Name, want)
		}
	case !taskName.MatchString(t.Name):
		v.fail("name", "expected %s, got %s", want, v.got("name"))
	}
	if len(t.Environment) > 64 {
		v.fail("environment", "expected at most 64 bytes, got %d", len(t.Environment))
	}
	loc, err := parseTimezone(t.Timezone)
	if err != nil {
		v.fail("timezone", "%v, got %s", err, v.got("timezone"))
	}
	t.location = loc
	v.oneOf("capitalization", t.Capitalization, []string{"default"}, []string{"source", "upper", "lower"})
}

func (v *validator) stages() {
	t := v.task
	allowed := [][]Stage{{StageFull}, {StageIncremental}, {StageFull, StageIncremental}}
	if !slices.ContainsFunc(allowed, func(s []Stage) bool { return slices.Equal(s, t.Stages) }) {
		v.fail("stages", "expected [full], [incremental] or [full, incremental]")
	}
	kind, _, _ := strings.Cut(t.Start, ":")
	switch {
	case v.skip("stages"):
	case t.Full() && v.given("start"):
		v.fail("start", "expected only with stages: [incremental]; after a snapshot the tail starts where the snapshot stands")
	case t.Full():
	case !v.given("start"):
		t.Start = "now"
	case kind != t.Start && slices.Contains([]string{"gtid", "file", "time"}, kind):
		v.fail("start", "%q is not built yet; expected \"now\"", kind+":")
	case t.Start != "now":
		v.fail("start", "expected \"now\", got %s", v.got("start"))
	}
}

func (v *validator) state() {
	const want = "file:///directory, s3://bucket/prefix or oss://bucket/prefix"
	if !v.required("state", v.task.State, "the URL of the state store: "+want) {
		return
	}
	u, err := url.Parse(v.task.State)
	switch {
	case err != nil:
		v.fail("state", "expected %s, got %s", want, v.got("state"))
	case u.User != nil || slices.ContainsFunc(queryKeys(u), secretLike):
		v.fail("state", "expected no credentials in the URL; give them to the process by its environment or role")
	case u.Scheme == "file" && u.Host == "" && len(u.Path) > 1 && u.RawQuery == "" && u.Fragment == "":
	case (u.Scheme == "s3" || u.Scheme == "oss") && u.Host != "" && u.Fragment == "":
	case u.Scheme == "file":
		v.fail("state", "expected three slashes and an absolute directory, file:///directory, got %s", v.got("state"))
	default:
		v.fail("state", "expected %s, got %s", want, v.got("state"))
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

func (v *validator) delivery() {
	t := v.task
	v.oneOf("format", string(t.Format), []string{string(CanalJSON)}, []string{"dts-avro", "shareplex-json", "debezium-json"})
	v.oneOf("order", string(t.Order), []string{string(OrderKey), string(OrderTable), string(OrderGlobal)}, nil)
	v.oneOf("largeMessage", string(t.LargeMessage), []string{string(LargeMessageFail)}, []string{"skip", "columns", "store"})
	v.oneOf("onConflict", string(t.OnConflict), []string{string(OnConflictError)}, []string{"ignore"})
	v.intRange("lanes", t.Lanes, 1, 1024)
	v.intRange("packing.maxRows", t.Packing.MaxRows, 1, 10_000)
	if least, most := Size(1<<10), Size(4<<20); t.Packing.MaxBytes < least || t.Packing.MaxBytes > most {
		v.fail("packing.maxBytes", "expected a size from %s to %s, got %s", least, most, t.Packing.MaxBytes)
	}
	v.intRange("limits.messagesPerSecond", t.Limits.MessagesPerSecond, 0, 1_000_000)
	v.retry("retry.connection", t.Retry.Connection)
	v.retry("retry.other", t.Retry.Other)
	if t.Retry.Other >= t.Retry.Connection && !v.skip("retry.connection") {
		path := "retry.other"
		if !v.given(path) {
			path = "retry.connection"
		}
		v.fail(path, "expected retry.other to be less than retry.connection, got other %s and connection %s", t.Retry.Other, t.Retry.Connection)
	}
}

func (v *validator) retry(path string, value Duration) {
	if least, most := Duration(time.Second), Duration(1440*time.Minute); value < least || value > most {
		v.fail(path, "expected a duration from %s to %s, got %s", least, most, value)
	}
}

func (v *validator) accept() {
	for i, item := range v.task.Accept {
		path := fmt.Sprintf("accept[%d]", i)
		switch {
		case item == "":
			v.fail(path, "expected the name of a precheck item")
		case slices.Index(v.task.Accept, item) < i:
			v.fail(path, "%s is already in the list", v.got(path))
		}
	}
	if len(v.task.Accept) == 0 {
		v.task.Accept = nil
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
