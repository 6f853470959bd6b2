// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"slipway/shared/cli"
)

// terminal does what one does with the control sequences of a frame. It keeps what has scrolled away.
type terminal struct {
	mu            sync.Mutex
	columns, rows int
	lines         [][]rune // all there ever were
	top           int      // the first that is in the window
	row, column   int      // the cursor; row counts from the first line there ever was
}

func newTerminal(columns, rows int) *terminal {
	return &terminal{columns: columns, rows: rows, lines: [][]rune{nil}}
}

func (t *terminal) size() (columns, rows int) { return t.columns, t.rows }

var sequence = regexp.MustCompile(`^\x1b\[(\d*)([AKJ])`)

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := string(p); rest != ""; {
		if m := sequence.FindStringSubmatch(rest); m != nil {
			t.control(m[2], m[1])
			rest = rest[len(m[0]):]
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		t.put(r)
		rest = rest[size:]
	}
	return len(p), nil
}

func (t *terminal) control(command, count string) {
	switch command {
	case "A":
		n, _ := strconv.Atoi(count)
		t.row = max(t.row-n, t.top)
	case "J":
		t.lines = t.lines[:t.row+1]
		fallthrough
	case "K":
		t.lines[t.row] = t.lines[t.row][:min(t.column, len(t.lines[t.row]))]
	}
}

func (t *terminal) put(r rune) {
	switch {
	case r == '\r':
		t.column = 0
		return
	case r == '\n':
		t.down()
		return
	case t.column == t.columns:
		t.down()
	}
	line := t.lines[t.row]
	if t.column < len(line) {
		line[t.column] = r
	} else {
		t.lines[t.row] = append(line, r)
	}
	t.column++
}

func (t *terminal) down() {
	t.row, t.column = t.row+1, 0
	if t.row == len(t.lines) {
		t.lines = append(t.lines, nil)
	}
	t.top = max(t.top, t.row-t.rows+1)
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, line := range t.lines[:len(t.lines)-1] {
		b.WriteString(string(line) + "\n")
	}
	return b.String()
}

// Whatever blocks follow one another, and however small the window is, what stood above stays, and of the blocks the last
// one alone is there.
func TestFrameLeavesTheLastBlockAlone(t *testing.T) {
	line := rapid.StringMatching(`[a-z ]{0,12}[a-z]`)
	block := rapid.SliceOfN(line, 1, 9)
	rapid.Check(t, func(t *rapid.T) {
		screen := newTerminal(rapid.IntRange(8, 20).Draw(t, "columns"), rapid.IntRange(3, 12).Draw(t, "rows"))
		above := ""
		for i := range rapid.IntRange(0, 15).Draw(t, "lines above") {
			above += fmt.Sprintf("$ %d\n", i)
		}
		fmt.Fprint(screen, above)
		f := cli.NewFrame(screen, screen.size)
		var lines []string
		for range rapid.IntRange(1, 5).Draw(t, "blocks") {
			lines = block.Draw(t, "block")
			if err := f.Draw(strings.Join(lines, "\n") + "\n"); err != nil {
				t.Fatal(err)
			}
			want := above
			for i, l := range lines {
				if most := screen.rows - 1; len(lines) > most && i == most-1 {
					l = fmt.Sprintf("… %d more lines", len(lines)-i)
					want += string([]rune(l)[:min(utf8.RuneCountInString(l), screen.columns)]) + "\n"
					break
				}
				want += l[:min(len(l), screen.columns)] + "\n"
			}
			if got := screen.text(); got != want {
				t.Fatalf("the screen shows\n%s\nwant\n%s", got, want)
			}
		}
		if err := f.End(strings.Join(lines, "\n") + "\n"); err != nil {
			t.Fatal(err)
		}
		plain := newTerminal(screen.columns, screen.rows)
		fmt.Fprint(plain, above+strings.Join(lines, "\n")+"\n")
		if got, want := screen.text(), plain.text(); got != want {
			t.Fatalf("at the end the screen shows\n%s\nwant\n%s", got, want)
		}
	})
}

// Where a window has become narrower, what was drawn fills more rows than it has lines.
func TestFrameCountsRowsOfANarrowerWindow(t *testing.T) {
	screen := newTerminal(5, 10)
	columns := 20
	f := cli.NewFrame(screen, func() (int, int) { return columns, 10 })
	for _, block := range []string{"twelve chars\nx\n", "next\n"} {
		if err := f.Draw(block); err != nil {
			t.Fatal(err)
		}
		columns = 5
	}
	if got := screen.text(); got != "next\n" {
		t.Errorf("the screen shows %q", got)
	}
}

func TestFrameCountsWideCharactersTwice(t *testing.T) {
	screen := newTerminal(100, 10)
	if err := cli.NewFrame(screen, func() (int, int) { return 5, 10 }).Draw("a订单表\n"); err != nil {
		t.Fatal(err)
	}
	if got := screen.text(); got != "a订单\n" {
		t.Errorf("the screen shows %q", got)
	}
}
