// SPDX-License-Identifier: Apache-2.0

package mysql_test

import (
	"errors"
	"testing"

	"slipway/shared/fault"
	"slipway/shared/mysql"
)

func TestServersAreToldApartByWhatTheyCallThemselves(t *testing.T) {
	for version, want := range map[string][3]string{
		"9.7.4-2":                 {"SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS", "SHOW REPLICAS"},
		"8.4.0":                   {"SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS", "SHOW REPLICAS"},
		"8.2.0":                   {"SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS", "SHOW REPLICAS"},
		"8.0.44-0ubuntu0.24.04.1": {"SHOW MASTER STATUS", "SHOW REPLICA STATUS", "SHOW REPLICAS"},
		"8.0.31":                  {"SHOW MASTER STATUS", "SHOW REPLICA STATUS", "SHOW REPLICAS"},
		"8.0.21-12":               {"SHOW MASTER STATUS", "SHOW SLAVE STATUS", "SHOW SLAVE HOSTS"},
		"5.7.22-log":              {"SHOW MASTER STATUS", "SHOW SLAVE STATUS", "SHOW SLAVE HOSTS"},
		"8.0.mysql_aurora.3.04.0": {"SHOW MASTER STATUS", "SHOW SLAVE STATUS", "SHOW SLAVE HOSTS"},
	} {
		s, err := mysql.ParseServer(version, "Some Server")
		got := [3]string{s.LogStatus(), s.ReplicaStatus(), s.Replicas()}
		if err != nil || got != want || s.Version != version {
			t.Errorf("%s: %q, %v, want %q", version, got, err, want)
		}
	}
}

func TestServersThatCantBeReadAreRefusedWithARemedy(t *testing.T) {
	for _, s := range [][2]string{
		{"5.7.19", ""},
		{"5.6.51-log", ""},
		{"5.1.73", ""},
		{"10.11.6-MariaDB", ""},
		{"5.5.5-10.4.1-MariaDB-log", ""},
		{"5.7.25-TiDB-v7.1.0", ""},
		{"8.0.30-Vitess", ""},
		{"8.0.31", "OceanBase 4.2"},
		{"weird", ""},
		{"8", ""},
	} {
		_, err := mysql.ParseServer(s[0], s[1])
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || !errors.Is(err, mysql.ErrUnsupported) || f.Class != fault.Blocked || f.Remedy == "" {
			t.Errorf("%q: %v, want a refusal with its remedy", s, err)
		}
	}
}
