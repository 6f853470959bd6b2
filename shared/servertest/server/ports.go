// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePorts returns n neighbouring ports that nothing listens on. They lie below the range the kernel hands out to
// outgoing connections, and start at a random place, so that processes choosing at the same time seldom meet.
func freePorts(n int) (int, error) {
	const low, high = 12000, 32000
	for range 200 {
		base := low + rand.IntN(high-low-n)
		if allFree(base, n) {
			return base, nil
		}
	}
	return 0, errors.New("find free ports: every one tried between 12000 and 32000 is taken")
}

func allFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp4", ":"+strconv.Itoa(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// loopback returns host:port on this machine.
func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
