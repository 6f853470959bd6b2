// SPDX-License-Identifier: Apache-2.0

package server

// DebianMirror and UntarFromZip make their namesakes testable.
var (
	DebianMirror = debianMirror
	UntarFromZip = untarFromZip
)

// Fill makes fill testable.
func (c Cache) Fill(dir string, build func(tmp string) error) error { return c.fill(dir, build) }
