// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"slipway/shared/servertest/server"
)

// cell is one kind of source.
type cell struct {
	version  string // as in release.name
	metadata string // binlog_row_metadata: FULL or MINIMAL
	tls      bool   // it refuses connections without TLS, and its certificate is verified
}

// release is a series of MySQL versions, of which one can be had.
type release struct {
	name     string
	version  string // one of server.MySQLVersions
	metadata []string
	tls      []bool
}

// releases are what the cross is made of. 5.7 logs no metadata beyond the minimum.
func releases() []release {
	return []release{
		{"5.7", server.MySQL57, []string{"MINIMAL"}, []bool{false}},
		{"8.0", server.MySQL80, []string{"MINIMAL", "FULL"}, []bool{false, true}},
		{"9.x", "", []string{"MINIMAL", "FULL"}, []bool{false, true}},
	}
}

// cross lists every cell there is.
func cross() (cells []cell) {
	for _, r := range releases() {
		for _, metadata := range r.metadata {
			for _, tls := range r.tls {
				cells = append(cells, cell{r.name, metadata, tls})
			}
		}
	}
	return cells
}

// pairwise are the cells of CI: every two values of version, metadata and TLS that go together meet in one of them.
func pairwise() []string {
	return []string{"5.7-minimal", "8.0-minimal", "8.0-full", "8.0-minimal-tls", "9.x-minimal", "9.x-full-tls"}
}

func (c cell) String() string {
	name := c.version + "-" + strings.ToLower(c.metadata)
	if c.tls {
		name += "-tls"
	}
	return name
}

// choose gives the cells with these names.
func choose(names []string) ([]cell, error) {
	var chosen []cell
	for _, name := range names {
		i := slices.IndexFunc(cross(), func(c cell) bool { return c.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no cell %q; there are %v", name, cross())
		}
		chosen = append(chosen, cross()[i])
	}
	return chosen, nil
}

// release is the cell's.
func (c cell) release() release {
	i := slices.IndexFunc(releases(), func(r release) bool { return r.name == c.version })
	return releases()[i]
}

// options are how the cell's server runs, but for its folder.
func (c cell) options() server.MySQLOptions {
	return server.MySQLOptions{Flags: []string{"--loose-binlog-row-metadata=" + c.metadata}, TLS: c.tls}
}

// again is the command that runs one package's tests in the cell.
func (c cell) again(pkg, run string) string {
	command := "go run ./scripts/services run"
	if v := c.release().version; v != "" {
		command += " -mysql " + v
	}
	if c.tls {
		command += " -mysql-tls"
	}
	return command + " -mysql-flag=" + strings.Join(c.options().Flags, " -mysql-flag=") + " -- go test -count=1 -run '" + run + "' ./shared/" + pkg
}

// suite is what a cell has to pass of one package: its tests against real servers that the source's kind can change.
type suite struct {
	pkg string // below shared/
	// short are the tests of CI's run, skip those of no run: patterns as -test.run and -test.skip take them.
	short, skip string
}

func suites() []suite {
	return []suite{
		{pkg: "mysql", short: "TestD1|TestCharsets|TestT1|TestT4|TestT5|TestS5|TestS7Chunks|TestCatalog"},
		{pkg: "snapshot", short: "TestS1|TestS2|TestS4|TestS5|TestS7"},
		{pkg: "tail", short: "TestD8AProcess|TestT5|TestS5|TestS6"},
		// The others are about what stands beside the source: canal, the bucket, the task file.
		{pkg: "app", short: "TestD1|TestTLS|TestFullOnly|TestIncrementalOnly", skip: "TestCanal|TestStateInABucket|TestTaskFiles|TestAccidents"},
	}
}
