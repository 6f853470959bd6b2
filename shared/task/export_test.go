// SPDX-License-Identifier: Apache-2.0

package task

// TaskPaths and NotBuilt are the keys the documentation must have.
func TaskPaths() []string { return taskPaths() }

func NotBuilt() []string { return notBuilt }

// Covers and Meets are the static relations between patterns.
func (p Pattern) Covers(other Pattern) bool { return p.covers(other) }

func (p Pattern) Meets(other Pattern) bool { return p.meets(other) }
