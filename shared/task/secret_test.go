// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"slipway/shared/task"
)

func TestSecretShowsNowhere(t *testing.T) {
	tk := load(t, edit(t, "  topic: shop", "  topic: shop\n  accessKey: ${PW}\n  secretKey: ${PW}"))
	if tk.Source.Password.Reveal() != secretValue || tk.Source.Password.Name() != "PW" {
		t.Fatal("the secret isn't resolved")
	}
	hidden := struct{ s task.Secret }{tk.Source.Password} // fmt calls no methods on this field
	shown := map[string]string{}
	for _, value := range []any{tk, *tk, tk.Source, tk.Source.Password, &tk.Source.Password, []any{tk.Source.Password}, hidden} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			shown[fmt.Sprintf("%s of %T", verb, value)] = fmt.Sprintf(verb, value)
		}
		j, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		shown[fmt.Sprintf("json of %T", value)] = string(j)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		shown[fmt.Sprintf("log of %T", value)] = log.String()
	}
	y, err := yaml.Dump(tk)
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := tk.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	shown["yaml"], shown["resolved"] = string(y), string(resolved)
	for how, text := range shown {
		if strings.Contains(text, secretValue) || strings.Contains(text, fmt.Sprintf("%x", secretValue)) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
	for _, how := range []string{"yaml", "resolved", "%v of task.Secret", "%#v of task.Source", "json of *task.Task", "log of task.Secret"} {
		if !strings.Contains(shown[how], "${PW}") {
			t.Errorf("%s lacks the reference: %s", how, shown[how])
		}
	}
}

func TestSecretZeroIsAbsent(t *testing.T) {
	tk := load(t, edit(t, "  password: ${PW}\n", ""))
	if s := tk.Source.Password; !s.IsZero() || s.String() != "" || s.Reveal() != "" || s.Name() != "" {
		t.Errorf("got %#v", s)
	}
	empty := load(t, edit(t, "${PW}", "${EMPTY}")).Source.Password
	if empty.IsZero() || empty.Reveal() != "" || empty.Equal(task.Secret{}) || !empty.Equal(task.NewSecret("EMPTY", "")) {
		t.Errorf("an empty variable is set: %#v", empty)
	}
}
