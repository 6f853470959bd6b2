// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PhaseMessage is a JSON line at the beginning and the end of a phase.
type PhaseMessage struct {
	Message
	Task  string    `json:"task"`
	Time  time.Time `json:"time"`
	Phase string    `json:"phase"`
	// Edge is "begins" or "done".
	Edge string `json:"edge"`
}

// announce tells that a phase begins or is done.
func (p *progress) announce(phase, edge string, now time.Time) {
	switch {
	case p.console.json():
		_ = p.console.emit(PhaseMessage{Message{"phase"}, p.task, now.UTC(), phase, edge}) // a reader that left wants nothing
	case p.console.ErrTerminal:
		if edge == "done" {
			p.notice(p.summary(phase, now))
		}
	default:
		p.log.Info(phase+" "+edge, p.results(phase, edge, now)...)
	}
}

// notice puts a line above the progress line.
func (p *progress) notice(line string) { fmt.Fprintln(p.console.screen, line) }

// summary says what a phase has done.
func (p *progress) summary(phase string, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := now.Sub(p.begun).Round(100 * time.Millisecond)
	line := fmt.Sprintf("✔ %-8s  %s", phase, took)
	switch phase {
	case "plan":
		line += fmt.Sprintf("  about %s rows to read in %d chunks", grouped(p.shown.RowsEstimate), p.shown.Chunks)
	case "snapshot":
		line += fmt.Sprintf("  %s rows", grouped(p.shown.Rows))
	}
	return line
}

// results are a phase's for its log line.
func (p *progress) results(phase, edge string, now time.Time) []any {
	if edge != "done" {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	attrs := []any{"took", now.Sub(p.begun).Round(time.Millisecond)}
	switch phase {
	case "plan":
		attrs = append(attrs, "rowsEstimate", p.shown.RowsEstimate, "chunks", p.shown.Chunks)
	case "snapshot":
		attrs = append(attrs, "rows", p.shown.Rows)
	}
	return attrs
}

// show shows how things are now.
func (p *progress) show(now time.Time) {
	s := p.now(now)
	if s.Phase == "" {
		return
	}
	switch {
	case p.console.json():
		_ = p.console.emit(s) // a reader that left wants nothing
	case p.console.ErrTerminal:
		p.console.screen.show(s.line(now.Sub(p.since())))
	default:
		p.log.Info("progress", s.attrs()...)
	}
}

func (p *progress) since() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// now works out what changes by itself.
func (p *progress) now(now time.Time) Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shown
	s.Time, s.Phase = now.UTC(), p.phase
	switch s.Phase {
	case "snapshot":
		p.rate.add(now, s.Rows)
		s.Seq, s.Epoch, s.Checkpoint = 0, 0, 0
		s.RowsPerSecond = p.rate.perSecond(now)
		s.EtaSeconds = eta(s.RowsEstimate-s.Rows, s.RowsPerSecond)
	case "tail":
		s.Rows, s.RowsEstimate, s.Chunks, s.ChunksDone = 0, 0, 0, 0
		s.RowsPerSecond = p.rate.perSecond(now)
		if !p.lapse.IsZero() {
			s.LeftSeconds = max(p.lapse.Sub(now).Seconds(), 0)
		}
	default:
		s = Progress{Message: s.Message, Task: s.Task, Time: s.Time, Phase: s.Phase}
	}
	return s
}

// line is the terminal's.
func (s Progress) line(took time.Duration) string {
	head := fmt.Sprintf("  %-8s  ", s.Phase)
	switch {
	case s.Phase == "snapshot":
		line := head + grouped(s.Rows)
		if s.RowsEstimate >= s.Rows { // the server's guess can be far off
			line += " of about " + grouped(s.RowsEstimate)
		}
		line += fmt.Sprintf(" rows  %s rows/s", grouped(int64(s.RowsPerSecond)))
		if s.EtaSeconds > 0 {
			line += "  ETA " + seconds(s.EtaSeconds).String()
		}
		return line
	case s.WaitingFor != "":
		return head + fmt.Sprintf("waiting for the lease of %s (epoch %d) to lapse, %s", s.WaitingFor, s.Epoch, seconds(s.LeftSeconds))
	case s.Phase == "tail":
		return head + fmt.Sprintf("seq %s  %s rows/s  lag %s  epoch %d", grouped(s.Seq), grouped(int64(s.RowsPerSecond)), lag(s.LagSeconds), s.Epoch)
	}
	return head + took.Truncate(time.Second).String()
}

// attrs are the log line's.
func (s Progress) attrs() []any {
	attrs := []any{"phase", s.Phase}
	switch {
	case s.Phase == "snapshot":
		attrs = append(attrs, "rows", s.Rows)
		if s.RowsEstimate >= s.Rows {
			attrs = append(attrs, "of", s.RowsEstimate)
		}
		attrs = append(attrs, "rowsPerSecond", int64(s.RowsPerSecond))
		if s.EtaSeconds > 0 {
			attrs = append(attrs, "eta", seconds(s.EtaSeconds))
		}
	case s.WaitingFor != "":
		attrs = append(attrs, "waitingFor", s.WaitingFor, "epoch", s.Epoch, "left", seconds(s.LeftSeconds))
	case s.Phase == "tail":
		attrs = append(attrs, "seq", s.Seq, "rowsPerSecond", int64(s.RowsPerSecond), "lag", lag(s.LagSeconds), "epoch", s.Epoch, "checkpoint", s.Checkpoint)
	}
	return attrs
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// lag is shown to a tenth of a second.
func lag(s float64) string { return strconv.FormatFloat(s, 'f', 1, 64) + "s" }

// grouped writes a number with its thousands parted.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}
