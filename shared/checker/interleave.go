// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
)

// Interleave orders messages as Stream with WithSeed would, for tests that made
// them by hand: queues mixed at random, each in its own order.
func Interleave(messages []Message, seed uint64) []Message {
	byQueue := map[string][]Message{}
	for _, m := range messages {
		byQueue[m.queueName()] = append(byQueue[m.queueName()], m)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	names := slices.Sorted(maps.Keys(byQueue))
	out := make([]Message, 0, len(messages))
	for len(names) > 0 {
		i := random.IntN(len(names))
		q := byQueue[names[i]]
		out = append(out, q[0])
		if byQueue[names[i]] = q[1:]; len(q) == 1 {
			names = slices.Delete(names, i, i+1)
		}
	}
	return out
}

// interleave drains the channels: one after the other for seed 0, else each
// time a random one gives a random share of what it holds.
func interleave(queues []chan batch, seed uint64) iter.Seq[batch] {
	return func(yield func(batch) bool) {
		if seed == 0 {
			for _, q := range queues {
				for b := range q {
					if !yield(b) {
						return
					}
				}
			}
			return
		}
		random := rand.New(rand.NewPCG(seed, 1))
		held := make([]batch, len(queues))
		live := make([]int, len(queues))
		for i := range live {
			live[i] = i
		}
		for len(live) > 0 {
			at := random.IntN(len(live))
			i := live[at]
			if len(held[i].messages) == 0 {
				b, ok := <-queues[i]
				if !ok {
					live = slices.Delete(live, at, at+1)
					continue
				}
				if b.err != nil {
					yield(b)
					return
				}
				held[i] = b
			}
			n := 1 + random.IntN(len(held[i].messages))
			if !yield(batch{messages: held[i].messages[:n]}) {
				return
			}
			held[i].messages = held[i].messages[n:]
		}
	}
}
