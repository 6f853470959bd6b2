// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// dialect is how a server is told to create only if absent.
type dialect int

const (
	dialectS3  dialect = iota // If-None-Match: *
	dialectOSS                // x-oss-forbid-overwrite: true; OSS refuses If-None-Match
)

// S3 is a Store in a bucket of S3, OSS or a compatible server. Reads, lists, puts and
// deletes are retried by the SDK; creates never are, since a retry would meet its own
// object: an unclear create is settled by reading it back.
type S3 struct {
	client  *s3.Client
	bucket  string
	prefix  string // "" or ends in a slash
	dialect dialect
}

var _ Store = (*S3)(nil)

// Create implements Store.
func (s *S3) Create(ctx context.Context, key string, body []byte) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	in := s.putInput(key, body)
	opts := []func(*s3.Options){func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }}
	if s.dialect == dialectS3 {
		in.IfNoneMatch = aws.String("*")
	} else {
		opts = append(opts, s3.WithAPIOptions(smithyhttp.SetHeaderValue("x-oss-forbid-overwrite", "true")))
	}
	if _, err := s.client.PutObject(ctx, in, opts...); err != nil {
		return settleCreate(ctx, s, key, body, s.explain(err))
	}
	return nil
}

// Put implements Store.
func (s *S3) Put(ctx context.Context, key string, body []byte) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if _, err := s.client.PutObject(ctx, s.putInput(key, body)); err != nil {
		return fmt.Errorf("put %s: %w", key, s.explain(err))
	}
	return nil
}

func (s *S3) putInput(key string, body []byte) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           aws.String(s.prefix + key),
		Body:          bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))),
	}
}

// Get implements Store.
func (s *S3) Get(ctx context.Context, key string) ([]byte, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, s.explain(err))
	}
	defer out.Body.Close()
	var body bytes.Buffer
	body.Grow(int(aws.ToInt64(out.ContentLength)) + bytes.MinRead)
	if _, err := io.Copy(&body, out.Body); err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	if n := aws.ToInt64(out.ContentLength); out.ContentLength != nil && n != int64(body.Len()) {
		return nil, fmt.Errorf("get %s: %w after %d of %d bytes", key, io.ErrUnexpectedEOF, body.Len(), n)
	}
	return body.Bytes(), nil
}

// List implements Store.
func (s *S3) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)}
	if after != "" {
		in.StartAfter = aws.String(s.prefix + after)
	}
	return func(yield func(string, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield("", fmt.Errorf("list %s: %w", prefix, s.explain(err)))
				return
			}
			for _, object := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(object.Key), s.prefix)
				if key > after && !yield(key, nil) {
					return
				}
			}
		}
	}
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err = s.explain(err); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func (d dialect) String() string {
	if d == dialectOSS {
		return "oss"
	}
	return "s3"
}
