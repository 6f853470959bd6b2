// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"time"

	"github.com/urfave/cli/v3"
)

// Tree is the tree of all commands.
func Tree() *cli.Command { return commands(newConsole(IO{Out: io.Discard, Err: io.Discard})) }

// Line is what a terminal shows of s after took.
func Line(s Progress, took time.Duration) string { return s.line(took) }

// Explain parts an error.
func Explain(err error) ErrorMessage { return explain(err) }

// Screen is a terminal's standard error.
type Screen = screen

// NewScreen makes one.
func NewScreen(w io.Writer, terminal bool) *Screen { return newScreen(w, terminal) }

// Show draws the progress line.
func (s *screen) Show(line string) { s.show(line) }

// Clear takes it away.
func (s *screen) Clear() { s.clear() }

// Frame is a block on a terminal.
type Frame struct{ frame }

// NewFrame makes one on a terminal of that size.
func NewFrame(w io.Writer, size func() (columns, rows int)) *Frame {
	return &Frame{frame{out: w, size: size}}
}

// Draw draws the block.
func (f *Frame) Draw(block string) error { return f.draw(block) }

// End leaves it there whole.
func (f *Frame) End(block string) error { return f.end(block) }

// Rate is a rate over a window.
type Rate struct{ rate }

// Add takes a count.
func (r *Rate) Add(at time.Time, n int64) { r.add(at, n) }

// PerSecond is the rate.
func (r *Rate) PerSecond(now time.Time) float64 { return r.perSecond(now) }

// Grouped parts thousands.
func Grouped(n int64) string { return grouped(n) }
