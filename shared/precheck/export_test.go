// SPDX-License-Identifier: Apache-2.0

package precheck

// What no server here can be asked for.
var (
	ColumnFinding = columnFinding
	TopicFinding  = topicFinding
)
