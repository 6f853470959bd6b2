// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

func TestS3(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return openBucket(t, "s3", bucketServer(t)) })
}

// The server stands behind TLS, since only there the SDK would send the trailing
// checksums that OSS refuses.
func TestS3AsOSS(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return openBucket(t, "oss", likeOSS(bucketServer(t))) })
}

func TestC1S3DialectsAreToldApart(t *testing.T) {
	tests := []struct {
		name, scheme string
		server       func(http.Handler) http.Handler
		want         error
		remedy       string
	}{
		{"s3 against OSS", "s3", likeOSS, nil, "oss:// URL"},
		{"oss against S3", "oss", same, state.ErrNoCreateIfAbsent, "s3:// for a server that honours If-None-Match"},
		{"s3 against a server that ignores conditions", "s3", ignoreConditions, state.ErrNoCreateIfAbsent, "oss://"},
		{"s3 against S3", "s3", same, nil, ""},
		{"oss against OSS", "oss", likeOSS, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openBucket(t, tt.scheme, tt.server(bucketServer(t)))
			err := state.Probe(t.Context(), s)
			switch {
			case tt.remedy == "" && err != nil:
				t.Fatalf("probe: %v, want none", err)
			case tt.remedy == "":
			case err == nil || !strings.Contains(state.Classify(err).Error(), tt.remedy):
				t.Fatalf("probe: %v, want an error that names %q", state.Classify(err), tt.remedy)
			case tt.want != nil && !errors.Is(err, tt.want):
				t.Fatalf("probe: %v, want %v", err, tt.want)
			}
		})
	}
}

// The answer to the first PUT of each key gets lost after the object was stored.
func TestC1S3LostAnswerIsSettledByReadingBack(t *testing.T) {
	for _, scheme := range []string{"s3", "oss"} {
		t.Run(scheme, func(t *testing.T) {
			server := bucketServer(t)
			if scheme == "oss" {
				server = likeOSS(server)
			}
			dropping := &answerDropper{next: server}
			s := openBucket(t, scheme, dropping)

			dropping.drop.Store(1)
			must(t, s.Create(t.Context(), "k", []byte("nonce 1")))
			if n := dropping.puts.Load(); n != 1 {
				t.Errorf("create sent %d PUTs, want 1: the SDK must not retry it", n)
			}
			dropping.drop.Store(1)
			if err := s.Create(t.Context(), "k", []byte("nonce 2")); !errors.Is(err, state.ErrExists) {
				t.Errorf("create by another, answer lost: %v, want ErrExists", err)
			}
			dropping.drop.Store(2)
			must(t, s.Put(t.Context(), "status.json", []byte("retried")))
		})
	}
}

// A create that never arrives is neither a success nor ErrExists.
func TestC1S3LostRequestStaysUnclear(t *testing.T) {
	var refuse atomic.Bool
	server := bucketServer(t)
	s := openBucket(t, "s3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && refuse.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		server.ServeHTTP(w, r)
	}))
	refuse.Store(true)
	err := s.Create(t.Context(), "k", []byte("x"))
	if err == nil || errors.Is(err, state.ErrExists) {
		t.Fatalf("create that got lost: %v, want an error other than ErrExists", err)
	}
	refuse.Store(false)
	must(t, s.Create(t.Context(), "k", []byte("x")))
}

// AWS answers 409 when two conditional writes meet; if then nothing is stored, nobody
// has won.
func TestC1S3ConflictWithoutAnObjectIsNotExists(t *testing.T) {
	server := bucketServer(t)
	s := openBucket(t, "s3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			refuseWith(w, http.StatusConflict, "ConditionalRequestConflict")
			return
		}
		server.ServeHTTP(w, r)
	}))
	if err := s.Create(t.Context(), "k", []byte("x")); err == nil || errors.Is(err, state.ErrExists) {
		t.Fatalf("create: %v, want an unclear error", err)
	}
}

func TestS3MissingBucketNamesTheRemedy(t *testing.T) {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	setKeys(t)
	s := openURL(t, "s3://nobody/p?region=us-east-1&endpoint="+server.URL)
	_, err := s.Get(t.Context(), "k")
	wantRefusal(t, "get", err, "nobody does not exist", "create it")
}

// Only a server that speaks of the key says that an object is absent. Believing a bare
// 404, a task whose objects can't be read would look like one that has not begun.
func TestS3NotFoundByStatusAloneIsNoAbsence(t *testing.T) {
	for name, body := range map[string]string{
		"no body": "", "a web page": "<html><body>404</body></html>", "another code": "<Error><Code>NoSuchUpload</Code></Error>",
	} {
		t.Run(name, func(t *testing.T) {
			s := openBucket(t, "s3", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(body))
			}))
			if _, err := s.Get(t.Context(), "k"); err == nil || errors.Is(err, state.ErrNotFound) {
				t.Errorf("get: %v, want an error other than ErrNotFound", err)
			}
		})
	}
}

