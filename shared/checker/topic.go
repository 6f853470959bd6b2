// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

const (
	// pullCount is asked for; a broker gives fewer, by its own limits.
	pullCount = 256
	// beyond is an offset no queue reaches: a broker answers a pull there at once,
	// with the queue's end, while at the end it would hold the pull for 20 s.
	beyond = int64(1) << 50
	// settleEvery and settleTries: a stored message shows in its queue a moment
	// after its acknowledgement, so ends are read until two readings agree.
	settleEvery = 200 * time.Millisecond
	settleTries = 50
)

// ReadOption changes how topics are read.
type ReadOption func(*readConfig)

type readConfig struct {
	seed                 uint64
	group                string
	accessKey, secretKey string
}

// WithSeed interleaves the queues at random instead of reading one after the
// other. The order within a queue never changes.
func WithSeed(seed uint64) ReadOption { return func(c *readConfig) { c.seed = seed } }

// WithGroup names the consumer group where a broker makes none by itself; the
// default is "slipway-checker". No offset is ever committed for it.
func WithGroup(group string) ReadOption { return func(c *readConfig) { c.group = group } }

// WithCredentials authenticates at name server and broker.
func WithCredentials(accessKey, secretKey string) ReadOption {
	return func(c *readConfig) { c.accessKey, c.secretKey = accessKey, secretKey }
}

