// SPDX-License-Identifier: Apache-2.0

package task

import (
	"errors"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand resolves ${NAME} in text; $${ stands for ${ itself. When variables are
// missing it names them and leaves their references in the result.
func expand(text string, env func(string) (string, bool)) (value string, missing []string, err error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		if !ok {
			out.WriteString(text)
			return out.String(), missing, nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			text = rest
			continue
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok || !variableName.MatchString(name) {
			return "", nil, errors.New("expected ${NAME} with the name of an environment variable; write $${ for a plain ${")
		}
		out.WriteString(before)
		if v, ok := env(name); ok {
			out.WriteString(v)
		} else {
			missing = append(missing, name)
			out.WriteString("${" + name + "}")
		}
		text = after
	}
}
