// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"slices"
	"strings"
)

// grants is what SHOW GRANTS says of an account, its active roles included.
type grants []grant

// grant is one line: privileges on *.*, `db`.* or `db`.`table`.
type grant struct {
	// privileges are upper case, without those on single columns only.
	privileges []string
	// database is a LIKE pattern unless literal; "" stands for all.
	database string
	table    string
	literal  bool
	// revoked marks a partial revoke: it takes from a global grant.
	revoked bool
}

// loadGrants asks the server what the account may do.
func (s *session) loadGrants(ctx context.Context) (grants, error) {
	return s.grants.get(func() (grants, error) {
		v, err := s.settings(ctx)
		if err != nil {
			return nil, err
		}
		show := "SHOW GRANTS"
		if _, ok := v["mandatory_roles"]; ok { // knows roles
			roles, err := s.source.v.String(ctx, "SELECT CURRENT_ROLE()")
			if err != nil {
				return nil, err
			}
			if roles != "NONE" {
				show += " FOR CURRENT_USER() USING " + roles
			}
		}
		r, err := s.source.v.Query(ctx, show)
		if err != nil {
			return nil, err
		}
		var all grants
		for i := range r.RowNumber() {
			line, err := r.GetString(i, 0)
			if err != nil {
				return nil, err
			}
			if g, ok := parseGrant(line, v.on("partial_revokes")); ok {
				all = append(all, g)
			}
		}
		return all, nil
	})
}

// parseGrant reads one line of SHOW GRANTS; false for roles, proxies and
// routines. With partial revokes the server takes database names as they are.
func parseGrant(line string, literal bool) (grant, bool) {
	g := grant{literal: literal}
	rest, ok := strings.CutPrefix(line, "GRANT ")
	if !ok {
		if rest, g.revoked = strings.CutPrefix(line, "REVOKE "); !g.revoked {
			return g, false
		}
	}
	on := topLevel(rest, " ON ")
	if on < 0 {
		return g, false // a role
	}
	g.privileges = privilegeList(rest[:on])
	object := rest[on+len(" ON "):]
	if strings.HasPrefix(object, "*.") {
		return g, true
	}
	g.database, object, ok = cutName(object)
	if !ok || !strings.HasPrefix(object, ".") {
		return g, false // a routine or a proxy
	}
	if !strings.HasPrefix(object, ".*") {
		g.table, _, ok = cutName(object[1:])
	}
	return g, ok
}

// topLevel finds sep outside of backticks and parentheses; -1 when it isn't there.
func topLevel(s, sep string) int {
	depth, quoted := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '`':
			quoted = !quoted
		case quoted:
		case depth == 0 && strings.HasPrefix(s[i:], sep):
			return i
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		}
	}
	return -1
}

// privilegeList parts "SELECT, INSERT (`a`, `b`)" and leaves out what is granted
// on columns.
func privilegeList(list string) []string {
	var names []string
	for list != "" {
		one := list
		if i := topLevel(list, ", "); i >= 0 {
			one, list = list[:i], list[i+2:]
		} else {
			list = ""
		}
		if !strings.Contains(one, "(") {
			names = append(names, strings.ToUpper(one))
		}
	}
	return names
}

// cutName takes a name in backticks off the front.
func cutName(s string) (name, rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, "`"); !ok {
		return "", "", false
	}
	var b strings.Builder
	for {
		part, after, found := strings.Cut(s, "`")
		if !found {
			return "", "", false
		}
		b.WriteString(part)
		if !strings.HasPrefix(after, "`") {
			return b.String(), after, true
		}
		b.WriteByte('`')
		s = after[1:]
	}
}

// gives tells whether the line holds the privilege.
func (g *grant) gives(privilege string) bool {
	return slices.Contains(g.privileges, privilege) || slices.Contains(g.privileges, "ALL PRIVILEGES")
}

// cover tells whether the privilege is granted on all tables that an entry can
// mean, those of tomorrow included.
func (all grants) cover(privilege string, database, table name) bool {
	for _, g := range all {
		if g.revoked && g.gives(privilege) && database.matches(g.database) {
			return all.coverLocally(privilege, database, table)
		}
	}
	for _, g := range all {
		if !g.revoked && g.database == "" && g.gives(privilege) {
			return true
		}
	}
	return all.coverLocally(privilege, database, table)
}

func (all grants) coverLocally(privilege string, database, table name) bool {
	return slices.ContainsFunc(all, func(g grant) bool {
		if g.revoked || g.database == "" || !g.gives(privilege) {
			return false
		}
		if g.table != "" {
			return !database.wild && !table.wild && g.database == database.text && g.table == table.text
		}
		if g.literal {
			return !database.wild && g.database == database.text
		}
		return likeCovers(g.database, database)
	})
}

// likeCovers tells whether a LIKE pattern matches every name the other one can
// stand for: the shortest and one longer than any name, of letters that no
// pattern spells out.
func likeCovers(pattern string, n name) bool {
	if !n.wild {
		return like(pattern, n.text)
	}
	one := strings.ReplaceAll(n.text, "?", "\x01")
	return like(pattern, strings.ReplaceAll(one, "*", "")) &&
		like(pattern, strings.ReplaceAll(one, "*", strings.Repeat("\x01", 65)))
}

// like matches as SQL's LIKE does: % any run, _ one character, \ escapes.
func like(pattern, text string) bool {
	return likeRunes([]rune(pattern), []rune(text))
}

func likeRunes(p, t []rune) bool {
	for len(p) > 0 {
		switch {
		case p[0] == '%':
			for i := range len(t) + 1 {
				if likeRunes(p[1:], t[i:]) {
					return true
				}
			}
			return false
		case len(t) == 0:
			return false
		case p[0] == '\\' && len(p) > 1:
			if p[1] != t[0] {
				return false
			}
			p = p[1:]
		case p[0] != '_' && p[0] != t[0]:
			return false
		}
		p, t = p[1:], t[1:]
	}
	return len(t) == 0
}
