// SPDX-License-Identifier: Apache-2.0

package servertest_test

import (
	"net/http"
	"testing"

	"slipway/shared/servertest"
	"slipway/shared/state"
)

// keysOf lists what a URL's prefix holds.
func keysOf(t *testing.T, url string) (keys []string) {
	t.Helper()
	store, err := state.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for key, err := range store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

func TestPrefixesAreApartAndEmptiedWithTheirTest(t *testing.T) {
	b := servertest.S3(t)
	var first, second string
	t.Run("two tests", func(t *testing.T) {
		first, second = b.Prefix(t), b.Prefix(t)
		store, err := state.Open(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Create(t.Context(), "a/b", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if one, other := keysOf(t, first), keysOf(t, second); len(one) != 1 || len(other) != 0 {
			t.Errorf("one holds %q, the other %q", one, other)
		}
	})
	b.Prefix(t) // for its credentials
	if left := keysOf(t, first); len(left) != 0 || first == second {
		t.Errorf("%s and %s; %q is left", first, second, left)
	}
}

func TestPrivateS3DemandsSignatures(t *testing.T) {
	for _, tls := range []bool{false, true} {
		b := servertest.StartS3(t, tls)
		if (b.CAFile != "") != tls {
			t.Errorf("TLS %t: the authority is %q", tls, b.CAFile)
		}
		if keys := keysOf(t, b.Prefix(t)); len(keys) != 0 {
			t.Errorf("a new bucket holds %q", keys)
		}
		if tls {
			continue
		}
		answer, err := http.Get("http://" + b.Addr + "/slipway")
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("an unsigned call is answered %s", answer.Status)
		}
	}
}
