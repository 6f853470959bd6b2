// SPDX-License-Identifier: Apache-2.0

package task

import (
	"fmt"
	"slices"
)

func (v *validator) source() {
	s := &v.task.Source
	if most := int(ruleOf("source.hosts").most); len(s.Hosts) > most {
		v.fail(fmt.Sprintf("source.hosts[%d]", most), "a second host is not built yet; expected %s", ruleOf("source.hosts").want)
	}
	for i, host := range s.Hosts {
		path := fmt.Sprintf("source.hosts[%d]", i)
		if !v.skip(path) {
			s.Hosts[i] = v.hostPort(path, host, "3306")
		}
	}
	v.sourceTLS(s.TLS)
}

func (v *validator) sourceTLS(c SourceTLS) {
	const mode = "source.tls.mode"
	if v.skip(mode) {
		return
	}
	files := []struct{ path, value string }{{"source.tls.ca", c.CA}, {"source.tls.cert", c.Cert}, {"source.tls.key", c.Key}}
	if c.Mode == TLSDisabled {
		for _, f := range files {
			if f.value != "" {
				v.fail(f.path, "expected only with a source.tls.mode other than \"disabled\"")
			}
		}
		return
	}
	if c.Mode == TLSRequired && c.CA != "" {
		v.fail("source.tls.ca", "mode \"required\" checks no certificate; expected source.tls.mode \"verify-ca\" or \"verify-identity\"")
	}
}

func (v *validator) destination() {
	d := &v.task.Destination
	if d.Endpoint != "" && !v.skip("destination.endpoint") {
		d.Endpoint = v.hostPort("destination.endpoint", d.Endpoint, "")
	}
	if d.DDLTopic == "" {
		d.DDLTopic = d.Topic
	}
}

func (v *validator) objects() {
	t := v.task
	for i := range t.Objects {
		v.object(fmt.Sprintf("objects[%d]", i), &t.Objects[i])
	}
	for i := range t.Objects {
		for j := range i {
			v.overlap(j, i)
		}
	}
}

func (v *validator) object(path string, o *Object) {
	match := path + ".match"
	switch {
	case v.skip(match):
	case !o.Match.db.wild() && slices.Contains(systemSchemas, string(o.Match.db)):
		v.fail(match, "expected a table of yours; %q holds the server's own tables and is never migrated", string(o.Match.db))
	}
	for i, exclude := range o.Exclude {
		at := fmt.Sprintf("%s.exclude[%d]", path, i)
		switch {
		case v.skip(match) || v.skip(at):
		case !o.Match.Wild():
			v.fail(at, "expected only under a match with a wildcard; %s is one table", o.Match)
		case !exclude.meets(o.Match):
			v.fail(at, "expected a pattern that meets %s; no table matches both", o.Match)
		case exclude.covers(o.Match):
			v.fail(at, "expected a pattern that leaves something of %s; this one excludes it all", o.Match)
		}
	}
}

// overlap reports two entries that select one table on one level, as far as
// that can be told without the tables; Select sees the rest.
func (v *validator) overlap(first, second int) {
	a, b := v.task.Objects[first], v.task.Objects[second]
	aMatch, bMatch := fmt.Sprintf("objects[%d].match", first), fmt.Sprintf("objects[%d].match", second)
	if v.skip(aMatch) || v.skip(bMatch) || a.Match.Wild() != b.Match.Wild() {
		return
	}
	switch {
	case a.Match.Equal(b.Match) && !a.Match.Wild():
		v.fail(bMatch, "%s is already in line %d; expected one entry per table", b.Match, v.at[aMatch].line)
	case swallows(a, b):
		v.fail(bMatch, "%s, in line %d, already selects every table of %s; exclude it there or drop one", a.Match, v.at[aMatch].line, b.Match)
	case swallows(b, a):
		v.fail(bMatch, "%s selects every table of %s, in line %d, too; exclude it here or drop one", b.Match, a.Match, v.at[aMatch].line)
	}
}

// swallows reports that whatever inner's match selects, outer selects too.
func swallows(outer, inner Object) bool {
	return outer.Match.covers(inner.Match) &&
		!slices.ContainsFunc(outer.Exclude, func(p Pattern) bool { return p.meets(inner.Match) })
}
