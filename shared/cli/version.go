// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

func (c *console) versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "say what this program was built from",
		Description: "Example:\n\n   slipway version --output json",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := only(cmd, 0); err != nil {
				return err
			}
			return c.showVersion(version())
		},
	}
}

// VersionMessage is what a program was built from.
type VersionMessage struct {
	Message
	// Version is the module's: a release, or "(devel)".
	Version string `json:"version"`
	// Revision is the commit, Time its time, Modified whether the tree had changes; "" and false when the build knows none.
	Revision string `json:"revision"`
	Time     string `json:"time"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// version asks the binary itself, so that no build needs flags for it.
func version() VersionMessage {
	m := VersionMessage{Message: Message{"version"}, Version: "(unknown)"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return m
	}
	m.Version, m.Go = info.Main.Version, info.GoVersion
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	m.Revision, m.Time, m.Modified = settings["vcs.revision"], settings["vcs.time"], settings["vcs.modified"] == "true"
	m.Platform = settings["GOOS"] + "/" + settings["GOARCH"]
	return m
}

func (c *console) showVersion(m VersionMessage) error {
	if c.json() {
		return c.emit(m)
	}
	revision := m.Revision
	if m.Modified {
		revision += ", modified"
	}
	rows := [][]string{{"slipway", m.Version}}
	if revision != "" {
		rows = append(rows, []string{"revision", revision}, []string{"of", m.Time})
	}
	if err := table(c.Out, append(rows, []string{"go", fmt.Sprintf("%s %s", m.Go, m.Platform)})...); err != nil {
		return err
	}
	return nil
}
