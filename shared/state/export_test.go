// SPDX-License-Identifier: Apache-2.0

package state

import (
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
)

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
