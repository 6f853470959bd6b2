// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// S3Version is the version of versitygw run here: a server that checks signatures as AWS does.
const S3Version = "1.8.0"

// What opens a bucket, and where it is.
const (
	S3AccessKey = "slipway"
	S3SecretKey = "slipway-secret-123"
	S3Region    = "us-east-1"
	S3Bucket    = "slipway"
	// S3Domain is what stands behind a bucket's name in a virtual host. No resolver knows it: dial the server's Addr.
	S3Domain = "s3.test"
)

// S3Dist is one version of the server's program in the cache.
type S3Dist struct {
	// Version is versitygw's version.
	Version string

	dir string // holds versitygw
}

// S3Options says how an instance runs.
type S3Options struct {
	// Dir keeps the instance's objects; it is created when absent. An instance found there goes on with its objects and port.
	Dir string
	// TLS makes the port speak TLS, with a certificate signed by the CA in Dir, and nothing else.
	TLS bool
	// Outlive lets the server go on when this process ends; otherwise it is killed with it.
	Outlive bool
}

// S3 is a server on loopback with one bucket, addressed as part of the path or of the host.
type S3 struct {
	*Process

	// Addr is host:port, Endpoint the same as a URL.
	Addr, Endpoint string
	// CAFile is the authority to trust; "" without TLS.
	CAFile string
	// Version is versitygw's version.
	Version string
}

// Env are the variables, NAME=value, that tests find the server by.
func (s *S3) Env() []string {
	return []string{
		"SLIPWAY_TEST_S3_URL=" + s.URL(),
		"SLIPWAY_TEST_S3_ACCESS_KEY=" + S3AccessKey, "SLIPWAY_TEST_S3_SECRET_KEY=" + S3SecretKey,
	}
}

// S3 returns the cached program.
func (c Cache) S3() (*S3Dist, error) {
	d := &S3Dist{Version: S3Version, dir: c.path("versitygw", S3Version)}
	if !exists(d.dir) {
		return nil, fmt.Errorf("versitygw %s is %w", d.Version, ErrNotCached)
	}
	return d, nil
}

// FetchS3 returns the cached program, first building it with Go if need be: that takes two minutes of processor time.
func (c Cache) FetchS3(ctx context.Context, log *slog.Logger) (*S3Dist, error) {
	if d, err := c.S3(); err == nil {
		return d, nil
	}
	goTool, err := tool("go", "golang-go")
	if err != nil {
		return nil, err
	}
	log.Info("building versitygw", "version", S3Version)
	err = c.fill(c.path("versitygw", S3Version), func(tmp string) error {
		env := []string{"GOBIN=" + tmp, "GOFLAGS=-trimpath", "GOWORK=off", "CGO_ENABLED=0"}
		return runEnv(ctx, tmp, env, goTool, "install", "-ldflags=-s", "github.com/versity/versitygw/cmd/versitygw@v"+S3Version)
	})
	if err != nil {
		return nil, fmt.Errorf("build versitygw: %w", err)
	}
	return c.S3()
}

// Start runs an instance in opts.Dir and returns when it answers.
func (d *S3Dist) Start(ctx context.Context, opts S3Options) (*S3, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	// A bucket is a folder; what S3 says of objects beyond their bytes has to lie outside.
	data, meta := filepath.Join(dir, "data"), filepath.Join(dir, "meta")
	if err := errors.Join(os.MkdirAll(filepath.Join(data, S3Bucket), 0o755), os.MkdirAll(meta, 0o755)); err != nil {
		return nil, err
	}
	port, err := keptPort(filepath.Join(dir, "port"))
	if err != nil {
		return nil, err
	}
	s := &S3{Addr: loopback(port), Endpoint: "http://" + loopback(port), Version: d.Version}
	argv := []string{
		filepath.Join(d.dir, "versitygw"), "--port", s.Addr, "--region", S3Region, "--virtual-domain", S3Domain,
		"--keep-alive", "--quiet", "--health", "/health",
	}
	if opts.TLS {
		c, err := makeCertificate(dir, "*."+S3Domain)
		if err != nil {
			return nil, err
		}
		s.Endpoint, s.CAFile = "https://"+s.Addr, c.caFile
		argv = append(argv, "--cert", c.certFile, "--key", c.keyFile)
	}
	const name = "versitygw"
	if s.Process = Adopt(dir, name); s.Process == nil {
		s.Process, err = launch{
			argv: append(argv, "posix", "--sidecar", meta, data), dir: dir, name: name, outlive: opts.Outlive,
			env: []string{"ROOT_ACCESS_KEY_ID=" + S3AccessKey, "ROOT_SECRET_ACCESS_KEY=" + S3SecretKey},
		}.start()
		if err != nil {
			return nil, err
		}
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Kill())
	}
	return s, nil
}

// URL is the bucket's, as the state key of a task file takes it; without its keys, which stand in the environment.
func (s *S3) URL() string {
	return "s3://" + S3Bucket + "?region=" + S3Region + "&endpoint=" + s.Endpoint
}

func (s *S3) waitReady(ctx context.Context) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	return s.ready(ctx, "versitygw "+s.Version, s.logFile, time.Minute, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+"/health", http.NoBody)
		if err != nil {
			return err
		}
		answer, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			err = errors.New(answer.Status)
		}
		return errors.Join(err, answer.Body.Close())
	})
}

// keptPort returns the port in a file, or chooses a free one and writes it there.
func keptPort(file string) (int, error) {
	if b, err := os.ReadFile(file); err == nil {
		return strconv.Atoi(string(b))
	}
	port, err := freePorts(1)
	if err != nil {
		return 0, err
	}
	return port, os.WriteFile(file, []byte(strconv.Itoa(port)), 0o644)
}
