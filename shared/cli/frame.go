// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/width"
)

// frame is a block of lines at the bottom of a terminal that is drawn over and over, in place.
type frame struct {
	out io.Writer
	// size is the terminal's, in columns and rows; 0, 0 when it isn't known.
	size  func() (columns, rows int)
	drawn []string // the lines that stand there
}

// Control sequences: to the beginning of the line so many rows up; wipe the rest of the line; wipe what is below.
const (
	up        = "\r\x1b[%dA"
	wipeLine  = "\x1b[K"
	wipeBelow = "\x1b[J"
)

// draw puts the block in the place of the one before, cut to what the terminal can hold: a line that wraps or scrolls away
// couldn't be drawn over.
func (f *frame) draw(block string) error {
	columns, rows := f.size()
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	if most := rows - 1; rows > 2 && len(lines) > most {
		lines = append(lines[:most-1], fmt.Sprintf("… %d more lines", len(lines)-most+1))
	}
	if columns > 0 {
		for i, line := range lines {
			lines[i] = cut(line, columns)
		}
	}
	return f.replace(lines, columns)
}

// end leaves the block there whole.
func (f *frame) end(block string) error {
	columns, _ := f.size()
	return f.replace(strings.Split(strings.TrimRight(block, "\n"), "\n"), columns)
}

// replace draws in one write, so that nothing flickers. Where the terminal has become narrower, lines may fill several rows
// by now.
func (f *frame) replace(lines []string, columns int) error {
	var b strings.Builder
	above := 0
	for _, line := range f.drawn {
		above++
		if columns > 0 {
			above += (max(cells(line), 1) - 1) / columns
		}
	}
	if above > 0 {
		fmt.Fprintf(&b, up, above)
	}
	for _, line := range lines {
		b.WriteString(line + wipeLine + "\n")
	}
	b.WriteString(wipeBelow)
	f.drawn = lines
	_, err := io.WriteString(f.out, b.String())
	return err
}

// cut shortens a line to so many cells.
func cut(line string, columns int) string {
	used := 0
	for i, r := range line {
		if used += cellsOf(r); used > columns {
			return line[:i]
		}
	}
	return line
}

func cells(line string) int {
	n := 0
	for _, r := range line {
		n += cellsOf(r)
	}
	return n
}

// cellsOf is how wide terminals draw a character: names may be Chinese.
func cellsOf(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
