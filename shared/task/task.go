// SPDX-License-Identifier: Apache-2.0

// Package task holds what the user asked for: the task file, read strictly.
//
// Load reports every problem of a file at once, each with its line, column,
// path and what was expected there; a key whose feature isn't built yet is
// refused, never ignored. A *Task that Load returned without an error keeps
// these invariants: defaults are filled in, every value is in its documented
// range, and no secret shows when the task is printed, logged or encoded. A
// Task doesn't change after Load, so goroutines may share it; the one exception
// is FoldCase, which is set before the task is shared.
//
// The package talks to nothing: what only servers can tell (whether a table or
// a topic exists) is the precheck's business.
package task

import (
	"fmt"
	"slices"
	"time"
)

// Task is one migration as the task file describes it; the YAML keys are the
// struct's. docs/configuration.md explains each key.
type Task struct {
	// Name is the task's folder in the state store, [a-z0-9-]{1,40}.
	// Default: the file's name without its extension.
	Name string `yaml:"name"`
	// Environment is a free label for logs, metrics and alerts.
	Environment string `yaml:"environment,omitempty"`
	// Stages are [full], [incremental] or [full, incremental] (default).
	Stages []Stage `yaml:"stages,flow"`
	// Start says where an incremental-only task begins: "now". Empty otherwise.
	Start string `yaml:"start,omitempty"`
	// State is the URL of the state store: file:///dir, s3:// or oss://bucket/prefix.
	State       string      `yaml:"state"`
	Source      Source      `yaml:"source"`
	Destination Destination `yaml:"destination"`
	// Objects select the tables. At least one.
	Objects []Object `yaml:"objects"`
	Format  Format   `yaml:"format"`
	Order   Order    `yaml:"order"`
	// Lanes is the number of ordered streams under `order: key`, 1 to 1024.
	Lanes        int          `yaml:"lanes"`
	Packing      Packing      `yaml:"packing"`
	LargeMessage LargeMessage `yaml:"largeMessage"`
	OnConflict   OnConflict   `yaml:"onConflict"`
	// Capitalization of names in messages; "default" keeps the source's.
	Capitalization string `yaml:"capitalization"`
	// Timezone is the session time zone in which values are written: an offset
	// (+08:00) or an IANA name. See Location.
	Timezone string `yaml:"timezone"`
	Limits   Limits `yaml:"limits"`
	Retry    Retry  `yaml:"retry"`
	// Accept names the precheck warnings taken knowingly.
	Accept []string `yaml:"accept,omitempty,flow"`

	// FoldCase makes Select compare names without case. The caller sets it
	// from the server's lower_case_table_names (true unless that is 0) before
	// it shares the task.
	FoldCase bool `yaml:"-"`

	location *time.Location
	unset    []string
}

// Stage is one half of a migration.
type Stage string

// The stages: the snapshot, and the binlog tail.
const (
	StageFull        Stage = "full"
	StageIncremental Stage = "incremental"
)

// Source is the MySQL server that is read.
type Source struct {
	// Hosts are host:port; one in this release. A missing port is 3306.
	Hosts    []string  `yaml:"hosts,flow"`
	User     string    `yaml:"user"`
	Password Secret    `yaml:"password,omitempty"`
	TLS      SourceTLS `yaml:"tls"`
}

// SourceTLS says how the connection to MySQL is protected. CA, Cert and Key
// are paths of PEM files.
type SourceTLS struct {
	Mode TLSMode `yaml:"mode"`
	CA   string  `yaml:"ca,omitempty"`
	Cert string  `yaml:"cert,omitempty"`
	Key  string  `yaml:"key,omitempty"`
}

// TLSMode is MySQL's own ladder of TLS modes, without "preferred".
type TLSMode string

// The TLS modes, weakest first. The destination knows the first two.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSRequired       TLSMode = "required"
	TLSVerifyCA       TLSMode = "verify-ca"
	TLSVerifyIdentity TLSMode = "verify-identity"
)

// Destination is the RocketMQ instance that is written to.
type Destination struct {
	// Version is the broker generation: "5".
	Version string `yaml:"version"`
	// Endpoint is the host:port of the gRPC proxy.
	Endpoint   string         `yaml:"endpoint"`
	InstanceID string         `yaml:"instanceId,omitempty"`
	AccessKey  Secret         `yaml:"accessKey,omitempty"`
	SecretKey  Secret         `yaml:"secretKey,omitempty"`
	TLS        DestinationTLS `yaml:"tls"`
	// Topic takes the rows of every table whose entry names no topic.
	Topic string `yaml:"topic"`
	// DDLTopic takes the DDL; Load fills it with Topic when it is blank.
	DDLTopic  string `yaml:"ddlTopic"`
	Namespace string `yaml:"namespace,omitempty"`
}

