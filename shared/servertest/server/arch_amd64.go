// SPDX-License-Identifier: Apache-2.0

package server

// Where Debian keeps shared libraries and the loader among them.
const (
	libDir = "usr/lib/x86_64-linux-gnu"
	loader = "ld-linux-x86-64.so.2"
)
