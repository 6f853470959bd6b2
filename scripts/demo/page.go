// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// page is what the reader sees: sections of short lines. On a terminal the line at the bottom says what goes on; elsewhere
// only what is done is written.
type page struct {
	out      *os.File
	terminal bool
	colours  bool

	mu   sync.Mutex
	busy bool // the bottom line is drawn
}

func newPage(out *os.File) *page {
	t := term.IsTerminal(int(out.Fd()))
	return &page{out: out, terminal: t, colours: t && os.Getenv("NO_COLOR") == ""}
}

const (
	bold  = "1"
	dim   = "2"
	green = "32"
	red   = "31"
)

func (p *page) paint(code, s string) string {
	if !p.colours {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// line writes a line where the bottom line stood.
func (p *page) line(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	fmt.Fprintln(p.out, s)
}

func (p *page) wipe() {
	if p.busy {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.busy = false
	}
}

// end leaves a clean line.
func (p *page) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

// title begins the page, section a part of it.
func (p *page) title(s string)   { p.line("\n" + p.paint(bold, s)) }
func (p *page) section(s string) { p.line("\n" + p.paint(bold, s)) }

// done says what is achieved; what comes in columns.
func (p *page) done(what string, details ...string) { p.mark(green, "✔", what, details...) }

func (p *page) failed(what string, details ...string) { p.mark(red, "✘", what, details...) }

func (p *page) mark(colour, sign, what string, details ...string) {
	if len(details) > 0 {
		what += strings.Repeat(" ", max(12-utf8.RuneCountInString(what), 0))
	}
	p.line("  " + p.paint(colour, sign) + " " + strings.Join(append([]string{what}, details...), "  "))
}

// note explains, text shows something as it is, command shows what could be typed.
func (p *page) note(format string, a ...any) {
	p.line("    " + p.paint(dim, fmt.Sprintf(format, a...)))
}

func (p *page) text(s string) {
	for line := range strings.Lines(strings.TrimRight(s, "\n")) {
		p.line(strings.TrimRight("    "+line, "\n "))
	}
}

func (p *page) command(s string) { p.line("  " + p.paint(bold, "$ "+s)) }

// now says what goes on; it is overwritten by whatever comes next.
func (p *page) now(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.terminal {
		return
	}
	s := "  · " + fmt.Sprintf(format, a...)
	width, _, err := term.GetSize(int(p.out.Fd()))
	if err != nil || width < 2 {
		width = 80
	}
	if utf8.RuneCountInString(s) >= width {
		s = string([]rune(s)[:width-1]) // a line that wraps can't be wiped
	}
	p.wipe()
	fmt.Fprint(p.out, p.paint(dim, s))
	p.busy = true
}

// log shows the few lines that downloads log.
func (p *page) log() *slog.Logger { return slog.New(pageHandler{p}) }

type pageHandler struct{ page *page }

func (h pageHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h pageHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h pageHandler) WithGroup(string) slog.Handler                { return h }

func (h pageHandler) Handle(_ context.Context, r slog.Record) error {
	s := "  · " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		s += " " + a.Value.String()
		return true
	})
	h.page.line(s)
	return nil
}

// since is a duration for people.
func since(t time.Time) string { return fmt.Sprintf("%.1f s", time.Since(t).Seconds()) }

// grouped writes a number with its thousands parted.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
