// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/urfave/cli/v3"

func (c *console) statusCommand() *cli.Command { return &cli.Command{Name: "status", Action: group} }
