// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Resolved renders the task as a task file with every default filled in and
// every ${ENV} resolved but for the secrets, which stay references. What it
// renders loads as an equal task.
func (t *Task) Resolved() ([]byte, error) {
	var n yaml.Node
	if err := n.Encode(t); err != nil {
		return nil, fmt.Errorf("render task %s: %w", t.Name, err)
	}
	t.escape(&n)
	out, err := yaml.Dump(&n, yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("render task %s: %w", t.Name, err)
	}
	return out, nil
}

// secretKeys are the keys of the fields of type Secret; no other fields have them.
var secretKeys = []string{"password", "accessKey", "secretKey"}

// escape turns ${ in plain text into $${, but for references to unset variables.
func (t *Task) escape(n *yaml.Node) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && (i%2 == 0 || slices.Contains(secretKeys, n.Content[i-1].Value)) {
			continue
		}
		if c.Kind == yaml.ScalarNode && strings.Contains(c.Value, "${") {
			c.Value = strings.ReplaceAll(c.Value, "${", "$${")
			for _, name := range t.unset {
				c.Value = strings.ReplaceAll(c.Value, "$${"+name+"}", "${"+name+"}")
			}
		}
		t.escape(c)
	}
}

// shape is what decides how messages look and where they go; its JSON is hashed,
// so a change of its fields is a change of every task's hash.
type shape struct {
	Objects        []objectShape `json:"objects"`
	Format         Format        `json:"format"`
	Order          Order         `json:"order"`
	Lanes          int           `json:"lanes"`
	DDLTopic       string        `json:"ddlTopic"`
	Namespace      string        `json:"namespace"`
	Capitalization string        `json:"capitalization"`
	Timezone       string        `json:"timezone"`
}

type objectShape struct {
	Match      string   `json:"match"`
	Exclude    []string `json:"exclude"`
	Topic      string   `json:"topic"`
	KeyColumns []string `json:"keyColumns"`
}

// Hash is the hex SHA-256 of what shapes messages (exactness rule C6): objects
// with their topics and key columns, format, order, lanes, DDL topic, namespace,
// capitalization and time zone. Entries count by their meaning, not their order.
// A running task's hash may change only with a new generation; packing, limits,
// retry and addresses aren't in it.
func (t *Task) Hash() string {
	s := shape{
		Objects: make([]objectShape, 0, len(t.Objects)),
		Format:  t.Format, Order: t.Order, Lanes: t.Lanes,
		DDLTopic: t.Destination.DDLTopic, Namespace: t.Destination.Namespace,
		Capitalization: t.Capitalization, Timezone: t.Timezone,
	}
	for i, o := range t.Objects {
		one := objectShape{Match: o.Match.String(), Exclude: []string{}, Topic: t.rule(i).Topic, KeyColumns: slices.Concat([]string{}, o.KeyColumns)}
		for _, p := range o.Exclude {
			one.Exclude = append(one.Exclude, p.String())
		}
		slices.Sort(one.Exclude)
		s.Objects = append(s.Objects, one)
	}
	slices.SortFunc(s.Objects, func(a, b objectShape) int {
		return cmp.Or(cmp.Compare(a.Match, b.Match), slices.Compare(a.Exclude, b.Exclude))
	})
	text, _ := json.Marshal(s) // strings and ints: it can't fail
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
