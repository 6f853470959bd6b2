// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// bucketName is the rule S3 and OSS share, dots left out: they break TLS with
// virtual hosts.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// location is where a bucket's URL says it is.
type location struct {
	bucket, prefix   string
	region, endpoint string
	dialect          dialect
	pathStyle        bool
}

// openS3 opens a bucket; tests change the SDK's options.
func openS3(ctx context.Context, u *url.URL, change ...func(*s3.Options)) (Store, error) {
	p, err := parseLocation(u)
	if err != nil {
		return nil, fmt.Errorf("state URL %s://%s%s: %w", u.Scheme, u.Host, u.Path, err)
	}
	// The SDK's own client type, since AWS_CA_BUNDLE breaks the set-up of any other.
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = 30 * time.Second
	})
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithLogger(logging.Nop{}), // it would write to stderr; errors say it all
		config.WithRetryer(retryer),
		// OSS refuses the trailing checksums the SDK sends by default.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if p.region != "" {
		options = append(options, config.WithRegion(p.region))
	}
	names := credentialNames(p.dialect)
	if names != nil {
		options = append(options, config.WithCredentialsProvider(names))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the S3 client: %w", err)
	}
	if cfg.Region == "" {
		if p.endpoint == "" {
			return nil, fmt.Errorf("state URL s3://%s: add ?region=… or set AWS_REGION", p.bucket)
		}
		cfg.Region = "us-east-1" // only signed over; servers of one region expect this
	}
	cfg.Credentials = explained{cfg.Credentials}
	if names == nil && p.dialect == dialectOSS {
		cfg.Credentials = explained{} // AWS's own sources have nothing for OSS
	}
	return &S3{
		client: s3.NewFromConfig(cfg, append([]func(*s3.Options){func(o *s3.Options) {
			o.UsePathStyle = p.pathStyle
			if p.endpoint != "" {
				o.BaseEndpoint = aws.String(p.endpoint)
			}
		}}, change...)...),
		bucket: p.bucket, prefix: p.prefix, dialect: p.dialect,
	}, nil
}

// retryer is the SDK's own, but that it doesn't try a server again whose certificate
// is not trusted.
func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		untrusted := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})
		o.Retryables = append([]retry.IsErrorRetryable{untrusted}, o.Retryables...)
	})
}

func parseLocation(u *url.URL) (location, error) {
	p := location{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if !bucketName.MatchString(p.bucket) {
		return p, fmt.Errorf("%q is no bucket name (3 to 63 of a-z, 0-9 and -)", p.bucket)
	}
	if p.prefix != "" {
		if err := CheckKey(p.prefix); err != nil {
			return p, err
		}
		p.prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return p, errors.New("the part after ? is malformed")
	}
	for name, values := range query {
		switch {
		case len(values) > 1:
			return p, fmt.Errorf("%s is given twice", name)
		case name == "region":
			p.region = values[0]
		case name == "endpoint":
			p.endpoint = values[0]
		case name == "pathStyle" && values[0] != "true" && values[0] != "false":
			return p, fmt.Errorf("pathStyle is %q; want true or false", values[0])
		case name == "pathStyle": // below, as its default hangs on the others
		default: // without the value: it may be a secret
			return p, fmt.Errorf("%s is unknown after ?; want region, endpoint and pathStyle, credentials come from the environment", name)
		}
	}
	if p, err = p.resolve(u.Scheme); err == nil && query.Has("pathStyle") {
		p.pathStyle = query.Get("pathStyle") == "true"
	}
	return p, err
}

// resolve fills in the endpoint and decides how the bucket is addressed: as part of
// the host where OSS or AWS wants it, as part of the path at any other server.
func (p location) resolve(scheme string) (location, error) {
	var host string
	if p.endpoint != "" {
		e, err := url.Parse(p.endpoint)
		if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || strings.Trim(e.Path, "/") != "" {
			return p, fmt.Errorf("endpoint %q is no http:// or https:// address", p.endpoint)
		}
		if e.User != nil {
			return p, errors.New("the endpoint carries credentials; give them in the environment")
		}
		host = e.Hostname()
	}
	if scheme == "s3" {
		p.pathStyle = p.endpoint != ""
		return p, nil
	}
	p.dialect = dialectOSS
	if p.region == "" {
		return p, errors.New("add ?region=…, for example cn-hangzhou")
	}
	if p.endpoint == "" {
		p.endpoint = "https://s3.oss-" + p.region + ".aliyuncs.com"
	}
	p.pathStyle = host == "localhost" || net.ParseIP(host) != nil
	return p, nil
}

// errNoCredentials says that neither the environment nor the SDK's other sources have
// any.
var errNoCredentials = &refusal{
	what:   "no credentials for the state store",
	remedy: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or for oss:// OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
}

// explained names the remedy when a source of credentials is dry.
type explained struct{ source aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (e explained) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if e.source == nil {
		return aws.Credentials{}, errNoCredentials
	}
	c, err := e.source.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		return c, fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	return c, err
}

// environment reads credentials from the variables it names. They count for a minute
// only, so that a function whose platform renews them in place goes on working.
type environment struct{ id, secret, token string }

// credentialNames returns the first set of variables that is filled in, or nil.
func credentialNames(d dialect) aws.CredentialsProvider {
	sets := []environment{{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}}
	if d == dialectOSS {
		sets = []environment{
			{"OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"},
			{"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"},
		}
	}
	for _, set := range sets {
		if os.Getenv(set.id) != "" && os.Getenv(set.secret) != "" {
			return set
		}
	}
	return nil
}

// Retrieve implements aws.CredentialsProvider.
func (e environment) Retrieve(context.Context) (aws.Credentials, error) {
	c := aws.Credentials{
		AccessKeyID:     os.Getenv(e.id),
		SecretAccessKey: os.Getenv(e.secret),
		SessionToken:    os.Getenv(e.token),
		Source:          "environment",
		CanExpire:       true,
		Expires:         time.Now().Add(time.Minute),
	}
	if !c.HasKeys() {
		return aws.Credentials{}, fmt.Errorf("%s or %s is gone from the environment", e.id, e.secret)
	}
	return c, nil
}
