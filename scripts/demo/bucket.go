// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// bucketName is where the task's state goes.
const bucketName = "slipway-demo"

// bucket is an S3 server inside this process, in memory, on a loopback port. It takes any key and secret.
type bucket struct {
	endpoint string
	server   *http.Server
}

func openBucket(ctx context.Context) (*bucket, error) {
	backend := s3mem.New()
	if err := backend.CreateBucket(bucketName); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s3 := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog()), gofakes3.WithTimeSkewLimit(0))
	b := &bucket{
		endpoint: "http://" + l.Addr().String(),
		server:   &http.Server{Handler: s3.Server(), ReadHeaderTimeout: 10 * time.Second},
	}
	go func() { _ = b.server.Serve(l) }() // ends with close
	return b, nil
}

func (b *bucket) close() error {
	if err := b.server.Close(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// state is the bucket as a task file names it.
func (b *bucket) state() string {
	return "s3://" + bucketName + "/tasks?endpoint=" + b.endpoint + "&region=us-east-1"
}

// env is what a program needs to use the bucket.
func (b *bucket) env() []string {
	return []string{"AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo-secret"}
}
