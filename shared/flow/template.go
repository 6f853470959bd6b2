// SPDX-License-Identifier: Apache-2.0

package flow

// template is a constructor: JSON with expressions at the keys that were written with ".$".
type template struct {
	value  expr                 // an expression or a literal leaf
	fields map[string]*template // an object
	items  []*template          // an array, when isList
	isList bool
}

func (t *template) build(v vars) (any, error) {
	switch {
	case t.value != nil:
		return t.value.eval(v)
	case t.isList:
		out := make([]any, len(t.items))
		for i, item := range t.items {
			value, err := item.build(v)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	out := make(map[string]any, len(t.fields))
	for key, field := range t.fields {
		value, err := field.build(v)
		if err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, nil
}
