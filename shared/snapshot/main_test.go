// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more migrations run side by side than there are cores: they
// mostly wait, for heartbeats, leases and each other's locks.
func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", "10"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
