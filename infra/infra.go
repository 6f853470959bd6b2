// SPDX-License-Identifier: Apache-2.0

// Package infra gives programs the one definition of what a migration is: the file that CloudFlow runs in the cloud is
// compiled into the command line, so that both always run the same workflow.
package infra

import _ "embed"

//go:embed flow.yaml
var flow []byte

// Flow is flow.yaml. The caller must not change it.
func Flow() []byte { return flow }
