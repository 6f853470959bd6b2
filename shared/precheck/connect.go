// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/state"
	"slipway/shared/task"
)

// MySQL's error numbers that tell why there is no session.
const (
	errAccessDenied    = 1045
	errDatabaseDenied  = 1044
	errTooManySessions = 1040
	errHostNotAllowed  = 1130
	errHostBlocked     = 1129
	errSecureTransport = 3159
	errAccountLocked   = 3118
	errPasswordExpired = 1820
)

func checkSource(ctx context.Context, s *session) ([]Finding, error) {
	addr := s.task.Source.Hosts[0]
	c, err := s.dialSource(ctx)
	switch {
	case err == nil:
		return []Finding{success("%s answers as MySQL %s and takes the login of %s", addr, c.Server().Version, s.task.Source.User).about(addr)}, nil
	case errors.Is(err, mysql.ErrUnsupported):
		return nil, nil // connected and logged in; CHECK_SRC has more to say
	}
	f := sourceFinding(ctx, err, s.task.Source)
	return []Finding{f.about(addr)}, nil
}

// sourceFinding says which of host, port, account, password and TLS is wrong.
func sourceFinding(ctx context.Context, err error, src task.Source) Finding {
	addr := src.Hosts[0]
	if f, ok := networkFinding(ctx, err, addr, "MySQL", "source.hosts"); ok {
		return f
	}
	switch mysql.ErrorCode(err) {
	case errAccessDenied, errDatabaseDenied:
		if src.Password.IsZero() {
			return failed("set source.password to ${NAME} and the variable NAME to the account's password",
				"%s refuses the login of %q without a password", addr, src.User)
		}
		return failed("export "+src.Password.Name()+"='the password of "+src.User+"', or correct source.user",
			"%s refuses the login of %q: there is no such account for this host, or the password in %s is wrong", addr, src.User, src.Password)
	case errHostNotAllowed:
		return failed("CREATE USER "+account{src.User, localAddress(ctx, addr)}.String()+" IDENTIFIED BY '…';",
			"MySQL at %s has no account that may come from this host: %s", addr, rootText(err))
	case errHostBlocked:
		return failed("FLUSH HOSTS;", "MySQL at %s blocks this host after too many broken connections", addr)
	case errTooManySessions:
		return failed("SET GLOBAL max_connections = @@max_connections + 20;", "MySQL at %s has no connection left", addr)
	case errSecureTransport:
		return failed("set source.tls.mode to required", "MySQL at %s takes encrypted connections only", addr)
	case errAccountLocked:
		return failed("ALTER USER "+account{src.User, "%"}.String()+" ACCOUNT UNLOCK;", "the account %q at %s is locked", src.User, addr)
	case errPasswordExpired:
		return failed("ALTER USER "+account{src.User, "%"}.String()+" PASSWORD EXPIRE NEVER;", "the password of %q at %s has expired", src.User, addr)
	}
	if f, ok := tlsFinding(err, addr); ok {
		return f
	}
	what, remedy := explain(err)
	return failed(remedy, "%s", what)
}

// networkFinding names what stands between us and an address: an unknown name,
// a closed port, silence.
func networkFinding(ctx context.Context, err error, addr, what, key string) (Finding, bool) {
	text := err.Error() // gRPC hands on texts only
	if _, ok := errors.AsType[*net.DNSError](err); ok || strings.Contains(text, "no such host") || strings.Contains(text, "produced zero addresses") {
		host, _, _ := net.SplitHostPort(addr)
		return failed("correct the host in "+key+", or the name service of this machine", "the host name %q is unknown here", host), true
	}
	if errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(text, "connection refused") {
		return failed("start "+what+" there, or correct the port in "+key, "nothing listens at %s", addr), true
	}
	if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
		return failed("correct the host in "+key+", or add the route", "there is no way from this machine to %s", addr), true
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return failed("allow "+localAddress(ctx, addr)+" in the firewall, security group or IP whitelist before "+addr+", or correct "+key,
			"%s gives no answer", addr), true
	}
	return Finding{}, false
}

