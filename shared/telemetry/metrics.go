// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"slipway/shared/tail"
)

// metric is one number of a tail's status under its public name.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	value      func(tail.Status) float64
}

// metrics are the names that dashboards and alerts rely on: docs/metrics.md lists the same.
func metrics() []metric {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return []metric{
		{
			"slipway_lag_seconds", "How far the task was behind its source at the newest checkpoint.", gauge,
			func(s tail.Status) float64 { return seconds(s.LagMillis) },
		},
		{
			"slipway_changes_total", "Row changes and DDL statements acknowledged since this tail began.", counter,
			func(s tail.Status) float64 { return float64(s.Changes) },
		},
		{
			"slipway_messages_total", "Messages acknowledged since this tail began.", counter,
			func(s tail.Status) float64 { return float64(s.Messages) },
		},
		{
			"slipway_send_retrying", "Messages being sent again after a failure.", gauge,
			func(s tail.Status) float64 { return float64(s.Retrying) },
		},
		{
			"slipway_oldest_unacknowledged_seconds", "How long the oldest unacknowledged change has been next in its lane.", gauge,
			func(s tail.Status) float64 { return seconds(s.OldestMillis) },
		},
		{
			"slipway_checkpoint_age_seconds", "How long ago the newest checkpoint was stored.", gauge,
			func(s tail.Status) float64 { return seconds(s.CheckpointAgeMillis) },
		},
		{
			"slipway_source_silent_seconds", "How long ago the binlog reader handed on an event.", gauge,
			func(s tail.Status) float64 { return seconds(s.SilentMillis) },
		},
		{
			"slipway_committed_seq", "Number of the last change committed as acknowledged.", gauge,
			func(s tail.Status) float64 { return float64(s.Committed.Seq) },
		},
		{
			"slipway_reserved_seq", "Number up to which changes may have been sent.", gauge,
			func(s tail.Status) float64 { return float64(s.ReservedSeq) },
		},
		{
			"slipway_checkpoint", "Number of the newest checkpoint.", gauge,
			func(s tail.Status) float64 { return float64(s.Checkpoint) },
		},
		{
			"slipway_epoch", "The tail's epoch.", gauge,
			func(s tail.Status) float64 { return float64(s.Epoch) },
		},
		{
			"slipway_leased", "1 while the tail may send, else 0.", gauge,
			func(s tail.Status) float64 { return flag(s.Leased) },
		},
		{
			"slipway_idle", "1 while the source has nothing new and everything is acknowledged, else 0.", gauge,
			func(s tail.Status) float64 { return flag(s.Idle) },
		},
		{
			"slipway_healthy", "1 while the tail makes progress, 0 when the platform should replace it.", gauge,
			func(s tail.Status) float64 { return flag(stalled(s) == nil) },
		},
	}
}

func seconds(millis int64) float64 { return float64(millis) / 1000 }

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// Registry holds a tail's metrics, and Go's own. status is asked at each scrape; false means that no tail is running,
// and then there are only Go's.
func Registry(status func() (tail.Status, bool)) *prometheus.Registry {
	r := prometheus.NewRegistry()
	c := &collector{status: status, metrics: metrics()}
	for _, m := range c.metrics {
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, []string{"task", "environment"}, nil))
	}
	r.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector turns one status into all metrics, so that a scrape is consistent.
type collector struct {
	status  func() (tail.Status, bool)
	metrics []metric
	descs   []*prometheus.Desc
}

// Describe names every metric, so that a clash is found when the program starts.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect asks for the status once.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s, running := c.status()
	if !running {
		return
	}
	for i, m := range c.metrics {
		out <- prometheus.MustNewConstMetric(c.descs[i], m.kind, m.value(s), s.Task, s.Environment)
	}
}
