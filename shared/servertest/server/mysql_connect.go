// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Env are the variables, NAME=value, that tests, the demo and the benchmarks find the server by. Private servers of tests
// take after it.
func (m *MySQL) Env() []string {
	return []string{
		"SLIPWAY_TEST_MYSQL_DSN=" + m.DSN,
		"SLIPWAY_TEST_MYSQL_CA=" + m.CAFile,
		"SLIPWAY_TEST_MYSQL_VERSION=" + m.Version,
		"SLIPWAY_TEST_MYSQL_FLAGS=" + strings.Join(m.opts.Flags, " "),
	}
}

// OpenMySQL opens a connection pool to a server. With caFile every connection is encrypted and the server's certificate
// verified. adjust, which may be nil, gets what the address doesn't say.
func OpenMySQL(dsn, caFile string, adjust func(*mysql.Config)) (*sql.DB, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if config.TLS, err = MySQLTLS(config.Addr, caFile); err != nil {
		return nil, err
	}
	if adjust != nil {
		adjust(config)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// MySQLTLS verifies the certificate of the server at addr; it is nil without caFile.
func MySQLTLS(addr, caFile string) (*tls.Config, error) {
	if caFile == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: roots}, nil
}
