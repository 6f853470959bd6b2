// SPDX-License-Identifier: Apache-2.0

package state

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// refusal is what a bucket's server refuses until somebody mends it.
type refusal struct {
	what, remedy string
	err          error // the server's or the SDK's; nil when there is none
}

func (r *refusal) Error() string {
	if r.err == nil {
		return r.what
	}
	return r.what + ": " + r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// explain turns the SDK's error into one of ours where it means one, and adds the
// remedy where an operator can apply one. Servers disagree on codes and on statuses,
// so either decides; but that an object is absent is believed of no status alone:
// servers and what stands before them say 404 for much else.
func (s *S3) explain(err error) error {
	if err == nil {
		return nil
	}
	var status int
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	var code string
	said := err
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
		said = fmt.Errorf("%s: %s", code, api.ErrorMessage()) // without the SDK's own wrapping
	}
	refuse := func(remedy, format string, args ...any) error {
		return &refusal{fmt.Sprintf(format, args...), remedy, said}
	}
	switch code {
	case "NoSuchKey": // NotFound is the SDK's own word for a 404 that says nothing
		return ErrNotFound
	case "NoSuchBucket":
		return refuse("create it, without versioning", "the bucket %s does not exist", s.bucket)
	case "RequestTimeTooSkewed":
		return refuse("set this machine's clock, by NTP", "this machine's clock and the server's are too far apart")
	case "AuthorizationHeaderMalformed", "PermanentRedirect":
		return refuse("put the bucket's region into the state URL, ?region=…", "the bucket %s is in another region", s.bucket)
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		return refuse("export the access key and the secret of an account that the server knows", "the server does not know the access key")
	case "SignatureDoesNotMatch":
		return refuse("export the secret that belongs to the access key", "the secret does not fit the access key")
	}
	switch {
	case code == "PreconditionFailed", code == "FileAlreadyExists", code == "ConditionalRequestConflict",
		status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return fmt.Errorf("%w: %w", ErrExists, err)
	case code == "NotImplemented", status == http.StatusNotImplemented:
		return refuse("for Alibaba Cloud OSS use an oss:// URL", "the server lacks a feature the %s dialect needs", s.dialect)
	case code == "AccessDenied", status == http.StatusForbidden, status == http.StatusUnauthorized:
		return refuse(fmt.Sprintf("let the account get, put, list and delete under %q", s.prefix), "the bucket %s refuses the account", s.bucket)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return refuse("name the PEM file of the server's authority in AWS_CA_BUNDLE, and in the endpoint a host that the certificate is for",
			"the server's certificate is not trusted")
	}
	return err
}
