// SPDX-License-Identifier: Apache-2.0

package canaljson_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"slipway/shared/change"
	"slipway/shared/servertest"
)

// TestFloatsAsJavaShowsThem pins the rules of JDK 19 and later, which need no
// JDK to check.
func TestFloatsAsJavaShowsThem(t *testing.T) {
	values := []change.Value{
		change.NewFloat64(0), change.NewFloat64(math.Copysign(0, -1)), change.NewFloat64(1), change.NewFloat64(-100),
		change.NewFloat64(0.001), change.NewFloat64(0.0010000000000000002), change.NewFloat64(0.00099), change.NewFloat64(9999999),
		change.NewFloat64(9999999.999999998), change.NewFloat64(1e7), change.NewFloat64(12345678), change.NewFloat64(1e23),
		change.NewFloat64(2e23), change.NewFloat64(5e-324), change.NewFloat64(1e-323), change.NewFloat64(2.2250738585072014e-308),
		change.NewFloat64(math.MaxFloat64), change.NewFloat64(123456.789), change.NewFloat64(0.1),
		change.NewFloat32(0.1), change.NewFloat32(math.MaxFloat32), change.NewFloat32(math.SmallestNonzeroFloat32),
		change.NewFloat32(3.3554432e7), change.NewFloat32(1.1754944e-38), change.NewFloat32(16777216),
	}
	want := []string{
		"0.0", "-0.0", "1.0", "-100.0",
		"0.001", "0.0010000000000000002", "9.9E-4", "9999999.0",
		"9999999.999999998", "1.0E7", "1.2345678E7", "1.0E23",
		"2.0E23", "4.9E-324", "9.9E-324", "2.2250738585072014E-308",
		"1.7976931348623157E308", "123456.789", "0.1",
		"0.1", "3.4028235E38", "1.4E-45",
		"3.3554432E7", "1.1754944E-38", "1.6777216E7",
	}
	for i, got := range encodeFloats(t, values) {
		if got != want[i] {
			t.Errorf("%v: %s, want %s", values[i], got, want[i])
		}
	}
}

// TestFloatsAgainstTheJDK compares random numbers with Java itself. From JDK 19
// on every text must be the same. Before, Java printed a few numbers with
// digits too many: those texts may differ, but must stand for the same number,
// in the same notation, and not be shorter than ours.
func TestFloatsAgainstTheJDK(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		servertest.Absent(t, "no java in PATH; install a JDK to compare with it")
	}
	values := randomFloats(60_000)
	var in bytes.Buffer
	for _, v := range values {
		if v.Kind() == change.Float32 {
			fmt.Fprintf(&in, "32 %x\n", math.Float32bits(v.Float32()))
		} else {
			fmt.Fprintf(&in, "64 %x\n", math.Float64bits(v.Float64()))
		}
	}
	cmd := exec.CommandContext(t.Context(), java, "testdata/Floats.java")
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	version, err := strconv.Atoi(lines[0])
	if err != nil || len(lines) != len(values)+1 {
		t.Fatalf("java printed %d lines, the first %q", len(lines), lines[0])
	}

	longer := 0
	for i, got := range encodeFloats(t, values) {
		jdk := lines[i+1]
		if got == jdk {
			continue
		}
		longer++
		if version >= 19 || !sameNumber(values[i].Kind(), got, jdk) || len(got) > len(jdk) || strings.Contains(got, "E") != strings.Contains(jdk, "E") {
			t.Errorf("%v: %s, JDK %d shows %s", values[i], got, version, jdk)
		}
	}
	t.Logf("JDK %d, %d numbers: %d have digits too many there", version, len(values), longer)
	if longer > len(values)/20 {
		t.Errorf("%d of %d differ: more than JDK-4511638 explains", longer, len(values))
	}
}

// randomFloats mixes random bits, which are mostly huge or tiny, with numbers
// as tables hold them.
func randomFloats(n int) (values []change.Value) {
	for len(values) < n {
		if f := math.Float64frombits(rand.Uint64()); !math.IsNaN(f) {
			values = append(values, change.NewFloat64(f))
		}
		if f := math.Float32frombits(rand.Uint32()); f == f {
			values = append(values, change.NewFloat32(f))
		}
		f := (rand.Float64() - 0.5) * math.Pow10(rand.IntN(24)-10)
		values = append(values, change.NewFloat64(f), change.NewFloat32(float32(f)))
		short := float64(rand.IntN(200_000)) / math.Pow10(rand.IntN(12))
		values = append(values, change.NewFloat64(short), change.NewFloat32(float32(short)))
		values = append(values, change.NewFloat64(math.Float64frombits(rand.Uint64N(1<<20))), change.NewFloat32(math.Float32frombits(rand.Uint32N(1<<12))))
	}
	return values
}

func sameNumber(kind change.Kind, a, b string) bool {
	size := 64
	if kind == change.Float32 {
		size = 32
	}
	x, errX := strconv.ParseFloat(a, size)
	y, errY := strconv.ParseFloat(b, size)
	return errX == nil && errY == nil && x == y
}

// encodeFloats renders the values as rows of one message.
func encodeFloats(t *testing.T, values []change.Value) (texts []string) {
	table := &change.Table{Database: "d", Name: "t", Columns: []change.Column{{Name: "f", Type: change.TypeDouble, Declared: "double"}}}
	var rows []*change.Change
	for _, v := range values {
		rows = append(rows, insert(table, 1, change.Row{v}))
	}
	for _, row := range parse(t, packed(rows...)).Data {
		texts = append(texts, show(row["f"]))
	}
	return texts
}
