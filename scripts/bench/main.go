// SPDX-License-Identifier: Apache-2.0

// Command bench measures Slipway beside what the machine could do at best, in
// one run: the snapshot beside a bare streaming SELECT, the tail beside a bare
// decode of the same binlog, both beside sends of bodies of the same sizes.
// Machines are noisy and differ: what counts is the ratio.
//
// Every step runs in a process of its own, so that CPU and memory are its own.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"

	"slipway/shared/fc"
)

func main() {
	rows := flag.Int("rows", 200_000, "rows in the table")
	transactions := flag.Int("transactions", 20_000, "single-row transactions")
	child := flag.String("child", "", "internal: run one step as a process of its own")
	asJSON := flag.Bool("json", false, "print the figures as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *child != "" {
		fc.LimitMemory()
		err = runChild(ctx, *child)
	} else {
		err = bench(ctx, *rows, *transactions, *asJSON)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is one line of the result.
type figure struct {
	Name string `json:"name"`
	// Rows, and Seconds they took.
	Rows    int     `json:"rows"`
	Seconds float64 `json:"seconds"`
	// CPU seconds of the process, Slipway's only.
	CPU float64 `json:"cpuSeconds,omitempty"`
	// RSS is the process's peak in MB.
	RSS float64 `json:"peakMB,omitempty"`
	// Messages and MB of bodies that were sent.
	Messages int64   `json:"messages,omitempty"`
	MB       float64 `json:"bodyMB,omitempty"`
	// Bare is the rate of the bare limit this is measured against.
	Bare []limit `json:"bare,omitempty"`
}

// limit is what the machine does when only one thing is done.
type limit struct {
	Name string  `json:"name"`
	Rate float64 `json:"rowsPerSecond"`
}

func (f figure) rate() float64 { return float64(f.Rows) / f.Seconds }

func bench(ctx context.Context, rows, transactions int, asJSON bool) error {
	s, err := newStage(ctx, rows)
	if err != nil {
		return err
	}
	defer s.close()
	var figures []figure
	step := func(name string, f func(context.Context) (figure, error)) error {
		fmt.Fprintf(os.Stderr, "· %s\n", name)
		fig, err := f(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fig.Name = name
		figures = append(figures, fig)
		return nil
	}
	if err := step("snapshot", s.snapshot); err != nil {
		return err
	}
	update := func(ctx context.Context) (figure, error) {
		return s.tail(ctx, min(rows, 100_000), fmt.Sprintf("UPDATE orders SET k = k + 1 WHERE id <= %d", min(rows, 100_000)))
	}
	if err := step("tail, one transaction of many rows", update); err != nil {
		return err
	}
	single := func(ctx context.Context) (figure, error) { return s.tailSingles(ctx, transactions) }
	if err := step("tail, transactions of one row", single); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "· commit to stored, idle")
	latency, err := s.latency(ctx, 200)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"figures": figures, "latencyMillis": latency})
	}
	return printTable(os.Stdout, figures, latency)
}

func printTable(w io.Writer, figures []figure, l latencies) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "step\trows\trows/s\tCPU s per 100k\tpeak MB\tmessages\tbare limit in the same run\tof it")
	for _, f := range figures {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.2f\t%.0f\t%d\t\t\n", f.Name, f.Rows, f.rate(), f.CPU/float64(f.Rows)*100_000, f.RSS, f.Messages)
		for _, b := range f.Bare {
			fmt.Fprintf(t, "\t\t%.0f\t\t\t\t%s\t%.0f %%\n", b.Rate, b.Name, f.rate()/b.Rate*100)
		}
	}
	fmt.Fprintf(t, "commit to stored, idle: p50 %.1f ms, p99 %.1f ms; a bare send: p50 %.1f ms\n", l.P50, l.P99, l.BareP50)
	return t.Flush()
}
