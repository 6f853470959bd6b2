// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"net/url"
	"os"
	"testing"

	"slipway/shared/servertest/server"
	"slipway/shared/state"
)

// Bucket is a bucket that a test may use: the shared one, or one on a server of the test's own.
type Bucket struct {
	// URL is the bucket's, as the state key of a task file takes it.
	URL string
	// AccessKey and SecretKey open it; both "" when what opens it is in the environment already.
	AccessKey, SecretKey string
	// Addr is a private server's host:port.
	Addr string
	// CAFile is the authority to trust of a private server that speaks TLS.
	CAFile string
}

// S3 returns the shared bucket.
func S3(t testing.TB) *Bucket {
	t.Helper()
	return &Bucket{
		URL:       Variable(t, "SLIPWAY_TEST_S3_URL"),
		AccessKey: os.Getenv("SLIPWAY_TEST_S3_ACCESS_KEY"), SecretKey: os.Getenv("SLIPWAY_TEST_S3_SECRET_KEY"),
	}
}

// StartS3 starts a server of the test's own, which ends with it. It speaks TLS or plain HTTP.
func StartS3(t testing.TB, tls bool) *Bucket {
	t.Helper()
	skipShort(t)
	cache, err := server.OpenCache()
	check(t, "open the cache of servers", err)
	dist, err := cache.S3()
	if err != nil {
		Absent(t, err.Error())
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	s, err := dist.Start(ctx, server.S3Options{Dir: privateDir(t, "s3"), TLS: tls})
	check(t, "start an S3 server", err)
	t.Cleanup(func() { check(t, "end the private S3 server", s.Kill()) })
	return &Bucket{URL: s.URL(), AccessKey: server.S3AccessKey, SecretKey: server.S3SecretKey, Addr: s.Addr, CAFile: s.CAFile}
}

// Prefix gives this process what opens the bucket, and returns the URL of a part of it that is the test's alone and
// is emptied when the test ends.
func (b *Bucket) Prefix(t testing.TB) string {
	t.Helper()
	for name, value := range b.Env() {
		t.Setenv(name, value)
	}
	u, err := url.Parse(b.URL)
	check(t, "read the bucket's URL", err)
	prefix := u.JoinPath(uniqueName("t")).String()
	t.Cleanup(func() {
		if b.Addr != "" {
			return // it goes with its server
		}
		check(t, "empty the test's prefix", empty(prefix))
	})
	return prefix
}

// Env is what a program needs in its environment to use the bucket.
func (b *Bucket) Env() map[string]string {
	env := map[string]string{}
	if b.AccessKey != "" {
		env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = b.AccessKey, b.SecretKey, ""
		env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"], env["OSS_SESSION_TOKEN"] = b.AccessKey, b.SecretKey, ""
	}
	if b.CAFile != "" {
		env["AWS_CA_BUNDLE"] = b.CAFile
	}
	return env
}

// empty deletes what a URL's prefix holds.
func empty(prefix string) error {
	ctx := context.Background()
	store, err := state.Open(ctx, prefix)
	if err != nil {
		return err
	}
	for key, err := range store.List(ctx, "", "") {
		if err == nil {
			err = store.Delete(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
