// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package emulator

import "os/exec"

// dieWithParent exists only where the operating system can do it.
func dieWithParent(*exec.Cmd) {}
