// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/shared/rocketmq"
)

// BenchmarkSend keeps 64 lanes busy against the real broker: what packing has
// to live with.
func BenchmarkSend(b *testing.B) {
	const lanes = 64
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			topic := newTopic(b, "FIFO", 8)
			client := dial(b, rocketmq.Config{Endpoint: broker(b).grpc, Topics: []string{topic}, SendTimeout: 20 * time.Second})
			body := []byte(strings.Repeat("b", size))
			work := make(chan int)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			var senders sync.WaitGroup
			for lane := range lanes {
				senders.Go(func() {
					m := message(topic, fmt.Sprintf("lane-%d", lane), "bench")
					m.Body = body
					for range work {
						if err := client.Send(b.Context(), m); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				work <- i
			}
			close(work)
			senders.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
