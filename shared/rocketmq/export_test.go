// SPDX-License-Identifier: Apache-2.0

package rocketmq

import "time"

// SetJoinGrace shortens the wait for a call past its deadline.
func (c *Client) SetJoinGrace(d time.Duration) { c.joinGrace = d }
