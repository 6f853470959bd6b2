// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/urfave/cli/v3"

func (c *console) validateCommand() *cli.Command {
	return &cli.Command{Name: "validate", Action: group}
}
