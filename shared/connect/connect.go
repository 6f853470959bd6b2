// SPDX-License-Identifier: Apache-2.0

// Package connect turns what a task file says about the two ends into how to
// reach them: one place, so that the precheck tries exactly what the steps do
// later.
package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/rocketmq"
	"slipway/shared/task"
)

// Source turns the task's source into how to reach it. Its error, of
// class Config, is about a certificate file.
func Source(s task.Source) (mysql.Config, error) {
	cfg := mysql.Config{Addr: s.Hosts[0], User: s.User, Password: s.Password.Reveal()}
	if s.TLS.Mode == task.TLSDisabled {
		return cfg, nil
	}
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return cfg, fault.New(fault.Config, "write source.hosts as host:port", "source %s: %w", cfg.Addr, err)
	}
	cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if s.TLS.CA != "" {
		pem, err := os.ReadFile(s.TLS.CA)
		if err != nil {
			return cfg, fault.New(fault.Config, "put the CA certificate there, or correct source.tls.ca", "source.tls.ca: %w", err)
		}
		cfg.TLS.RootCAs = x509.NewCertPool()
		if !cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return cfg, fault.New(fault.Config, "give a file of PEM certificates", "source.tls.ca: %s holds no certificate", s.TLS.CA)
		}
	}
	if s.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.TLS.Cert, s.TLS.Key)
		if err != nil {
			return cfg, fault.New(fault.Config, "give a PEM certificate and its private key", "source.tls.cert: %w", err)
		}
		cfg.TLS.Certificates = []tls.Certificate{pair}
	}
	switch s.TLS.Mode {
	case task.TLSRequired:
		cfg.TLS.InsecureSkipVerify = true // encrypted, not verified: what the mode promises
	case task.TLSVerifyCA:
		cfg.TLS.InsecureSkipVerify = true // the chain is verified below, the host's name is not
		cfg.TLS.VerifyConnection = chainVerifier(cfg.TLS.RootCAs)
	}
	return cfg, nil
}

// chainVerifier checks the server's certificate but not whose it is.
func chainVerifier(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(c tls.ConnectionState) error {
		if len(c.PeerCertificates) == 0 {
			return errors.New("the server sent no certificate")
		}
		between := x509.NewCertPool()
		for _, cert := range c.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := c.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

// Sink turns the task's destination into how to reach it, for questions only:
// it names no topics.
func Sink(d task.Destination) rocketmq.Config {
	return rocketmq.Config{
		Endpoint:  d.Endpoint,
		AccessKey: d.AccessKey.Reveal(), SecretKey: d.SecretKey.Reveal(),
		Namespace: d.Namespace,
		TLS:       d.TLS.Mode != task.TLSDisabled,
	}
}