// localAddress is the address we'd leave this machine by, which is what a
// whitelist in the same network sees. Nothing is sent.
func localAddress(ctx context.Context, addr string) string {
	c, err := new(net.Dialer).DialContext(ctx, "udp", addr)
	if err != nil {
		return "this machine"
	}
	defer c.Close()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		return "this machine"
	}
	return host
}

// tlsFinding says why no encrypted connection comes about.
func tlsFinding(err error, addr string) (Finding, bool) {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return failed("connect by a name in the certificate, or set source.tls.mode to verify-ca",
			"the certificate of %s is not for this name: %v", addr, e), true
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return failed("set source.tls.ca to the certificate of the authority that signed it",
			"the certificate of %s can't be verified: %v", addr, e), true
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failed("renew the server's certificate, or set source.tls.ca", "the certificate of %s can't be verified: %v", addr, e), true
	}
	if strings.Contains(err.Error(), "does not support SSL") {
		return failed("set source.tls.mode to disabled, or give the server a certificate", "MySQL at %s does not offer TLS", addr), true
	}
	return Finding{}, false
}

// rootText is the innermost error's text.
func rootText(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func checkDestination(ctx context.Context, s *session) ([]Finding, error) {
	d := s.task.Destination
	_, err := s.dialSink(ctx)
	if err == nil {
		return []Finding{success("%s answers as a RocketMQ 5 proxy and takes the credentials", d.Endpoint).about(d.Endpoint)}, nil
	}
	return []Finding{sinkFinding(ctx, err, d).about(d.Endpoint)}, nil
}

func sinkFinding(ctx context.Context, err error, d task.Destination) Finding {
	if e, ok := errors.AsType[*rocketmq.RefusedError](err); ok && e.Reason == rocketmq.ReasonUnauthorized {
		if topic, ok := notPermitted(e); ok {
			return failed(allowTopic(d.AccessKey.Reveal(), topic), "%s knows the account in %s, but lets it ask for nothing: %s", d.Endpoint, d.AccessKey, e.Err)
		}
		if d.AccessKey.IsZero() {
			return failed("set destination.accessKey and destination.secretKey to ${NAME} references",
				"%s wants credentials: %s", d.Endpoint, e.Err)
		}
		return failed("export "+d.AccessKey.Name()+" and "+d.SecretKey.Name()+" as the instance's access key and secret",
			"%s refuses the credentials in %s and %s: %s", d.Endpoint, d.AccessKey, d.SecretKey, e.Err)
	}
	if f, ok := networkFinding(ctx, err, d.Endpoint, "RocketMQ's gRPC proxy", "destination.endpoint"); ok {
		return f
	}
	what, remedy := explain(err)
	return failed(remedy, "%s", what)
}

// notPermitted parts a known account without rights on a topic from one whose
// credentials are wrong: the broker has one code for both.
func notPermitted(e *rocketmq.RefusedError) (topic string, ok bool) {
	_, rest, ok := strings.Cut(e.Err.Error(), "no permission to access Topic:")
	topic, _, _ = strings.Cut(rest, " ")
	return topic, ok
}

// allowTopic is the command that lets an account send to a topic.
func allowTopic(account, topic string) string {
	return fmt.Sprintf("mqadmin createAcl -c DefaultCluster -s User:%s -r Topic:%s -a Pub -d Allow", account, topic)
}

func checkStore(ctx context.Context, s *session) ([]Finding, error) {
	_, err := s.openStore(ctx)
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, state.ErrNoCreateIfAbsent):
		return []Finding{failed("set state to an oss:// or file:// URL, or to an s3:// server that honours If-None-Match",
			"the state store overwrites what it was told to create only once, so two processes could own the task (rule C1)")}, nil
	}
	_, remedy := explain(state.Classify(err))
	return []Finding{failed(remedy, "the state store can't be used: %s", err)}, nil
}
