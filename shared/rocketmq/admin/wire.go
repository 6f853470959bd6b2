// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"
)

// callTimeout bounds one call, connection included.
const callTimeout = 10 * time.Second

// maxFrame bounds what an answer may claim to be long: the largest real one is a list of topics.
const maxFrame = 64 << 20

// header is a remoting frame's head in its JSON form.
type header struct {
	Code     int               `json:"code"`
	Language string            `json:"language"`
	Version  int               `json:"version"`
	Opaque   int               `json:"opaque"`
	Flag     int               `json:"flag"`
	Remark   string            `json:"remark,omitempty"`
	Fields   map[string]string `json:"extFields,omitempty"`
}

// Refusal is a server's answer that a request failed.
type Refusal struct {
	// Code is RocketMQ's response code.
	Code int
	// Remark is the server's own text.
	Remark string
}

// Error gives the server's text.
func (r *Refusal) Error() string { return fmt.Sprintf("refused with code %d: %s", r.Code, r.Remark) }

// call sends one request on a connection of its own and returns the answer's body; a refusal is a [*Refusal].
func (c *Client) call(ctx context.Context, addr string, code int, fields map[string]string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	head, err := json.Marshal(header{Code: code, Language: "GO", Version: 501, Opaque: 1, Fields: c.sign(fields, body)})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(frame(head, body)); err != nil {
		return nil, fmt.Errorf("write to %s: %w", addr, err)
	}
	answer, body, err := readFrame(conn)
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", addr, err)
	}
	if answer.Code != 0 {
		return nil, fmt.Errorf("%s: %w", addr, &Refusal{Code: answer.Code, Remark: answer.Remark})
	}
	return body, nil
}

// frame lays out a request: its length, its head's length (whose first byte, 0, says JSON), head, body.
func frame(head, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	return append(append(b, head...), body...)
}

func readFrame(r io.Reader) (header, []byte, error) {
	var sizes [8]byte
	if _, err := io.ReadFull(r, sizes[:]); err != nil {
		return header{}, nil, err
	}
	total, head := binary.BigEndian.Uint32(sizes[:4]), binary.BigEndian.Uint32(sizes[4:])
	if total < 4 || total > maxFrame || head>>24 != 0 || head > total-4 {
		return header{}, nil, fmt.Errorf("not a RocketMQ answer (lengths %d and %#x)", total, head)
	}
	rest := make([]byte, total-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return header{}, nil, err
	}
	var h header
	if err := json.Unmarshal(rest[:head], &h); err != nil {
		return header{}, nil, fmt.Errorf("decode an answer's head: %w", err)
	}
	return h, rest[head:], nil
}

// sign adds the access key and the signature over all field values, in the order of their names, and the body.
func (c *Client) sign(fields map[string]string, body []byte) map[string]string {
	if c.accessKey == "" {
		return fields
	}
	signed := maps.Clone(fields)
	if signed == nil {
		signed = map[string]string{}
	}
	signed["AccessKey"] = c.accessKey
	mac := hmac.New(sha1.New, []byte(c.secretKey))
	for _, name := range slices.Sorted(maps.Keys(signed)) {
		mac.Write([]byte(signed[name]))
	}
	mac.Write(body)
	signed["Signature"] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return signed
}

// quoteKeys makes strict JSON of what RocketMQ writes: it leaves integer object keys unquoted.
func quoteKeys(b []byte) []byte {
	var out []byte
	inString, expectKey := false, false
	for i := 0; i < len(b); i++ {
		ch := b[i]
		switch {
		case inString:
			if ch == '\\' && i+1 < len(b) {
				out = append(out, ch)
				i++
				ch = b[i]
			} else if ch == '"' {
				inString = false
			}
		case ch == '"':
			inString, expectKey = true, false
		case ch == '{' || ch == ',':
			expectKey = true
		case expectKey && (ch == '-' || ch >= '0' && ch <= '9'):
			end := i + 1
			for end < len(b) && b[end] >= '0' && b[end] <= '9' {
				end++
			}
			if end < len(b) && b[end] == ':' {
				out = append(append(append(out, '"'), b[i:end]...), '"')
				i, expectKey = end-1, false
				continue
			}
			expectKey = false
		case ch != ' ' && ch != '\n' && ch != '\t' && ch != '\r':
			expectKey = false
		}
		out = append(out, ch)
	}
	return out
}
