// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"net"
	"sync"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/server"

	"slipway/shared/precheck"
)

// foreignServer answers the login as another server than a MySQL of ours. No
// real one is to be had here.
type foreignServer struct{ server.EmptyHandler }

func (foreignServer) HandleQuery(query string) (*gomysql.Result, error) {
	return nil, gomysql.NewDefaultError(gomysql.ER_UNKNOWN_ERROR, "asked "+query)
}

func TestAServerThatIsNotSupported(t *testing.T) {
	for version, says := range map[string]string{
		"5.6.51-log":              "older than 5.7.20",
		"5.5.5-10.11.6-MariaDB-0": "not MySQL",
		"8.0.11-TiDB-v7.5.0":      "not MySQL",
		"8.0.30-Vitess":           "not MySQL",
		"mystery":                 "is not MySQL's",
	} {
		t.Run(version, func(t *testing.T) {
			r := run(t, taskOf(t, file{addr: serve(t, version)}), "CHECK_CONN_SRC", "CHECK_SRC", "CHECK_LOG_BIN")
			mended(t, r, "CHECK_CONN_SRC", "")
			wants(t, r, expected{item: "CHECK_SRC", level: precheck.Failed, says: says})
			wants(t, r, expected{item: "CHECK_LOG_BIN", level: precheck.Skipped, says: "version"})
		})
	}
}

// serve runs a server that calls itself version until the test ends.
func serve(t *testing.T, version string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.NewServer(version, gomysql.DEFAULT_COLLATION_ID, gomysql.AUTH_NATIVE_PASSWORD, nil, nil)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				conn, err := s.NewConn(c, "root", "", foreignServer{})
				for err == nil && !conn.Closed() {
					err = conn.HandleCommand()
				}
			})
		}
	})
	return l.Addr().String()
}