// Function Compute renews the credentials of a running function; each reading has to
// see the newest, and has to be repeated soon.
func TestS3CredentialsAreReadAgain(t *testing.T) {
	tests := []struct {
		name, id, secret, token string
		oss                     bool
	}{
		{"aws", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", false},
		{"oss", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN", true},
		{"function compute", "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("OSS_ACCESS_KEY_ID", "")
			t.Setenv(tt.id, "id-1")
			t.Setenv(tt.secret, "secret-1")
			provider := state.Credentials(tt.oss)
			for _, round := range []string{"1", "2"} {
				t.Setenv(tt.id, "id-"+round)
				t.Setenv(tt.secret, "secret-"+round)
				t.Setenv(tt.token, "token-"+round)
				got, err := provider.Retrieve(t.Context())
				must(t, err)
				if got.AccessKeyID != "id-"+round || got.SecretAccessKey != "secret-"+round || got.SessionToken != "token-"+round {
					t.Errorf("round %s reads %s %s %s", round, got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
				}
				if left := time.Until(got.Expires); !got.CanExpire || left > 2*time.Minute {
					t.Errorf("credentials are kept for %s (expiring: %t)", left, got.CanExpire)
				}
			}
		})
	}
}

func TestS3WithoutCredentialsNamesTheRemedy(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"OSS_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_ID": "",
	} {
		t.Setenv(name, value)
	}
	for _, url := range []string{"s3://bucket/p?endpoint=http://127.0.0.1:1", "oss://bucket/p?region=cn-hangzhou"} {
		_, err := openURL(t, url).Get(t.Context(), "k")
		wantRefusal(t, url, err, "no credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or for oss:// OSS_ACCESS_KEY_ID")
	}
}

func TestS3Addresses(t *testing.T) {
	tests := []struct {
		url, endpoint, bucket, prefix string
		pathStyle                     bool
	}{
		{"s3://bucket/a/b/?region=eu-west-1", "", "bucket", "a/b/", false},
		{"s3://bucket?endpoint=http://127.0.0.1:9000", "http://127.0.0.1:9000", "bucket", "", true},
		{"oss://bucket/p?region=cn-hangzhou", "https://s3.oss-cn-hangzhou.aliyuncs.com", "bucket", "p/", false},
		{"oss://bucket/p?region=cn-hangzhou&endpoint=https://s3.oss-cn-hangzhou-internal.aliyuncs.com", "https://s3.oss-cn-hangzhou-internal.aliyuncs.com", "bucket", "p/", false},
		{"oss://bucket/p?region=cn-hangzhou&endpoint=http://localhost:9000", "http://localhost:9000", "bucket", "p/", true},
		{"s3://bucket?endpoint=https://s3.example.com&pathStyle=false", "https://s3.example.com", "bucket", "", false},
		{"s3://bucket?region=eu-west-1&pathStyle=true", "", "bucket", "", true},
	}
	for _, tt := range tests {
		endpoint, bucket, prefix, pathStyle, err := state.Address(tt.url)
		must(t, err)
		if endpoint != tt.endpoint || bucket != tt.bucket || prefix != tt.prefix || pathStyle != tt.pathStyle {
			t.Errorf("%s resolves to %s %s %q path style %t", tt.url, endpoint, bucket, prefix, pathStyle)
		}
	}
}

func same(h http.Handler) http.Handler { return h }

// bucketServer is an S3 server in memory that has the bucket.
func bucketServer(t *testing.T) http.Handler {
	t.Helper()
	backend := s3mem.New()
	must(t, backend.CreateBucket("bucket"))
	return gofakes3.New(backend).Server()
}

// openBucket serves handler behind TLS and opens the store in it.
func openBucket(t *testing.T, scheme string, handler http.Handler) state.Store {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	t.Setenv("AWS_CA_BUNDLE", ca)
	setKeys(t)
	return openURL(t, scheme+"://bucket/some/prefix?region=us-east-1&endpoint="+server.URL)
}

func setKeys(t *testing.T) {
	t.Helper()
	for _, vendor := range []string{"AWS", "OSS"} {
		t.Setenv(vendor+"_ACCESS_KEY_ID", "test-id")
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
	t.Setenv("OSS_ACCESS_KEY_SECRET", "test-secret")
}

// likeOSS makes an S3 server as strict, and as different, as OSS is.
func likeOSS(next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "":
			refuseWith(w, http.StatusNotImplemented, "NotImplemented")
		case strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-"),
			strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked"):
			refuseWith(w, http.StatusBadRequest, "InvalidArgument")
		case r.Header.Get("X-Oss-Forbid-Overwrite") == "true" && holds(r, next):
			refuseWith(w, http.StatusConflict, "FileAlreadyExists")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func holds(r *http.Request, server http.Handler) bool {
	head := r.Clone(context.WithoutCancel(r.Context()))
	head.Method, head.Body, head.ContentLength = http.MethodHead, http.NoBody, 0
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, head)
	return answer.Code == http.StatusOK
}

func refuseWith(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>refused by the test</Message></Error>`))
}

// ignoreConditions makes a server that overwrites whatever it is told.
func ignoreConditions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("If-None-Match")
		next.ServeHTTP(w, r)
	})
}

// answerDropper stores what the next PUTs bring, then closes their connection.
type answerDropper struct {
	next       http.Handler
	drop, puts atomic.Int64
}

func (d *answerDropper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		d.next.ServeHTTP(w, r)
		return
	}
	d.puts.Add(1)
	if d.drop.Add(-1) < 0 {
		d.next.ServeHTTP(w, r)
		return
	}
	d.next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}
