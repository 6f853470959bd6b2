// SPDX-License-Identifier: Apache-2.0

package emulator

import (
	"os/exec"
	"syscall"
)

// dieWithParent keeps a killed test from leaving functions behind: without its runtime API, the SDK spins for ever.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
