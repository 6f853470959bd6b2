// SPDX-License-Identifier: Apache-2.0

package fc

import (
	"os"
	"runtime/debug"
)

// softLimit is what a process of ours stays under by collecting garbage more often: the rows under way are bounded by
// budgets of their own, and the rest is garbage of decoding and encoding.
const softLimit = 80 << 20

// LimitMemory sets the runtime's soft memory limit, for the process's main to call; GOMEMLIMIT wins.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}
