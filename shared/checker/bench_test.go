// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"strings"
	"testing"

	"slipway/shared/checker"
)

// wide is a snapshot of rows of about 300 bytes, packed by 100.
func wide(rows int) *model {
	m := newModel("items")
	note := strings.Repeat("0123456789", 24)
	for id := range rows {
		m.tables["items"][id] = row{id, "a name", &note}
	}
	m.snapshotPacked("items", 100)
	return m
}

func BenchmarkAddPackedRows(b *testing.B) {
	const rows = 20_000
	m := wide(rows)
	b.ReportAllocs()
	for b.Loop() {
		if _, r := check(checker.Options{}, m.messages); !r.OK() || r.Rows != rows {
			b.Fatal(r.String())
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkStreamPackedRows(b *testing.B) {
	const rows = 200_000
	nameServer, topic := newTopic(b)
	send(b, nameServer, topic, wide(rows).messages)
	for b.Loop() {
		c := checker.New(checker.Options{})
		for m, err := range checker.Stream(b.Context(), nameServer, []string{topic}) {
			if err != nil {
				b.Fatal(err)
			}
			c.Add(m)
		}
		if r := c.Report(); !r.OK() || r.Rows != rows {
			b.Fatal(r.String())
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
