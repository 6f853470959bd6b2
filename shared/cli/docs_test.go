// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v3"

	"slipway/shared/cli"
	"slipway/shared/cli/status"
	"slipway/shared/fault"
)

// each visits every command that people see, with its full name.
func each(cmd *ucli.Command, path string, do func(path string, cmd *ucli.Command)) {
	for _, sub := range cmd.Commands {
		if sub.Hidden {
			continue
		}
		name := path + " " + sub.Name
		do(name, sub)
		each(sub, name, do)
	}
}

// section is the part of a document under a heading, up to the next heading of any level.
func section(doc, heading string) (string, bool) {
	_, rest, ok := strings.Cut(doc, "# "+heading+"\n")
	body, _, _ := strings.Cut(rest, "\n#")
	return body, ok
}

func read(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func TestEveryCommandIsDocumentedWithAnExample(t *testing.T) {
	doc := read(t)
	seen := 0
	each(cli.Tree(), "slipway", func(path string, cmd *ucli.Command) {
		seen++
		if cmd.Usage == "" || !strings.Contains(cmd.Description, "Example:\n\n   "+strings.TrimSuffix(path, " checkpoint")) {
			t.Errorf("%s: its help lacks a summary or an example", path)
		}
		body, ok := section(doc, path)
		if !ok {
			t.Errorf("%s: docs/cli.md has no section of it", path)
			return
		}
		if len(cmd.Commands) == 0 && !strings.Contains(body, "```\n"+path) {
			t.Errorf("%s: its section has no example", path)
		}
		for _, f := range cmd.Flags {
			if name := f.Names()[0]; name != "help" && !strings.Contains(body, "| `--"+name) {
				t.Errorf("%s: its section lacks the flag --%s", path, name)
			}
		}
	})
	if seen != 9 {
		t.Errorf("visited %d commands, expected 9", seen)
	}
	for _, f := range cli.Tree().Flags {
		if name := f.Names()[0]; !strings.Contains(doc, "| `--"+name) {
			t.Errorf("docs/cli.md lacks the flag --%s", name)
		}
	}
}

func TestDocumentedExamplesParse(t *testing.T) {
	for _, m := range regexp.MustCompile(`(?m)^slipway [a-z].*$`).FindAllString(read(t), -1) {
		if strings.Contains(m, "TASK.yaml") || strings.Contains(m, "  ") {
			continue // the overview
		}
		args := strings.Fields(m)
		tree := cli.Tree()
		each(tree, "slipway", func(_ string, cmd *ucli.Command) {
			cmd.Action = func(context.Context, *ucli.Command) error { return nil }
		})
		if err := tree.Run(t.Context(), args); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
}

func TestExitCodesAreDocumented(t *testing.T) {
	classes := []fault.Class{
		fault.Config, fault.Blocked, fault.SourceUnreachable, fault.SinkUnreachable, fault.StoreUnreachable, fault.Locked,
		fault.PositionLost, fault.CheckpointUnusable, fault.SchemaMismatch, fault.UnreadableEvent, fault.SinkRejected,
		fault.Interrupted, fault.Internal,
	}
	body, _ := section(read(t), "Exit codes")
	for _, c := range classes {
		row := regexp.MustCompile(fmt.Sprintf("(?m)^\\| %d \\|[^|]*`%s`", fault.ExitCode(fault.New(c, "", "x")), c))
		if !row.MatchString(body) {
			t.Errorf("no row of docs/cli.md gives %s the exit code %d", c, fault.ExitCode(fault.New(c, "", "x")))
		}
	}
	if rows := len(regexp.MustCompile(`(?m)^\| \d+ \|`).FindAllString(body, -1)); rows != 9 {
		t.Errorf("docs/cli.md lists %d exit codes, expected 9", rows)
	}
}

func TestPhasesAreDocumented(t *testing.T) {
	body, _ := section(read(t), "slipway status")
	for _, p := range []status.Phase{
		status.NotStarted, status.Prechecking, status.PrecheckFailed, status.PreCheckPass, status.Migrating, status.Suspending,
		status.Retrying, status.MigrationFailed, status.Finished,
	} {
		if !strings.Contains(body, "`"+string(p)+"`") {
			t.Errorf("docs/cli.md lacks the phase %s", p)
		}
	}
}
