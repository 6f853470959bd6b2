// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"sync"
)

// screen is standard error with, on a terminal, one line at its bottom that is drawn over and over. Everything else that is
// written goes above that line.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	line     string // as shown; "" when there is none
}

func newScreen(out io.Writer, terminal bool) *screen { return &screen{out: out, terminal: terminal} }

// erase goes to the line's beginning and wipes it.
const erase = "\r\x1b[K"

// Write puts whole lines above the progress line.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == "" {
		return s.out.Write(p)
	}
	if _, err := io.WriteString(s.out, erase); err != nil {
		return 0, err
	}
	n, err := s.out.Write(p)
	if err == nil {
		_, err = io.WriteString(s.out, s.line)
	}
	return n, err
}

// show draws the progress line; away from a terminal it does nothing.
func (s *screen) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		return
	}
	s.line = line
	_, _ = io.WriteString(s.out, erase+line) // a terminal that is gone has nobody to tell
}

// clear takes the progress line away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != "" {
		s.line = ""
		_, _ = io.WriteString(s.out, erase)
	}
}
