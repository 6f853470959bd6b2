// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"

	"slipway/shared/rocketmq"
)

// PackRows builds a .rows object.
func PackRows(h Header, messages []*rocketmq.Message) ([]byte, error) {
	w, err := newRowsWriter()
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if err := w.add(m); err != nil {
			return nil, err
		}
	}
	return w.finish(h)
}

// UnpackRows reads a .rows object; the error is io.EOF when it is whole.
func UnpackRows(object []byte) (Header, []*rocketmq.Message, error) {
	r, err := openRows(object)
	if err != nil {
		return Header{}, nil, err
	}
	defer r.close()
	var list []*rocketmq.Message
	for {
		m, err := r.next()
		if err != nil {
			return r.header, list, err
		}
		list = append(list, m)
	}
}

// ChunkName names a chunk, or the k-th rest of one that was cut.
func ChunkName(n, k int) string { return chunkName(n, k) }

// Hold renews a tenure as a worker does while it works.
func Hold(ctx context.Context, tn *Tenure) error { return tn.hold(ctx) }
