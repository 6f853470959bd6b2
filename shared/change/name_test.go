// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"testing"

	"slipway/shared/change"
)

// Ids are made of a table's text: two tables never have the same (rule D3).
func TestD3TablesDontShareTheirText(t *testing.T) {
	a, b := &change.Table{Database: "a.b", Name: "c"}, &change.Table{Database: "a", Name: "b.c"}
	if a.String() == b.String() {
		t.Errorf("`a.b`.c and a.`b.c` are both %s", a)
	}
	if plain := (&change.Table{Database: "shop", Name: "orders"}).String(); plain != "shop.orders" {
		t.Errorf("shop.orders is %s", plain)
	}
}
