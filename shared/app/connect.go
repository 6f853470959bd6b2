// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"

	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/task"
)

// sourceOf says how to reach a task's source.
func sourceOf(t *task.Task) (mysql.Config, error) {
	cfg := mysql.Config{Addr: t.Source.Hosts[0], User: t.Source.User, Password: t.Source.Password.Reveal()}
	var err error
	cfg.TLS, err = sourceTLS(t.Source.TLS, cfg.Addr)
	return cfg, err
}

// sourceTLS turns MySQL's ladder of modes into Go's settings.
func sourceTLS(s task.SourceTLS, addr string) (*tls.Config, error) {
	if s.Mode == task.TLSDisabled {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fault.New(fault.Config, "write source.hosts as host:port", "source %s: %w", addr, err)
	}
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fault.New(fault.Config, "give the path of a PEM file", "source.tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Config, "give the path of a PEM file", "source.tls.ca: %s holds no certificate", s.CA)
		}
	}
	if s.Cert != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fault.New(fault.Config, "give the paths of a PEM certificate and its key", "source.tls.cert, source.tls.key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	switch s.Mode {
	case task.TLSRequired:
		cfg.InsecureSkipVerify = true // what the mode says: encrypted, nobody verified
	case task.TLSVerifyCA:
		cfg.InsecureSkipVerify = true // the name isn't checked; the chain is, below
		cfg.VerifyConnection = verifyChain(cfg.RootCAs)
	}
	return cfg, nil
}

// verifyChain checks the server's certificate against the CAs, but not its
// name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return errors.New("the server sent no certificate")
		}
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range cs.PeerCertificates[1:] {
			opts.Intermediates.AddCert(c)
		}
		_, err := cs.PeerCertificates[0].Verify(opts)
		return err
	}
}

// brokerConfig says how to reach a task's broker; it sends nothing yet.
func brokerConfig(t *task.Task, log *slog.Logger) rocketmq.Config {
	d := t.Destination
	return rocketmq.Config{
		Endpoint: d.Endpoint, AccessKey: d.AccessKey.Reveal(), SecretKey: d.SecretKey.Reveal(),
		Namespace: d.Namespace, TLS: d.TLS.Mode != task.TLSDisabled, Logger: log,
	}
}
