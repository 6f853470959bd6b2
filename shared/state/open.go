// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Open returns the store a URL names:
//
//	file:///dir
//	s3://bucket/prefix?region=…&endpoint=https://…&pathStyle=false
//	oss://bucket/prefix?region=cn-hangzhou&endpoint=https://…
//
// For oss the endpoint follows from the region; give the -internal one inside a VPC.
// pathStyle says whether the bucket is part of the path or of the host; left out, it
// is part of the path for s3 with an endpoint, else of the host. AWS_CA_BUNDLE names a
// PEM file with the authorities to trust instead of the system's.
// Credentials come from the environment and are read again as they expire: for s3
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN or the rest of the
// AWS default chain; for oss OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and
// OSS_SESSION_TOKEN or ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET
// and ALIBABA_CLOUD_SECURITY_TOKEN. A URL that carries credentials is refused. Open
// does not contact the store; see [Probe].
func Open(ctx context.Context, rawURL string) (Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// url.Error repeats the URL, which may hold a secret.
		return nil, errors.New("state URL is malformed; want file:///dir, s3://bucket/prefix or oss://bucket/prefix")
	}
	if u.User != nil {
		return nil, fmt.Errorf("state URL for %s carries credentials; give them in the environment", u.Host)
	}
	switch u.Scheme {
	case "file":
		return openFile(u)
	case "s3", "oss":
		return openS3(ctx, u)
	}
	return nil, fmt.Errorf("state URL has the scheme %q; want file, s3 or oss", u.Scheme)
}

func openFile(u *url.URL) (Store, error) {
	if u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" {
		return nil, fmt.Errorf("state URL %s: want file:/// and an absolute path", u.Redacted())
	}
	return NewFile(filepath.Clean(u.Path))
}

// Probe returns nil if s refuses to create an object twice, and an error with the
// remedy if not: on such a store two processes could own one task (C1). It leaves
// nothing behind, but for a small object under _probe/ if it is killed.
func Probe(ctx context.Context, s Store) error {
	key := "_probe/" + rand.Text()
	if err := s.Create(ctx, key, []byte("first")); err != nil {
		return fmt.Errorf("probe the state store: %w", err)
	}
	second := s.Create(ctx, key, []byte("second"))
	stored, err := s.Get(ctx, key)
	if err == nil {
		err = s.Delete(ctx, key)
	}
	switch {
	case second == nil || string(stored) == "second":
		return ErrNoCreateIfAbsent
	case !errors.Is(second, ErrExists):
		return fmt.Errorf("probe the state store: %w", second)
	case err != nil:
		return fmt.Errorf("probe the state store: %w", err)
	case string(stored) != "first":
		return fmt.Errorf("probe the state store: %s holds %q, which nobody wrote", key, strings.ToValidUTF8(string(stored), "?"))
	}
	return nil
}

// ErrNoCreateIfAbsent is Probe's verdict on a store that overwrites.
var ErrNoCreateIfAbsent = errors.New("the state store overwrites objects it was told to create only if absent, " +
	"so two processes could own one task; use oss:// for Alibaba Cloud OSS (in a bucket that never had versioning on), " +
	"s3:// for a server that honours If-None-Match, or file://")
