// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"slices"
	"strings"
	"testing"

	"slipway/shared/task"
)

// TestC6HashCoversWhatShapesMessages changes each key of a task in turn: those
// that shape messages change the hash, the others don't. A new key must be
// placed in one of the two halves.
func TestC6HashCoversWhatShapesMessages(t *testing.T) {
	text := strings.Replace(base, "  topic: shop\n", "  topic: shop\n  ddlTopic: ddl\n", 1)
	text = strings.Replace(text, "  - match: shop.*\n", "  - {match: shop.*, exclude: [shop.b*, shop.a*]}\n  - match: shop.bonus\n", 1)
	original, bill := load(t, text), pattern(t, "shop.bill")
	changes := map[string]struct {
		shapes bool
		change func(*task.Task)
	}{
		"objects[].match":          {true, func(t *task.Task) { t.Objects[1].Match = bill }},
		"objects[].exclude":        {true, func(t *task.Task) { t.Objects[0].Exclude = t.Objects[0].Exclude[:1] }},
		"objects[].topic":          {true, func(t *task.Task) { t.Objects[1].Topic = "other" }},
		"objects[].keyColumns":     {true, func(t *task.Task) { t.Objects[1].KeyColumns = []string{"a"} }},
		"format":                   {true, func(t *task.Task) { t.Format = "dts-avro" }},
		"order":                    {true, func(t *task.Task) { t.Order = task.OrderTable }},
		"lanes":                    {true, func(t *task.Task) { t.Lanes = 65 }},
		"capitalization":           {true, func(t *task.Task) { t.Capitalization = "upper" }},
		"timezone":                 {true, func(t *task.Task) { t.Timezone = "+01:00" }},
		"destination.topic":        {true, func(t *task.Task) { t.Destination.Topic = "other" }},
		"destination.ddlTopic":     {true, func(t *task.Task) { t.Destination.DDLTopic = "other" }},
		"destination.namespace":    {true, func(t *task.Task) { t.Destination.Namespace = "other" }},
		"name":                     {false, func(t *task.Task) { t.Name = "other" }},
		"environment":              {false, func(t *task.Task) { t.Environment = "other" }},
		"stages":                   {false, func(t *task.Task) { t.Stages = []task.Stage{task.StageFull} }},
		"start":                    {false, func(t *task.Task) { t.Start = "now" }},
		"state":                    {false, func(t *task.Task) { t.State = "s3://other/x" }},
		"source.hosts":             {false, func(t *task.Task) { t.Source.Hosts = []string{"other:1"} }},
		"source.user":              {false, func(t *task.Task) { t.Source.User = "other" }},
		"source.password":          {false, func(t *task.Task) { t.Source.Password = task.NewSecret("X", "y") }},
		"source.tls.mode":          {false, func(t *task.Task) { t.Source.TLS.Mode = task.TLSRequired }},
		"source.tls.ca":            {false, func(t *task.Task) { t.Source.TLS.CA = "other" }},
		"source.tls.cert":          {false, func(t *task.Task) { t.Source.TLS.Cert = "other" }},
		"source.tls.key":           {false, func(t *task.Task) { t.Source.TLS.Key = "other" }},
		"destination.version":      {false, func(t *task.Task) { t.Destination.Version = "4" }},
		"destination.endpoint":     {false, func(t *task.Task) { t.Destination.Endpoint = "other:1" }},
		"destination.instanceId":   {false, func(t *task.Task) { t.Destination.InstanceID = "other" }},
		"destination.accessKey":    {false, func(t *task.Task) { t.Destination.AccessKey = task.NewSecret("X", "y") }},
		"destination.secretKey":    {false, func(t *task.Task) { t.Destination.SecretKey = task.NewSecret("X", "y") }},
		"destination.tls.mode":     {false, func(t *task.Task) { t.Destination.TLS.Mode = task.TLSRequired }},
		"packing.maxRows":          {false, func(t *task.Task) { t.Packing.MaxRows = 1 }},
		"packing.maxBytes":         {false, func(t *task.Task) { t.Packing.MaxBytes = 4096 }},
		"largeMessage":             {false, func(t *task.Task) { t.LargeMessage = "skip" }},
		"onConflict":               {false, func(t *task.Task) { t.OnConflict = "ignore" }},
		"limits.messagesPerSecond": {false, func(t *task.Task) { t.Limits.MessagesPerSecond = 5 }},
		"retry.connection":         {false, func(t *task.Task) { t.Retry.Connection *= 2 }},
		"retry.other":              {false, func(t *task.Task) { t.Retry.Other *= 2 }},
		"accept":                   {false, func(t *task.Task) { t.Accept = []string{"x"} }},
	}
	for path, c := range changes {
		changed := load(t, text)
		c.change(changed)
		if (changed.Hash() != original.Hash()) != c.shapes {
			t.Errorf("%s: shapes messages %v, hash %s, before %s", path, c.shapes, changed.Hash(), original.Hash())
		}
	}
	paths := task.TaskPaths()
	for _, path := range paths {
		isLeaf := !slices.ContainsFunc(paths, func(p string) bool {
			return strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[].")
		})
		if _, ok := changes[path]; isLeaf && !ok {
			t.Errorf("say whether %s shapes messages", path)
		}
	}
}

// The hash is stored in plans: a release that computes another one for the same
// file stops every running task.
func TestC6HashIsPinned(t *testing.T) {
	const want = "b8e6996369624a23ce432f86eb01b7d613aed916f73a4f5ac651ee0e5ff1d121"
	if got := load(t, base).Hash(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestC6HashGoesByMeaning(t *testing.T) {
	one := withObjects(t, "  - {match: shop.*, exclude: [shop.a, shop.b]}\n  - {match: x.y, topic: shop}\n")
	two := withObjects(t, "  - match: \"`x`.y\"\n  - {match: shop.**, exclude: [shop.`b`, shop.a]}\n")
	if one.Hash() != two.Hash() {
		t.Error("order of entries, quoting and a written-out default count")
	}
}
