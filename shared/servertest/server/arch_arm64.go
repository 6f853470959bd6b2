// SPDX-License-Identifier: Apache-2.0

package server

// Where Debian keeps shared libraries and the loader among them.
const (
	libDir = "usr/lib/aarch64-linux-gnu"
	loader = "ld-linux-aarch64.so.1"
)