// DestinationTLS says whether the connection to RocketMQ is encrypted.
type DestinationTLS struct {
	Mode TLSMode `yaml:"mode"`
}

// Object is one entry of `objects`: the tables it selects and how they are
// delivered. Use Task.Select to learn which entry governs a table.
type Object struct {
	Match   Pattern   `yaml:"match"`
	Exclude []Pattern `yaml:"exclude,omitempty,flow"`
	Topic   string    `yaml:"topic,omitempty"`
	// KeyColumns decide under `order: key` which rows share a lane and so keep
	// their order; empty means the primary key, else the unique key.
	KeyColumns []string `yaml:"keyColumns,omitempty,flow"`
}

// Format is the encoding of message bodies.
type Format string

// CanalJSON is the flat message of alibaba/canal.
const CanalJSON Format = "canal-json"

// Order says which rows keep their order towards each other.
type Order string

// The orders: per row key, per table, or one for the whole task.
const (
	OrderKey    Order = "key"
	OrderTable  Order = "table"
	OrderGlobal Order = "global"
)

// Packing bounds how many neighbouring rows share a message when a lane has a
// backlog. MaxRows 1 switches packing off.
type Packing struct {
	MaxRows  int  `yaml:"maxRows"`
	MaxBytes Size `yaml:"maxBytes"`
}

// LargeMessage says what happens to a row that exceeds the broker's message limit.
type LargeMessage string

// LargeMessageFail stops the task and names the row.
const LargeMessageFail LargeMessage = "fail"

// OnConflict says what happens when the state or the topic holds an earlier run.
type OnConflict string

// OnConflictError reports it and stops.
const OnConflictError OnConflict = "error"

// Limits throttle the task.
type Limits struct {
	// MessagesPerSecond is the highest rate of sends, 0 for no limit.
	MessagesPerSecond int `yaml:"messagesPerSecond"`
}

// Retry says for how long a failure is retried before the task stops.
type Retry struct {
	// Connection is for lost connections, Other for everything else that may
	// pass; Other is shorter.
	Connection Duration `yaml:"connection"`
	Other      Duration `yaml:"other"`
}

// Full reports whether the task reads a snapshot.
func (t *Task) Full() bool { return slices.Contains(t.Stages, StageFull) }

// Incremental reports whether the task follows the binlog.
func (t *Task) Incremental() bool { return slices.Contains(t.Stages, StageIncremental) }

// Location is the time zone of Timezone.
func (t *Task) Location() *time.Location {
	if t.location != nil {
		return t.location
	}
	loc, err := parseTimezone(t.Timezone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// Unset names the environment variables the file refers to that weren't set,
// sorted. It is empty unless the task was loaded with AllowUnset; while it
// isn't, the task can be shown but not run.
func (t *Task) Unset() []string { return slices.Clone(t.unset) }

// Topics lists every topic the task may write to, sorted, each once, without
// the namespace.
func (t *Task) Topics() []string {
	topics := []string{t.Destination.Topic, t.Destination.DDLTopic}
	for _, o := range t.Objects {
		topics = append(topics, o.Topic)
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	return slices.DeleteFunc(topics, func(s string) bool { return s == "" })
}

// Warnings lists what is allowed but unwise, each as "path: what and why".
func (t *Task) Warnings() []string {
	var out []string
	warn := func(path string, got, least Duration, why string) {
		if got < least {
			out = append(out, fmt.Sprintf("%s: %s is less than the advised %s; %s", path, got, least, why))
		}
	}
	warn("retry.connection", t.Retry.Connection, advisedConnectionRetry, "a failover or a restart may take longer")
	warn("retry.other", t.Retry.Other, advisedOtherRetry, "a broker under load may need longer")
	return out
}

const (
	advisedConnectionRetry = Duration(30 * time.Minute)
	advisedOtherRetry      = Duration(10 * time.Minute)
)

// defaults is the task before the file is read.
func defaults() *Task {
	return &Task{
		Stages:         []Stage{StageFull, StageIncremental},
		Source:         Source{TLS: SourceTLS{Mode: TLSDisabled}},
		Destination:    Destination{TLS: DestinationTLS{Mode: TLSDisabled}},
		Format:         CanalJSON,
		Order:          OrderKey,
		Lanes:          64,
		Packing:        Packing{MaxRows: 500, MaxBytes: 256 << 10},
		LargeMessage:   LargeMessageFail,
		OnConflict:     OnConflictError,
		Capitalization: "default",
		Timezone:       "+00:00",
		Retry:          Retry{Connection: Duration(720 * time.Minute), Other: Duration(10 * time.Minute)},
	}
}
