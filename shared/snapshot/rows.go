// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"slipway/shared/rocketmq"
)

// A .rows object is a zstd stream of JSON lines: the Header, then for each
// message its envelope, the line end, the body and a line end.

// envelope is a message without its body.
type envelope struct {
	Topic      string              `json:"topic"`
	Group      string              `json:"group"`
	ID         string              `json:"id"`
	Tag        string              `json:"tag,omitempty"`
	Keys       []string            `json:"keys,omitempty"`
	Properties []rocketmq.Property `json:"properties"`
	Body       int                 `json:"body"`
}

// rowsWriter builds a .rows object in memory, compressed as it grows. How far
// the chunk came is known only at the end, so the header is a zstd frame of its
// own, put in front; a decoder reads both as one stream. As a stream may end
// between two frames, the header counts the messages.
type rowsWriter struct {
	buf      bytes.Buffer
	z        *zstd.Encoder
	messages int
}

func newRowsWriter() (*rowsWriter, error) {
	w := &rowsWriter{}
	var err error
	w.z, err = zstd.NewWriter(&w.buf, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	return w, err
}

func (w *rowsWriter) add(m *rocketmq.Message) error {
	line, err := json.Marshal(envelope{m.Topic, m.Group, m.ID, m.Tag, m.Keys, m.Properties, len(m.Body)})
	if err != nil {
		return err
	}
	if _, err := w.z.Write(append(line, '\n')); err != nil {
		return err
	}
	w.messages++
	_, err = w.z.Write(append(m.Body, '\n'))
	return err
}

func (w *rowsWriter) finish(h Header) ([]byte, error) {
	if err := w.z.Close(); err != nil {
		return nil, err
	}
	h.Messages = w.messages
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return append(w.z.EncodeAll(append(line, '\n'), nil), w.buf.Bytes()...), nil
}

// rowsReader reads a .rows object back.
type rowsReader struct {
	z      *zstd.Decoder
	in     *bufio.Reader
	header Header
	read   int // messages so far
}

func openRows(object []byte) (*rowsReader, error) {
	z, err := zstd.NewReader(bytes.NewReader(object), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	r := &rowsReader{z: z, in: bufio.NewReaderSize(z, 64<<10)}
	if err := r.line(&r.header); err != nil {
		z.Close()
		return nil, fmt.Errorf("read chunk header: %w", noEOF(err))
	}
	return r, nil
}

func (r *rowsReader) line(v any) error {
	b, err := r.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// next gives the next message; io.EOF behind the last.
func (r *rowsReader) next() (*rocketmq.Message, error) {
	var e envelope
	if err := r.line(&e); err != nil {
		if errors.Is(err, io.EOF) && r.read == r.header.Messages {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read chunk message %d of %d: %w", r.read+1, r.header.Messages, noEOF(err))
	}
	body := make([]byte, e.Body+1)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return nil, fmt.Errorf("read body of %s: %w", e.ID, noEOF(err))
	}
	r.read++
	return &rocketmq.Message{Topic: e.Topic, Group: e.Group, ID: e.ID, Tag: e.Tag, Keys: e.Keys, Properties: e.Properties, Body: body[:e.Body]}, nil
}

// noEOF is err, but never the end that next's caller waits for.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *rowsReader) close() { r.z.Close() }
