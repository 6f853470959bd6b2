// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"os"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// TestMain keeps the admin client and the producer of these tests quiet; the
// checker silences its own client.
func TestMain(m *testing.M) {
	rlog.SetLogLevel("fatal")
	os.Exit(m.Run())
}
