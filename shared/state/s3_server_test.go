// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"slipway/shared/fault"
	"slipway/shared/servertest"
	"slipway/shared/servertest/server"
	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

// The shared bucket: versitygw's, or the one that SLIPWAY_TEST_S3_URL names.
func TestS3Server(t *testing.T) {
	b := servertest.S3(t)
	statetest.Run(t, func(t *testing.T) state.Store { return openURL(t, b.Prefix(t)) })
}

// Each request is signed for the bucket's own host, and the certificate's authority is
// one that only AWS_CA_BUNDLE names.
func TestS3ServerOverTLSWithVirtualHosts(t *testing.T) {
	b := servertest.StartS3(t, true)
	statetest.Run(t, func(t *testing.T) state.Store {
		s, err := state.OpenChanged(t.Context(), virtualHost(t, b), dialer(b.Addr))
		must(t, err)
		return s
	})
}

// The other two ways to speak to a server differ in nothing that the suite would see.
func TestS3ServerInEveryStyle(t *testing.T) {
	for _, tls := range []bool{false, true} {
		b := servertest.StartS3(t, tls)
		for style, url := range map[string]string{"path": b.Prefix(t), "virtual host": virtualHost(t, b)} {
			t.Run(fmt.Sprintf("%s, TLS %t", style, tls), func(t *testing.T) {
				dialed := make(chan string, 100)
				s, err := state.OpenChanged(t.Context(), url, dialer(b.Addr, dialed))
				must(t, err)
				must(t, state.Probe(t.Context(), s))
				if host := <-dialed; strings.HasPrefix(host, server.S3Bucket+".") != (style == "virtual host") {
					t.Errorf("a request went to %s", host)
				}
			})
		}
	}
}

// virtualHost is the URL of an empty prefix whose bucket is part of the host.
func virtualHost(t *testing.T, b *servertest.Bucket) string {
	t.Helper()
	_, port, err := net.SplitHostPort(b.Addr)
	must(t, err)
	return strings.Replace(b.Prefix(t), b.Addr, server.S3Domain+":"+port, 1) + "&pathStyle=false"
}

// dialer sends what is for any host to addr, and says which host it was.
func dialer(addr string, dialed ...chan string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.HTTPClient = o.HTTPClient.(*awshttp.BuildableClient).WithTransportOptions(func(t *http.Transport) {
			t.DialContext = func(ctx context.Context, network, host string) (net.Conn, error) {
				for _, d := range dialed {
					d <- host
				}
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		})
	}
}

// What the server refuses has to be told apart from an object that is not there: a
// task whose objects can't be read must not look like one that has not begun.
func TestS3ServerRefusalsNameTheRemedy(t *testing.T) {
	b := servertest.StartS3(t, false)
	secured := servertest.StartS3(t, true)
	same := func(url string) string { return url }
	tests := []struct {
		name   string
		bucket *servertest.Bucket
		env    map[string]string
		url    func(string) string
		says   string
		remedy string
	}{
		{"unknown key", b, map[string]string{"AWS_ACCESS_KEY_ID": "stranger"}, same, "does not know the access key", "export the access key"},
		{"wrong secret", b, map[string]string{"AWS_SECRET_ACCESS_KEY": "guess"}, same, "secret does not fit", "export the secret"},
		{"wrong region", b, nil, func(url string) string {
			return strings.Replace(url, server.S3Region, "eu-west-1", 1)
		}, `expecting "us-east-1"`, "?region="},
		{"missing bucket", b, nil, func(url string) string {
			return strings.Replace(url, "//"+server.S3Bucket, "//nobody", 1)
		}, "the bucket nobody does not exist", "create it"},
		{"unknown authority", secured, map[string]string{"AWS_CA_BUNDLE": ""}, same, "certificate is not trusted", "AWS_CA_BUNDLE"},
		{"another host", secured, nil, func(url string) string {
			return strings.Replace(url, "127.0.0.1", "127.0.0.2", 1)
		}, "certificate is not trusted", "host that the certificate is for"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := tt.url(tt.bucket.Prefix(t))
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			// 127.0.0.2 leads to no server: as to the certificate's name, dialing need not follow the URL.
			s, err := state.OpenChanged(t.Context(), url, dialer(tt.bucket.Addr))
			must(t, err)
			for op, err := range everyOp(t, s) {
				wantRefusal(t, string(op), err, tt.says, tt.remedy)
			}
		})
	}
}

// everyOp tries each operation once.
func everyOp(t *testing.T, s state.Store) map[statetest.Op]error {
	t.Helper()
	_, get := s.Get(t.Context(), "k")
	var list error
	for _, err := range s.List(t.Context(), "", "") {
		list = err
	}
	return map[statetest.Op]error{
		statetest.Create: s.Create(t.Context(), "k", []byte("x")), statetest.Put: s.Put(t.Context(), "k", []byte("x")),
		statetest.Get: get, statetest.List: list, statetest.Delete: s.Delete(t.Context(), "k"),
	}
}

func wantRefusal(t *testing.T, op string, err error, says, remedy string) {
	t.Helper()
	if err == nil || errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrExists) {
		t.Errorf("%s: %v, want a refusal", op, err)
		return
	}
	f, ok := errors.AsType[*fault.Error](state.Classify(err))
	if !ok || f.Class != fault.StoreUnreachable || !strings.Contains(err.Error(), says) || !strings.Contains(f.Remedy, remedy) {
		t.Errorf("%s: %v\nwant %q, and a remedy with %q", op, state.Classify(err), says, remedy)
	}
}

func TestS3ServerRefusesAClockThatIsWrong(t *testing.T) {
	b := servertest.StartS3(t, false)
	s, err := state.OpenChanged(t.Context(), b.Prefix(t), func(o *s3.Options) { o.HTTPSignerV4 = lateSigner{o.HTTPSignerV4} })
	must(t, err)
	for op, err := range everyOp(t, s) {
		wantRefusal(t, string(op), err, "clock", "NTP")
	}
}

// lateSigner signs as a machine would whose clock is late.
type lateSigner struct{ s3.HTTPSignerV4 }

func (l lateSigner) SignHTTP(
	ctx context.Context, keys aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions),
) error {
	return l.HTTPSignerV4.SignHTTP(ctx, keys, r, hash, service, region, at.Add(-20*time.Minute), opts...)
}
