// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// OpenChanged is Open of a bucket with the SDK's options changed.
func OpenChanged(ctx context.Context, rawURL string, change func(*s3.Options)) (Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return openS3(ctx, u, change)
}

// Address tells how a bucket URL is resolved.
func Address(rawURL string) (endpoint, bucket, prefix string, pathStyle bool, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", "", false, err
	}
	l, err := parseLocation(u)
	return l.endpoint, l.bucket, l.prefix, l.pathStyle, err
}

// Credentials returns what reads the credentials from the environment.
func Credentials(oss bool) aws.CredentialsProvider {
	if oss {
		return credentialNames(dialectOSS)
	}
	return credentialNames(dialectS3)
}
