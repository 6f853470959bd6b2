// SPDX-License-Identifier: Apache-2.0

package emulator

import "path/filepath"

// Project deploys this project's five functions under the names that infra/flow.yaml calls: four event functions and
// the tail's container, from the binaries dir/precheck, dir/plan, dir/snapshot, dir/settle and dir/tail. Base gives what
// they share (environment, time-out, logs, Reached); tune, when not nil, may change each one's Spec.
func Project(dir string, base Spec, tune func(step string, s *Spec)) Cloud {
	cloud := Cloud{}
	for _, step := range []string{"precheck", "plan", "snapshot", "settle", "tail"} {
		s := base
		s.Name, s.Binary = "slipway-"+step, filepath.Join(dir, step)
		if step == "tail" {
			s.Initializer = true // as s.yaml configures it
		}
		if tune != nil {
			tune(step, &s)
		}
		if step == "tail" {
			cloud[s.Name] = NewContainer(s)
		} else {
			cloud[s.Name] = NewEvent(s)
		}
	}
	return cloud
}
