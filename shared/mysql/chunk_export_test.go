// SPDX-License-Identifier: Apache-2.0

package mysql

import "slipway/shared/change"

// Between gives a key about num/den of the way from first to last.
func (o *KeyOrder) Between(first, last change.Row, num, den int64) change.Row {
	return o.between(first, last, num, den)
}
