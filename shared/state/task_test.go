// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/shared/state"
)

func TestTaskKeys(t *testing.T) {
	task, err := state.NewTask(state.NewMem(), "shop")
	must(t, err)
	orders := state.Table("shop", "orders 2")
	tests := map[string]string{
		task.TaskFile():                 "shop/task.yaml",
		task.Precheck():                 "shop/precheck.json",
		task.Status():                   "shop/status.json",
		task.Plan():                     "shop/plan.json",
		task.PlanPage(2):                "shop/plan/00000000000000000002.json",
		task.Chunks(orders):             "shop/chunks/shop.orders%202/",
		task.Generation(orders, 1):      "shop/chunks/shop.orders%202/1/",
		task.GenerationPlan(orders, 1):  "shop/chunks/shop.orders%202/1/plan.json",
		task.ChunkRows(orders, 0, "7"):  "shop/chunks/shop.orders%202/0/7.rows",
		task.ChunkDone(orders, 0, "7+"): "shop/chunks/shop.orders%202/0/7+.done.json",
		task.Void(orders, 0):            "shop/chunks/shop.orders%202/0/void.json",
		task.Worker("abc"):              "shop/workers/abc.json",
		task.Workers():                  "shop/workers/",
		task.Seam(orders, 0, 1):         "shop/seam/shop.orders%202/0/00000000000000000001.json",
		task.Seams(orders):              "shop/seam/shop.orders%202/",
		task.Checkpoint(12):             "shop/checkpoints/00000000000000000012.json",
		task.Control(3):                 "shop/control/00000000000000000003.json",
		task.Controls():                 "shop/control/",
		task.SchemaAt(4, "ab12"):        "shop/schema/00000000000000000004-ab12.json",
		task.Schemas():                  "shop/schema/",
		task.XA("u-u-i:5", 1):           "shop/xa/u-u-i%3A5/00000000000000000001.rows",
		task.Large("00ff"):              "shop/large/00ff",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("key is %s, want %s", got, want)
		}
		if err := state.CheckKey(strings.TrimSuffix(got, "/")); err != nil {
			t.Error(err)
		}
	}
}

func TestTaskNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "..", "_probe", "a b", ".tmp"} {
		if _, err := state.NewTask(state.NewMem(), name); err == nil {
			t.Errorf("a task may be called %q", name)
		}
	}
}

// identifiers are MySQL names: up to 64 characters of any script, biased to what could
// confuse a key.
func identifiers() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("a./%~_-表2E")), rapid.Rune()), 1, 64, -1)
}

func TestTableKeysAreSoundAndDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := identifiers().Draw(t, "database"), identifiers().Draw(t, "table")
		c, d := identifiers().Draw(t, "other database"), identifiers().Draw(t, "other table")
		if rapid.Bool().Draw(t, "move the dot") {
			joined := a + "." + b
			i := rapid.IntRange(0, len(joined)).Draw(t, "cut")
			c, d = joined[:i], strings.TrimPrefix(joined[i:], ".")
		}
		one, two := state.Table(a, b), state.Table(c, d)
		if (one == two) != (a == c && b == d) {
			t.Fatalf("%q.%q has the key %s, %q.%q has %s", a, b, one, c, d, two)
		}
		if err := state.CheckKey("task/chunks/" + string(one) + "/0/1.done.json"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestJSONRoundTrip(t *testing.T) {
	type note struct {
		Text string `json:"text"`
	}
	s := state.NewMem()
	if _, err := state.GetJSON[note](t.Context(), s, "t/n.json"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("get of nothing: %v, want ErrNotFound", err)
	}
	must(t, state.CreateJSON(t.Context(), s, "t/n.json", note{"one"}))
	must(t, state.CreateJSON(t.Context(), s, "t/n.json", note{"one"}))
	if err := state.CreateJSON(t.Context(), s, "t/n.json", note{"two"}); !errors.Is(err, state.ErrExists) {
		t.Errorf("create of another: %v, want ErrExists", err)
	}
	got, err := state.GetJSON[note](t.Context(), s, "t/n.json")
	if err != nil || got.Text != "one" {
		t.Errorf("got %+v, %v", got, err)
	}
	must(t, s.Put(t.Context(), "t/status.json", []byte("{half")))
	if _, err := state.GetJSON[note](t.Context(), s, "t/status.json"); err == nil || !strings.Contains(err.Error(), "t/status.json") {
		t.Errorf("get of garbage: %v, want an error that names the object", err)
	}
	if err := state.PutJSON(t.Context(), s, "t/status.json", func() {}); err == nil {
		t.Error("a function was put as JSON")
	}
}
