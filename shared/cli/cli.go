// SPDX-License-Identifier: Apache-2.0

// Package cli is the operator's command line, one file per command.
//
// What it keeps: data goes to standard output, everything else to standard error; with --output json standard output holds
// one JSON object a line, each with a message_type, the last of a command that failed being its error; the exit code follows
// from the error's class (package fault); no secret is ever printed, because tasks keep references in their place. Nothing
// in here ends the process or listens to signals: that is main's, through the context.
package cli

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"slipway/shared/fault"
)

// IO is where a command reads its surroundings and writes to.
type IO struct {
	// Out takes data, Err everything else.
	Out, Err io.Writer
	// Getenv looks up environment variables; one that is empty counts as not set.
	Getenv func(string) string
	// OutTerminal and ErrTerminal tell whether somebody watches: then there are colours and a progress line.
	OutTerminal, ErrTerminal bool
	// OutSize is the size of Out's terminal in columns and rows; nil means that it isn't known.
	OutSize func() (columns, rows int)
	// Now is the clock; nil means the machine's.
	Now func() time.Time
}

// Run executes the command line args, the program's name first, and returns the exit code. When ctx ends, the command comes
// to an orderly stop; the cause of that end is the error it reports.
func Run(ctx context.Context, args []string, std IO) int {
	c := newConsole(std)
	err := commands(c).Run(ctx, args)
	c.screen.clear()
	if err != nil {
		c.report(err)
	}
	return fault.ExitCode(err)
}

// console is what all commands share: the streams, and the flags that every command takes.
type console struct {
	IO
	screen *screen

	output    string
	logLevel  string
	logFormat string
	state     string
}

func newConsole(std IO) *console {
	if std.Now == nil {
		std.Now = time.Now
	}
	if std.OutSize == nil {
		std.OutSize = func() (int, int) { return 0, 0 }
	}
	return &console{IO: std, screen: newScreen(std.Err, std.ErrTerminal)}
}

// commands is the tree of all commands.
func commands(c *console) *cli.Command {
	root := &cli.Command{
		Name:  "slipway",
		Usage: "move MySQL tables into RocketMQ and keep them moving",
		Description: "A task file says what is moved, from where and to where. Check it with validate and precheck, move with run,\n" +
			"watch with status. Example:\n\n   slipway run examples/shop.yaml",
		Writer: c.Out, ErrWriter: c.Err,
		HideVersion: true, HideHelpCommand: true, EnableShellCompletion: true,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // Run reports
		Flags:          c.flags(),
		Commands: []*cli.Command{
			c.runCommand(), c.validateCommand(), c.showCommand(), c.precheckCommand(), c.statusCommand(), c.checkpointCommand(),
			c.versionCommand(),
		},
	}
	walk(root, func(cmd *cli.Command) {
		cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error { return usage(cmd, "%v", err) }
		if len(cmd.Commands) > 0 {
			cmd.Action = group
		}
	})
	return root
}

// flags are those of every command.
func (c *console) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "output", Aliases: []string{"o"}, Value: "text", Destination: &c.output, Validator: oneOf("text", "table", "json"),
			Usage: "`FORMAT` of what goes to standard output: text (or table), or json, one object a line",
		},
		&cli.StringFlag{
			Name: "state", Destination: &c.state,
			Usage: "`URL` of the state store; then the argument is a task's name instead of its file",
		},
		&cli.StringFlag{
			Name: "log-level", Value: "info", Destination: &c.logLevel, Validator: oneOf("debug", "info", "warn", "error"),
			Usage: "least `LEVEL` of log lines: debug, info, warn, error",
		},
		&cli.StringFlag{
			Name: "log-format", Value: "text", Destination: &c.logFormat, Validator: oneOf("text", "json"),
			Usage: "`FORMAT` of log lines, on standard error: text or json",
		},
	}
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fault.New(fault.Config, "", "expected one of %s, got %q", strings.Join(words, ", "), s)
	}
}

func walk(cmd *cli.Command, do func(*cli.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands {
		walk(sub, do)
	}
}

// group is what a command does that only has commands under it.
func group(_ context.Context, cmd *cli.Command) error {
	if name := cmd.Args().First(); name != "" {
		return usage(cmd, "there is no command %q", name)
	}
	return cli.ShowSubcommandHelp(cmd)
}

// usage is the error of a command line that can't be followed.
func usage(cmd *cli.Command, format string, args ...any) error {
	return fault.New(fault.Config, "see "+cmd.FullName()+" --help", format, args...)
}

func (c *console) json() bool { return c.output == "json" }

// lookup resolves the ${NAME} references of task files, as the steps do.
func (c *console) lookup(name string) (string, bool) {
	v := c.Getenv(name)
	return v, v != ""
}

// colour tells whether a stream that is a terminal may be coloured; see no-color.org.
func (c *console) colour(terminal bool) bool { return terminal && c.Getenv("NO_COLOR") == "" }

// logger writes to standard error, above the progress line if there is one.
func (c *console) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.logLevel)) // the flag takes nothing else
	opts := &slog.HandlerOptions{Level: level}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(c.screen, opts))
	}
	return slog.New(slog.NewTextHandler(c.screen, opts))
}
