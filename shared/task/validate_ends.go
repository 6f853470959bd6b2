// SPDX-License-Identifier: Apache-2.0

package task

import (
	"fmt"
	"regexp"
	"slices"
)

func (v *validator) source() {
	s := &v.task.Source
	if !v.given("source") {
		v.fail("source", "missing; expected the MySQL server: hosts, user, password")
		return
	}
	switch {
	case len(s.Hosts) == 0:
		v.fail("source.hosts", "missing; expected one host:port")
	case len(s.Hosts) > 1:
		v.fail("source.hosts[1]", "a second host is not built yet; expected one host:port")
	}
	for i, host := range s.Hosts {
		path := fmt.Sprintf("source.hosts[%d]", i)
		if !v.skip(path) {
			s.Hosts[i] = v.hostPort(path, host, "3306")
		}
	}
	v.required("source.user", s.User, "the MySQL account")
	v.sourceTLS(s.TLS)
}

func (v *validator) sourceTLS(c SourceTLS) {
	const mode = "source.tls.mode"
	v.oneOf(mode, string(c.Mode), []string{string(TLSDisabled), string(TLSRequired), string(TLSVerifyCA), string(TLSVerifyIdentity)}, nil)
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
	switch {
	case c.Cert != "" && c.Key == "":
		v.fail("source.tls.key", "missing; expected the private key that belongs to source.tls.cert")
	case c.Cert == "" && c.Key != "":
		v.fail("source.tls.cert", "missing; expected the certificate that belongs to source.tls.key")
	}
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_%|-]{1,127}$`)

func (v *validator) topic(path, name string) {
	if name != "" && !topicName.MatchString(name) {
		v.fail(path, "expected a topic name, 1 to 127 of the characters A-Z, a-z, 0-9, _, -, %% and |, got %s", v.got(path))
	}
}

func (v *validator) destination() {
	d := &v.task.Destination
	if !v.given("destination") {
		v.fail("destination", "missing; expected the RocketMQ instance: version, endpoint, topic")
		return
	}
	v.oneOf("destination.version", d.Version, []string{"5"}, []string{"4"})
	if v.required("destination.endpoint", d.Endpoint, "the host:port of the RocketMQ proxy") {
		d.Endpoint = v.hostPort("destination.endpoint", d.Endpoint, "")
	}
	if !v.skip("destination.accessKey") && !v.skip("destination.secretKey") {
		switch {
		case !d.AccessKey.IsZero() && d.SecretKey.IsZero():
			v.fail("destination.secretKey", "missing; expected the secret that belongs to destination.accessKey")
		case d.AccessKey.IsZero() && !d.SecretKey.IsZero():
			v.fail("destination.accessKey", "missing; expected the access key that belongs to destination.secretKey")
		}
	}
	v.oneOf("destination.tls.mode", string(d.TLS.Mode), []string{string(TLSDisabled), string(TLSRequired)},
		[]string{string(TLSVerifyCA), string(TLSVerifyIdentity)})
	v.required("destination.topic", d.Topic, "the topic that takes the rows")
	v.topic("destination.topic", d.Topic)
	v.topic("destination.ddlTopic", d.DDLTopic)
	if d.DDLTopic == "" {
		d.DDLTopic = d.Topic
	}
}

func (v *validator) objects() {
	t := v.task
	if len(t.Objects) == 0 {
		v.fail("objects", "missing; expected at least one entry, such as {match: \"shop.*\"}")
	}
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
	case !v.given(match):
		v.fail(match, "missing; expected database.table, such as shop.orders or \"shop.*\"")
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
	v.topic(path+".topic", o.Topic)
	for i, column := range o.KeyColumns {
		at := fmt.Sprintf("%s.keyColumns[%d]", path, i)
		switch {
		case column == "":
			v.fail(at, "expected the name of a column")
		case slices.Index(o.KeyColumns, column) < i:
			v.fail(at, "column %s is already in the list", v.got(at))
		}
	}
	if v.given(path+".keyColumns") && len(o.KeyColumns) == 0 {
		v.fail(path+".keyColumns", "expected at least one column; leave the key out for the table's own key")
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