// Read gives all messages of the topics at once; Stream is for large topics.
func Read(ctx context.Context, nameServer string, topics []string, opts ...ReadOption) ([]Message, error) {
	var all []Message
	for m, err := range Stream(ctx, nameServer, topics, opts...) {
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Stream reads every queue of the topics from offset 0 to where it ended when
// the reading began, in bounded memory (a few pulls per queue). After an error,
// which comes with an empty message, it ends. nameServer is host:port.
func Stream(ctx context.Context, nameServer string, topics []string, opts ...ReadOption) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		r := reader{readConfig: readConfig{group: "slipway-checker"}, ctx: ctx}
		for _, o := range opts {
			o(&r.readConfig)
		}
		defer func() {
			cancel()
			r.wait.Wait()
			r.close()
		}()
		queues, err := r.open(nameServer, topics)
		if err != nil {
			yield(Message{}, err)
			return
		}
		for batch := range interleave(queues, r.seed) {
			if batch.err != nil {
				yield(Message{}, batch.err)
				return
			}
			for _, m := range batch.messages {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// batch is what one pull gave.
type batch struct {
	messages []Message
	err      error
}

// reader is one reading of some topics.
type reader struct {
	readConfig
	ctx    context.Context
	client rocketmq.PullConsumer
	one    sync.Mutex
	wait   sync.WaitGroup
}

// silence turns the client's logging off, once: its logger is process-wide.
var silence = sync.OnceFunc(func() { rlog.SetLogger(mute{}) })

type mute struct{}

func (mute) Debug(string, map[string]any)   {}
func (mute) Info(string, map[string]any)    {}
func (mute) Warning(string, map[string]any) {}
func (mute) Error(string, map[string]any)   {}
func (mute) Fatal(string, map[string]any)   {}
func (mute) Level(string)                   {}
func (mute) OutputPath(string) error        { return nil }

// open starts a client and one goroutine per queue.
func (r *reader) open(nameServer string, topics []string) ([]chan batch, error) {
	if len(topics) == 0 {
		return nil, errors.New("no topics to read")
	}
	silence()
	addrs, err := primitive.NewNamesrvAddr(nameServer)
	if err != nil {
		return nil, fmt.Errorf("name server address %q: %w", nameServer, err)
	}
	r.client, err = rocketmq.NewPullConsumer(
		consumer.WithNameServer(addrs),
		consumer.WithGroupName(r.group),
		consumer.WithInstance("checker-"+strconv.FormatUint(rand.Uint64(), 36)),
		consumer.WithCredentials(primitive.Credentials{AccessKey: r.accessKey, SecretKey: r.secretKey}),
	)
	if err != nil {
		return nil, fmt.Errorf("make a pull consumer for name server %s: %w", nameServer, err)
	}
	// An assignment without queues: the client learns the route and pulls nothing
	// by itself. All before Start, whose goroutines read it without a lock.
	for _, topic := range topics {
		if err := r.client.Assign(topic, nil); err != nil {
			return nil, fmt.Errorf("assign topic %s: %w", topic, err)
		}
	}
	if err := r.client.Start(); err != nil {
		r.client = nil // Start has shut it down
		return nil, fmt.Errorf("find topics %v at name server %s (do they exist?): %w", topics, nameServer, err)
	}
	queues, err := r.route(nameServer, topics)
	if err != nil {
		return nil, err
	}
	ends, err := r.settledEnds(queues)
	if err != nil {
		return nil, err
	}
	var out []chan batch
	for i, q := range queues {
		ch := make(chan batch, 1)
		out = append(out, ch)
		r.wait.Go(func() { r.pull(q, ends[i], ch) })
	}
	return out, nil
}

// route lists the queues of all topics.
func (r *reader) route(nameServer string, topics []string) (queues []*primitive.MessageQueue, err error) {
	for _, topic := range topics {
		route, err := r.client.GetTopicRouteInfo(topic)
		if err != nil {
			return nil, fmt.Errorf("find topic %s at name server %s (does it exist?): %w", topic, nameServer, err)
		}
		for _, q := range route {
			queues = append(queues, &primitive.MessageQueue{Topic: q.Topic, BrokerName: q.BrokerName, QueueId: q.QueueId})
		}
	}
	return queues, nil
}

func (r *reader) close() {
	if r.client != nil {
		_ = r.client.Shutdown() // nothing to lose: no offset is kept
	}
}

// settledEnds reads every queue's end until two readings agree.
func (r *reader) settledEnds(queues []*primitive.MessageQueue) ([]int64, error) {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	var before []int64
	for range settleTries {
		ends := make([]int64, len(queues))
		for i, q := range queues {
			res, err := r.pullOnce(q, beyond)
			if err != nil {
				return nil, fmt.Errorf("find the end of queue %d of %s: %w", q.QueueId, q.Topic, err)
			}
			ends[i] = max(res.MaxOffset, 0)
		}
		if slices.Equal(ends, before) {
			return ends, nil
		}
		before = ends
		select {
		case <-ticker.C:
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
	return nil, fmt.Errorf("topic %s still grows after %s: stop its producers", queues[0].Topic, settleEvery*settleTries)
}

// pullOnce retries what a busy or restarting broker answers.
func (r *reader) pullOnce(q *primitive.MessageQueue, offset int64) (res *primitive.PullResult, err error) {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for range settleTries {
		at := *q // the client writes to it, and to itself: one pull at a time
		r.one.Lock()
		res, err = r.client.PullFrom(r.ctx, &at, offset, pullCount)
		r.one.Unlock()
		if err == nil {
			return res, nil
		}
		select {
		case <-ticker.C:
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
	return nil, err
}

// pull reads a queue from 0 to end into ch and closes it.
func (r *reader) pull(q *primitive.MessageQueue, end int64, ch chan<- batch) {
	defer close(ch)
	for offset := int64(0); offset < end; {
		b, next := r.pullBatch(q, offset, end)
		select {
		case ch <- b:
		case <-r.ctx.Done():
			return
		}
		if b.err != nil {
			return
		}
		offset = next
	}
}

func (r *reader) pullBatch(q *primitive.MessageQueue, offset, end int64) (b batch, next int64) {
	res, err := r.pullOnce(q, offset)
	if err != nil {
		return batch{err: fmt.Errorf("read queue %d of %s at %d: %w", q.QueueId, q.Topic, offset, err)}, 0
	}
	if res.MinOffset > offset {
		return batch{err: fmt.Errorf("queue %d of %s begins at %d, not %d: the broker has deleted messages", q.QueueId, q.Topic, res.MinOffset, offset)}, 0
	}
	found := res.GetMessageExts()
	if res.Status != primitive.PullFound || len(found) == 0 {
		return batch{err: fmt.Errorf("queue %d of %s: nothing at %d below its end %d", q.QueueId, q.Topic, offset, end)}, 0
	}
	for _, m := range found {
		if m.QueueOffset != offset {
			return batch{err: fmt.Errorf("queue %d of %s: offset %d where %d was due", q.QueueId, q.Topic, m.QueueOffset, offset)}, 0
		}
		if offset++; offset > end {
			break
		}
		b.messages = append(b.messages, Message{
			Topic: q.Topic, Broker: q.BrokerName, Queue: q.QueueId, Offset: m.QueueOffset,
			Properties: m.GetProperties(), Body: m.Body,
		})
	}
	return b, offset
}
