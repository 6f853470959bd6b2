// SPDX-License-Identifier: Apache-2.0

package rocketmq_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"slipway/shared/rocketmq"
)

func TestEncodeKeyCarriesWhatRocketMQCannot(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 300)
	for name, tc := range map[string]struct{ in, want string }{
		"plain stays":             {"shop.orders/42", "shop.orders/42"},
		"unicode stays":           {"訂單-é", "訂單-é"},
		"empty":                   {"", "%"},
		"space":                   {"a b", "a%20b"},
		"wide space":              {"a\u3000b", "a%E3%80%80b"},
		"bar":                     {"a|b", "a%7Cb"},
		"percent":                 {"100%", "100%25"},
		"looks encoded":           {"a%20b", "a%2520b"},
		"control":                 {"a\x00\x01\nb", "a%00%01%0Ab"},
		"C1 control":              {"a\u0085b", "a%C2%85b"},
		"not UTF-8":               {"\xff\xfe", "%FF%FE"},
		"the replacement itself":  {"\ufffd", "\ufffd"},
		"128 bytes stay":          {long[:128], long[:128]},
		"129 bytes are shortened": {long[:129], long[:111] + "~9094034fb2d0ce2e"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := rocketmq.EncodeKey(tc.in); got != tc.want {
				t.Errorf("EncodeKey(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

// A short key can be read back, which makes its encoding injective; a long one
// differs from others by its hash.
func TestEncodeKeyIsReadableOrHashed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(
			rapid.StringOfN(rapid.SampledFrom([]rune("ab%| ~\t\n\x00é訂\ufffd")), 0, 200, -1),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) }),
		).Draw(t, "key")
		got := rocketmq.EncodeKey(in)
		switch {
		case got == "" || len(got) > rocketmq.MaxKeyBytes:
			t.Fatalf("%q has %d bytes", got, len(got))
		case !utf8.ValidString(got):
			t.Fatalf("%q is not UTF-8", got)
		case strings.ContainsFunc(got, func(r rune) bool { return r == '|' || unicode.IsSpace(r) || unicode.IsControl(r) }):
			t.Fatalf("%q has what RocketMQ can't carry", got)
		}
		if in == "" {
			return
		}
		if head, _, hashed := cutHash(got); hashed {
			if other := rocketmq.EncodeKey(in + "x"); other == got {
				t.Fatalf("%q and one byte more have the same key %q", in, got)
			}
			if plain, err := url.PathUnescape(head); err != nil || !strings.HasPrefix(in, plain) {
				t.Fatalf("%q does not start with %q (%v)", in, plain, err)
			}
			return
		}
		if back, err := url.PathUnescape(got); err != nil || back != in {
			t.Fatalf("%q reads back as %q (%v), want %q", got, back, err, in)
		}
	})
}

// cutHash splits a shortened key. Only those have 18 to 128 bytes with a "~" 17
// before their end and more than 108 in all.
func cutHash(key string) (head, hash string, ok bool) {
	at := len(key) - 17
	if at < 90 || key[at] != '~' || strings.Trim(key[at+1:], "0123456789abcdef") != "" {
		return "", "", false
	}
	return key[:at], key[at+1:], true
}
