// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"slipway/shared/fault"
)

// ErrUnsupported says that the server is not one that Slipway can read.
var ErrUnsupported = errors.New("the server is not supported")

// Server is a server's version: the one place that knows what differs between
// versions. Everything else asks it, or looks whether a variable is there.
type Server struct {
	// Version is the server's own text, such as 8.0.31 or 9.7.4-2.
	Version string
	release release
}

// release is major, minor and patch.
type release [3]int

// oldest is the first release with all the session settings that rows are read
// with.
var oldest = release{5, 7, 20}

// notMySQL are servers that speak MySQL's protocol but log differently.
var notMySQL = []string{"mariadb", "tidb", "oceanbase", "singlestore", "vitess"}

// ParseServer reads a server's version; comment is its version_comment, or "".
// A server that can't be read is an error of class Blocked around
// ErrUnsupported.
func ParseServer(version, comment string) (Server, error) {
	s := Server{Version: version}
	about := strings.ToLower(version + " " + comment)
	if slices.ContainsFunc(notMySQL, func(name string) bool { return strings.Contains(about, name) }) {
		return s, fault.New(fault.Blocked, "use a MySQL server, 5.7 or later, as the source",
			"%w: it is %s, not MySQL, and its binlog differs", ErrUnsupported, strings.TrimSpace(version+" "+comment))
	}
	if s.release = parseRelease(version); s.release == (release{}) {
		return s, fault.New(fault.Blocked, "use a MySQL server, 5.7 or later, as the source", "%w: its version %q is not MySQL's", ErrUnsupported, version)
	}
	if !s.since(oldest) {
		return s, fault.New(fault.Blocked, "upgrade it to MySQL 8.0 or later", "%w: MySQL %s is older than 5.7.20", ErrUnsupported, version)
	}
	return s, nil
}

// parseRelease reads what a version text begins with; zero when that is no
// release. A patch that is no number counts as 0.
func parseRelease(version string) (r release) {
	number, _, _ := strings.Cut(version, "-")
	parts := strings.Split(number, ".")
	if len(parts) < 2 {
		return release{}
	}
	for i := range min(len(parts), len(r)) {
		n, err := strconv.Atoi(parts[i])
		if err != nil && i < 2 {
			return release{}
		}
		r[i] = n
	}
	return r
}

// since tells whether the server is of the release or a later one.
func (s Server) since(r release) bool { return slices.Compare(s.release[:], r[:]) >= 0 }

// LogStatus is the statement that says where the binlog ends.
func (s Server) LogStatus() string {
	if s.since(release{8, 2, 0}) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// ReplicaStatus is the statement that says what the server replicates.
func (s Server) ReplicaStatus() string {
	if s.since(release{8, 0, 22}) {
		return "SHOW REPLICA STATUS"
	}
	return "SHOW SLAVE STATUS"
}

// Replicas is the statement that lists who replicates the server.
func (s Server) Replicas() string {
	if s.since(release{8, 0, 22}) {
		return "SHOW REPLICAS"
	}
	return "SHOW SLAVE HOSTS"
}

// sessionSetup lists rule S9's session settings.
func (s Server) sessionSetup() []string {
	setup := []string{
		"SET NAMES utf8mb4",
		"SET character_set_results = NULL, time_zone = '+00:00', sql_mode = '', autocommit = 1",
		"SET SESSION transaction_isolation = 'REPEATABLE-READ'",
		"SET SESSION max_execution_time = 0, net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 86400, group_concat_max_len = 1048576",
	}
	if s.since(release{8, 0, 3}) {
		// Estimates decide into how many chunks a table is cut: fresh ones.
		setup = append(setup, "SET SESSION information_schema_stats_expiry = 0")
	}
	if s.since(release{8, 0, 30}) {
		// A generated invisible primary key is in the binlog: the catalog must show it.
		setup = append(setup, "SET SESSION show_gipk_in_create_table_and_information_schema = ON")
	}
	return setup
}
