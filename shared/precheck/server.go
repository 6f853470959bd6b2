// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/shared/mysql"
	"slipway/shared/snapshot"
)

const (
	errSpecificDenied   = 1227 // a named privilege is missing
	errXARecoverDenied  = 1401 // XA RECOVER says no more than this without its privilege
	errTableDenied      = 1142
	errColumnDenied     = 1143
	errNoSuchTable      = 1146
	errViewInvalid      = 1356
	errNotLoggingBinary = 1381
)

func checkVersion(ctx context.Context, s *session) ([]Finding, error) {
	_, err := s.dialSource(ctx)
	if err == nil {
		var v variables
		if v, err = s.settings(ctx); err != nil {
			return nil, err
		}
		_, err = mysql.ParseServer(v["version"], v["version_comment"])
	}
	switch {
	case errors.Is(err, mysql.ErrUnsupported):
		what, remedy := explain(err)
		return []Finding{failed(remedy, "%s", what)}, nil
	case err != nil:
		_, err = s.conn(ctx)
		return nil, err
	}
	return []Finding{success("MySQL %s is supported", s.source.v.Server().Version)}, nil
}

func checkServerID(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.settings(ctx)
	if err != nil || v["server_id"] != "0" {
		return nil, err
	}
	id := uint32(time.Now().Unix()) // any number that no other server of a topology has
	return []Finding{failed(v.setGlobal("server_id", fmt.Sprint(id)), "server_id is 0: the server refuses to send its binlog")}, nil
}

// gtidModes is the way to ON, one step at a time.
var gtidModes = []string{"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"}

func checkGTIDMode(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	mode, consistency := v["gtid_mode"], v["enforce_gtid_consistency"]
	if mode == "ON" && v.on("enforce_gtid_consistency") {
		return nil, nil
	}
	var steps []string
	if !v.on("enforce_gtid_consistency") {
		steps = append(steps, v.setGlobal("enforce_gtid_consistency", "WARN"), v.setGlobal("enforce_gtid_consistency", "ON"))
	}
	reached := false
	for _, step := range gtidModes {
		if reached {
			steps = append(steps, v.setGlobal("gtid_mode", step))
		}
		reached = reached || step == mode
	}
	findings := []Finding{warning(strings.Join(steps, "\n"),
		"gtid_mode is %s and enforce_gtid_consistency is %s: positions are then a file and an offset of this one server, and less is promised (rule S11). "+
			"The task can't follow to another server: a failover means a new snapshot. Planning waits for a minute, and twice the time-out of semi-synchronous replication. Rows that change while the snapshot is read are "+
			"delivered again by the tail, marked replay=true, and until it has passed them a consumer may see an older state of a row after a newer one; rows of a table without "+
			"a primary key stay doubled at the consumer then. To mend it in a replicated set, run each step on every server before the next, and before the last wait until "+
			"Ongoing_anonymous_transaction_count is 0 everywhere", mode, consistency)}
	return append(findings, v.semiSyncFindings()...), nil
}

// semiSyncFindings: without GTIDs the snapshot waits for as long as a commit may
// wait for a replica.
func (v variables) semiSyncFindings() []Finding {
	for _, side := range []string{"source", "master"} { // before 8.0.26 the second
		timeout := "rpl_semi_sync_" + side + "_timeout"
		ms, err := strconv.ParseUint(v[timeout], 10, 64)
		if err == nil && v.on("rpl_semi_sync_"+side+"_enabled") && ms > uint64(snapshot.MostWait.Milliseconds()) {
			return []Finding{failed(v.setGlobal(timeout, "60000"),
				"a commit waits up to %d ms for a replica before anybody sees it, and without GTIDs the snapshot has to wait for twice that (rule S11): %v is the most", ms, snapshot.MostWait).about(timeout)}
		}
	}
	return nil
}

