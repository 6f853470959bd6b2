// SPDX-License-Identifier: Apache-2.0

package admin

// QuoteKeys makes quoteKeys testable.
var QuoteKeys = quoteKeys
