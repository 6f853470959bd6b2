// SPDX-License-Identifier: Apache-2.0

package task

import (
	"encoding/json"
	"log/slog"
	"regexp"
)

// Secret is a password or key that the task file names only by the environment
// variable that holds it. Every way of printing, logging or encoding it gives
// the reference, ${NAME}; Reveal alone gives the value.
type Secret struct {
	name string
	// A pointer, because fmt prints an unexported field of this type without
	// calling its methods, and then shows an address instead of the value.
	value *string
}

// NewSecret makes the secret that ${name} would resolve to, for callers that
// build a Task without a file.
func NewSecret(name, value string) Secret { return Secret{name: name, value: &value} }

// Reveal returns the value: "" when the secret is absent or its variable unset.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Name is the environment variable, "" for an absent secret.
func (s Secret) Name() string { return s.name }

// IsZero reports whether the file names no secret here.
func (s Secret) IsZero() bool { return s.name == "" && s.value == nil }

// Equal reports whether both refer to the same variable and hold the same value.
func (s Secret) Equal(other Secret) bool {
	return s.name == other.name && (s.value == nil) == (other.value == nil) && s.Reveal() == other.Reveal()
}

// String is the reference, ${NAME}, or "" for an absent secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "${" + s.name + "}"
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON is String in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML is String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

var secretReference = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