func checkTopology(ctx context.Context, s *session) ([]Finding, error) {
	c, err := s.conn(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.Query(ctx, c.Server().ReplicaStatus())
	switch {
	case mysql.ErrorCode(err) == errSpecificDenied:
		return nil, &missing{item: "CHECK_PRIV_REPLICATION_CLIENT", why: "whether the server is a replica shows only with REPLICATION CLIENT"}
	case err != nil:
		return nil, err
	case r.RowNumber() == 0:
		return nil, nil // no replica: it logs what its clients do
	}
	v, err := s.settings(ctx)
	if err != nil || v.on("log_replica_updates") || v.on("log_slave_updates") {
		return nil, err
	}
	remedy := "set log_slave_updates = ON in its configuration and restart it, or name the primary in source.hosts"
	if _, ok := v["log_replica_updates"]; ok {
		remedy = "SET PERSIST_ONLY log_replica_updates = ON;\nrestart the server"
	}
	return []Finding{failed(remedy, "the server is a replica and does not log what it replicates, so its binlog lacks those changes")}, nil
}

func checkDurability(ctx context.Context, s *session) ([]Finding, error) {
	v, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, name := range []string{"sync_binlog", "innodb_flush_log_at_trx_commit"} {
		if v[name] != "1" {
			findings = append(findings, warning(v.setGlobal(name, "1"),
				"%s is %s: a crash of the server's machine may take back transactions that were already delivered, and give their GTIDs to others (rule T1)", name, v[name]).about(name))
		}
	}
	return findings, nil
}

// xaPatience is how long a prepared transaction may stay before it counts as
// left behind: most are between their PREPARE and their COMMIT.
const xaPatience = 2 * time.Second

func checkXA(ctx context.Context, s *session) ([]Finding, error) {
	first, err := s.prepared(ctx)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	// Only the plan's start needs a moment without one (rule S2); the tail of a
	// planned task holds them until they end (S5). Without a store to ask, nothing
	// is planned.
	if plan, _, err := s.earlier(ctx); err == nil && plan != nil {
		return []Finding{success("%d are prepared, which matters no more: the task is planned", len(first))}, nil
	}
	select {
	case <-time.After(xaPatience):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	later, err := s.prepared(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, x := range later {
		if !slices.Contains(first, x) {
			continue
		}
		findings = append(findings, failed("XA ROLLBACK "+x.sql()+";",
			"the XA transaction %s is prepared and stays so: the snapshot can't start before it ends. If its coordinator decided to commit, run XA COMMIT %s instead", x, x.sql()).about(x.String()))
	}
	return findings, nil
}

// xa is one row of XA RECOVER CONVERT XID.
type xa struct {
	format, globalLen int
	data              string // hex
}

// sql is the xid as XA COMMIT and XA ROLLBACK take it.
func (x xa) sql() string {
	cut := min(2*x.globalLen, len(x.data))
	return fmt.Sprintf("X'%s',X'%s',%d", x.data[:cut], x.data[cut:], x.format)
}

func (x xa) String() string { return x.sql() }

func (s *session) prepared(ctx context.Context) ([]xa, error) {
	c, err := s.conn(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.Query(ctx, "XA RECOVER CONVERT XID")
	switch {
	case mysql.ErrorCode(err) == errXARecoverDenied:
		return nil, &missing{item: "CHECK_PRIV_XA_RECOVER", why: "prepared XA transactions show only with XA_RECOVER_ADMIN", optional: true}
	case err != nil:
		return nil, err
	}
	var all []xa
	for i := range r.RowNumber() {
		var x xa
		if n, err := r.GetInt(i, 0); err == nil {
			x.format = int(n)
		}
		if n, err := r.GetInt(i, 1); err == nil {
			x.globalLen = int(n)
		}
		text, err := r.GetString(i, 3)
		if err != nil {
			return nil, err
		}
		x.data = strings.TrimPrefix(text, "0x")
		all = append(all, x)
	}
	return all, nil
}
