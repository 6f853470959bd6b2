// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"strconv"
	"strings"
	"time"

	"slipway/shared/mysql"
)

func checkLogBin(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.settings(ctx)
	if err != nil || v.on("log_bin") {
		return nil, err
	}
	return []Finding{failed("remove skip_log_bin and disable_log_bin from the server's configuration, add log_bin = binlog, and restart it",
		"log_bin is OFF: the server keeps no record of its changes")}, nil
}

// logged gives the variables of a server whose binlog is on.
func (s *session) logged(ctx context.Context) (variables, error) {
	v, err := s.settings(ctx)
	if err == nil && !v.on("log_bin") {
		err = &missing{item: "CHECK_LOG_BIN", why: "the binlog is off"}
	}
	return v, err
}

// mustBe makes the check of a variable that has one right value.
func (s *session) mustBe(ctx context.Context, name, value, why string) ([]Finding, error) {
	v, err := s.logged(ctx)
	if err != nil || strings.EqualFold(v[name], value) {
		return nil, err
	}
	sql := value
	if value == "" {
		sql = "''"
	}
	return []Finding{failed(v.setGlobal(name, sql),
		"%s is %s: %s. Sessions that are open keep the old value until they reconnect", name, orEmpty(v[name]), why)}, nil
}

func orEmpty(value string) string {
	if value == "" {
		return "empty"
	}
	return value
}

func checkFormat(ctx context.Context, s *session) ([]Finding, error) {
	return s.mustBe(ctx, "binlog_format", "ROW", "the binlog holds statements where the rows they changed are needed (rule T4)")
}

func checkRowImage(ctx context.Context, s *session) ([]Finding, error) {
	return s.mustBe(ctx, "binlog_row_image", "FULL", "rows in the binlog lack columns (rule T4)")
}

func checkPartialJSON(ctx context.Context, s *session) ([]Finding, error) {
	return s.mustBe(ctx, "binlog_row_value_options", "", "updates of JSON columns are logged as differences, which the tail refuses (rule T4)")
}

// checkRowMetadata lets servers pass that have no such setting: there is nothing
// to choose.
func checkRowMetadata(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.logged(ctx)
	if value, ok := v["binlog_row_metadata"]; err != nil || !ok || strings.EqualFold(value, "FULL") {
		return nil, err
	}
	return []Finding{warning(v.setGlobal("binlog_row_metadata", "FULL"),
		"binlog_row_metadata is %s: the binlog doesn't say what the columns of its rows are. They then follow from the statements that change tables, and one that can't be followed, or isn't in the binlog, stops the tail (rule T5)",
		v["binlog_row_metadata"])}, nil
}

func checkCompression(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.logged(ctx)
	if err != nil || !v.on("binlog_transaction_compression") {
		return nil, err
	}
	return []Finding{warning(v.setGlobal("binlog_transaction_compression", "OFF"),
		"binlog_transaction_compression is ON: a transaction is decompressed as a whole, so a huge one takes as much memory as it has bytes (rule T3)")}, nil
}

func checkFilter(ctx context.Context, s *session) ([]Finding, error) {
	if _, err := s.logged(ctx); err != nil {
		return nil, err
	}
	r, err := s.binlogStatus(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	tables, err := s.selected(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	seen := map[string]bool{}
	for _, t := range tables {
		if seen[t.Database] || r.logs(t.Database) {
			continue
		}
		seen[t.Database] = true
		findings = append(findings, failed("remove binlog_do_db and binlog_ignore_db from the server's configuration and restart it",
			"changes of database %s are left out of the binlog (binlog_do_db %q, binlog_ignore_db %q)", t.Database, r.only, r.ignored).about(t.Database))
	}
	return findings, nil
}

// logFilter is which databases the server logs.
type logFilter struct{ only, ignored string }

// logs tells whether the row changes of a database are logged: the lists are
// comma-separated, and a list of what to log makes the other meaningless.
func (f *logFilter) logs(database string) bool {
	if f.only != "" {
		return inList(f.only, database)
	}
	return !inList(f.ignored, database)
}

func inList(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}

// binlogStatus asks for the binlog's filters, which is also how REPLICATION
// CLIENT is tried out; nil while the binlog is off.
func (s *session) binlogStatus(ctx context.Context) (*logFilter, error) {
	c, err := s.conn(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.Query(ctx, c.Server().LogStatus())
	switch {
	case mysql.ErrorCode(err) == errSpecificDenied:
		return nil, &missing{item: "CHECK_PRIV_REPLICATION_CLIENT", why: "the binlog's state shows only with REPLICATION CLIENT"}
	case mysql.ErrorCode(err) == errNotLoggingBinary:
		return nil, nil
	case err != nil:
		return nil, err
	case r.RowNumber() == 0:
		return nil, nil
	}
	only, err := r.GetString(0, 2)
	if err != nil {
		return nil, err
	}
	ignored, err := r.GetString(0, 3)
	return &logFilter{only, ignored}, err
}

const (
	// advisedRetention leaves a long weekend to mend what stopped a task.
	advisedRetention = 3 * 24 * time.Hour
	// remedyRetention is what the remedy sets.
	remedyRetention = 7 * 24 * time.Hour
	// snapshotRate is a cautious guess, bytes of table data in a second; a
	// snapshot also takes its time to begin and to settle.
	snapshotRate  = 10 << 20
	snapshotFloor = 10 * time.Minute
)

func checkRetention(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.logged(ctx)
	if err != nil {
		return nil, err
	}
	kept := v.retention()
	if kept == 0 {
		return []Finding{success("the binlog is never purged by age")}, nil
	}
	estimate, err := s.snapshotEstimate(ctx)
	if err != nil {
		return nil, err
	}
	remedy := v.setGlobal("binlog_expire_logs_seconds", strconv.Itoa(int(remedyRetention.Seconds())))
	if _, ok := v["binlog_expire_logs_seconds"]; !ok {
		remedy = v.setGlobal("expire_logs_days", "7")
	}
	switch {
	case s.task.Full() && kept < estimate:
		return []Finding{failed(remedy,
			"the binlog is kept for %v, but the snapshot is estimated at %v, and the tail starts after it", kept, estimate.Round(time.Minute))}, nil
	case kept < advisedRetention:
		return []Finding{warning(remedy,
			"the binlog is kept for %v: a task that stands still for longer has to start over; 3 days are the least advised, 7 are better", kept)}, nil
	}
	return []Finding{success("the binlog is kept for %v", kept)}, nil
}

// retention is after how long the server purges its binlog; 0 is never.
func (v variables) retention() time.Duration {
	if purge, ok := v["binlog_expire_logs_auto_purge"]; ok && purge == "OFF" {
		return 0
	}
	if n, err := strconv.ParseInt(v["binlog_expire_logs_seconds"], 10, 64); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	days, _ := strconv.ParseFloat(v["expire_logs_days"], 64) // absent: 0
	return time.Duration(days * float64(24*time.Hour))
}

// snapshotEstimate guesses how long the snapshot takes from the tables' sizes.
func (s *session) snapshotEstimate(ctx context.Context) (time.Duration, error) {
	tables, err := s.selected(ctx)
	if err != nil {
		return 0, err
	}
	var bytes uint64
	for _, t := range tables {
		bytes += t.Bytes
	}
	return snapshotFloor + time.Duration(bytes/snapshotRate)*time.Second, nil
}
