// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// mark is how a level shows: its sign and its colour (SGR).
type mark struct{ sign, colour string }

func markOf(f *Finding) mark {
	switch f.Level {
	case Success:
		return mark{"✔", "32"}
	case Warning:
		return mark{"!", "33"}
	case Skipped:
		return mark{"-", "2"}
	}
	return mark{"✘", "31"}
}

func (m mark) render(text string, colour bool) string {
	if !colour {
		return text
	}
	return "\x1b[" + m.colour + "m" + text + "\x1b[0m"
}

// WriteTable writes the report for people: a line for each finding, and under
// those that need it the remedy. Colour is for terminals, unless NO_COLOR is set.
func WriteTable(w io.Writer, r Report, colour bool) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Item))
	}
	var b strings.Builder
	for i := range r.Findings {
		f := &r.Findings[i]
		m := markOf(f)
		what := f.What
		if f.Accepted {
			what += " (accepted)"
		}
		fmt.Fprintf(&b, "%s %-*s  %s\n", m.render(m.sign, colour), width, f.Item, m.render(what, colour && f.blocks()))
		if f.Remedy == "" || f.Accepted {
			continue
		}
		for line := range strings.SplitSeq(f.Remedy, "\n") {
			fmt.Fprintf(&b, "  %-*s  → %s\n", width, "", line)
		}
	}
	b.WriteString(r.verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict is the report in a sentence, and what to do about it.
func (r *Report) verdict() string {
	if !r.Blocked {
		return fmt.Sprintf("\ntask %s may start: %d passed, %d warnings accepted\n", r.Task, r.Count(Success), r.Count(Warning))
	}
	s := fmt.Sprintf("\ntask %s is blocked: %d failed, %d warnings, %d skipped, %d passed\n",
		r.Task, r.Count(Failed), r.Count(Warning), r.Count(Skipped), r.Count(Success))
	var open []string
	for _, f := range r.Findings {
		if f.Level == Warning && !f.Accepted && (len(open) == 0 || open[len(open)-1] != f.Item) {
			open = append(open, f.Item)
		}
	}
	if len(open) > 0 {
		s += "to take the warnings knowingly, add to the task file: accept: [" + strings.Join(open, ", ") + "]\n"
	}
	return s
}

// WriteJSON writes the report for programs. Fields may be added later.
func WriteJSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
