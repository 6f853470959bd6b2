// SPDX-License-Identifier: Apache-2.0

package mysql

import "slipway/shared/change"

// SplitIntegers gives the inner bounds that cut [lo, hi] into n pieces.
func SplitIntegers(lo, hi change.Value, n int64) []change.Row { return splitIntegers(lo, hi, n) }
