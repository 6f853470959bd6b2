// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is a server's, as PEM files, with the authority that signed it.
type certificate struct{ caFile, certFile, keyFile string }

func certificateIn(dir string) certificate {
	return certificate{filepath.Join(dir, "ca.crt"), filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
}

// makeCertificate makes an authority and a certificate for this machine and the names, valid for ten years, in dir. What
// an earlier start made is kept. The authority's key is kept nowhere.
func makeCertificate(dir string, names ...string) (certificate, error) {
	c := certificateIn(dir)
	if exists(c.caFile) && exists(c.certFile) && exists(c.keyFile) {
		return c, nil
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Slipway's test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: append([]string{"localhost"}, names...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, caErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(caErr, err); err != nil {
		return c, err
	}
	signedCA, caErr := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	signed, certErr := x509.CreateCertificate(rand.Reader, server, authority, key.Public(), caKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(caErr, certErr, err); err != nil {
		return c, err
	}
	return c, errors.Join(
		writePEM(c.keyFile, "PRIVATE KEY", pkcs8, 0o600),
		writePEM(c.certFile, "CERTIFICATE", signed, 0o644),
		writePEM(c.caFile, "CERTIFICATE", signedCA, 0o644),
	)
}

func writePEM(file, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
