// SPDX-License-Identifier: Apache-2.0

package precheck_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/server"

	"slipway/shared/precheck"
)

// oldServer is a MySQL without the variables that later ones have. No real one
// is to be had here.
type oldServer struct{ server.EmptyHandler }

func (oldServer) HandleQuery(query string) (*gomysql.Result, error) {
	if strings.Contains(query, "max_execution_time") {
		return nil, gomysql.NewDefaultError(gomysql.ER_UNKNOWN_SYSTEM_VARIABLE, "max_execution_time")
	}
	return &gomysql.Result{}, nil
}

func TestAServerTooOldForOurSession(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old := server.NewServer("5.6.51", gomysql.DEFAULT_COLLATION_ID, gomysql.AUTH_NATIVE_PASSWORD, nil, nil)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer l.Close()
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				conn, err := old.NewConn(c, "root", "", oldServer{})
				for err == nil && !conn.Closed() {
					err = conn.HandleCommand()
				}
			})
		}
	})
	r := run(t, taskOf(t, file{addr: l.Addr().String()}), "CHECK_CONN_SRC", "CHECK_SRC", "CHECK_LOG_BIN")
	mended(t, r, "CHECK_CONN_SRC", "")
	wants(t, r, expected{item: "CHECK_SRC", level: precheck.Failed, says: "older than MySQL 5.7.20"})
	wants(t, r, expected{item: "CHECK_LOG_BIN", level: precheck.Skipped, says: "version"})
}
