// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/urfave/cli/v3"

func (c *console) checkpointCommand() *cli.Command {
	return &cli.Command{Name: "checkpoint", Action: group}
}
