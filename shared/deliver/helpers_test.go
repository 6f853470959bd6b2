// SPDX-License-Identifier: Apache-2.0

package deliver_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"slipway/shared/change"
	"slipway/shared/pipeline"
	"slipway/shared/rocketmq"
	"slipway/shared/task"
)

const taskFile = `name: lanes
state: file:///unused
source: {hosts: ["127.0.0.1:3306"], user: u}
destination: {version: "5", endpoint: "127.0.0.1:8081", topic: t}
objects: [{match: "d.*"}]
`

func newPipeline(t testing.TB) *pipeline.Pipeline {
	t.Helper()
	parsed, err := task.Load("lanes.yaml", []byte(taskFile), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.New(parsed)
}

var tables = []*change.Table{table("a"), table("b")}

func table(name string) *change.Table {
	return &change.Table{
		Database: "d", Name: name, Key: []int{0}, Primary: true,
		Columns: []change.Column{{Name: "id", Type: change.TypeInt, Declared: "int"}, {Name: "v", Type: change.TypeText, Declared: "text", Charset: "utf8mb4"}},
	}
}

var (
	errAmbiguous = fmt.Errorf("answer lost: %w", rocketmq.ErrAmbiguous)
	errThrottled = error(&rocketmq.RefusedError{Reason: rocketmq.ReasonThrottled, Err: errors.New("slow down")})
	errTooLarge  = error(&rocketmq.RefusedError{Reason: rocketmq.ReasonTooLarge, Err: errors.New("no")})
)
