// SPDX-License-Identifier: Apache-2.0

package cli

import "time"

// window is how far back a rate looks.
const window = 10 * time.Second

// rate is how fast a count rises, over the last seconds.
type rate struct{ samples []sample }

type sample struct {
	at time.Time
	n  int64
}

// add takes a count. Samples older than the window go, but for the newest of them, from which the window is counted.
func (r *rate) add(at time.Time, n int64) {
	if k := len(r.samples); k > 0 && n < r.samples[k-1].n {
		r.samples = nil // another count began
	} else if k > 0 && at.Equal(r.samples[k-1].at) {
		return
	}
	r.samples = append(r.samples, sample{at, n})
	old := 0
	for old+1 < len(r.samples) && at.Sub(r.samples[old+1].at) >= window {
		old++
	}
	r.samples = r.samples[old:]
}

// perSecond is the rate up to now; 0 before there are two samples.
func (r *rate) perSecond(now time.Time) float64 {
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	took := now.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(last.n-first.n) / took
}

// eta is how long so much takes at a rate, in seconds; 0 when that can't be told.
func eta(left int64, perSecond float64) float64 {
	if left <= 0 || perSecond <= 0 {
		return 0
	}
	return float64(left) / perSecond
}
