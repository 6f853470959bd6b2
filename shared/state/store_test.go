// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/shared/state"
	"slipway/shared/state/statetest"
)

func TestMem(t *testing.T) {
	statetest.Run(t, func(*testing.T) state.Store { return state.NewMem() })
}

func TestMemWatchesOverTheProtocol(t *testing.T) {
	s := state.NewMem()
	must(t, s.Create(t.Context(), "k", []byte("one")))
	if err := s.Put(t.Context(), "k", []byte("two")); !errors.Is(err, state.ErrProtocol) {
		t.Errorf("put over a created key: %v, want ErrProtocol", err)
	}
	must(t, s.Delete(t.Context(), "k"))
	if err := s.Create(t.Context(), "k", []byte("two")); !errors.Is(err, state.ErrProtocol) {
		t.Errorf("another body under a deleted key: %v, want ErrProtocol", err)
	}
	must(t, s.Create(t.Context(), "k", []byte("one")))
}

func TestFile(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return openURL(t, "file://"+t.TempDir()+"/state") })
}

func TestC1FileLeavesNoTemporaries(t *testing.T) {
	dir := t.TempDir()
	s := openURL(t, "file://"+dir)
	must(t, s.Create(t.Context(), "a/b", []byte("one")))
	_ = s.Create(t.Context(), "a/b", []byte("two"))
	must(t, s.Put(t.Context(), "a/c", []byte("three")))
	left, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

// A crash between writing and linking leaves a temporary file, and only that.
func TestC1FileCrashLeavesNoHalfObject(t *testing.T) {
	dir := t.TempDir()
	s := openURL(t, "file://"+dir)
	must(t, s.Create(t.Context(), "a/b", []byte("one")))
	must(t, os.WriteFile(filepath.Join(dir, ".tmp", "CRASHED"), []byte("ha"), 0o600))
	s = openURL(t, "file://"+dir)
	var keys []string
	for key, err := range s.List(t.Context(), "", "") {
		must(t, err)
		keys = append(keys, key)
	}
	if len(keys) != 1 || keys[0] != "a/b" {
		t.Errorf("list shows %q, want a/b alone", keys)
	}
}

func TestFileRefusesToFollowALinkOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	s := openURL(t, "file://"+dir)
	must(t, os.Symlink(outside, filepath.Join(dir, "task")))
	if err := s.Create(t.Context(), "task/k", []byte("x")); err == nil {
		t.Error("create went through a symbolic link out of the folder")
	}
	if err := s.Put(t.Context(), "task/k", []byte("x")); err == nil {
		t.Error("put went through a symbolic link out of the folder")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("the outside folder holds %v (%v), want nothing", left, err)
	}
}

const raceVar = "SLIPWAY_TEST_RACE"

// TestC1FileRaceOfProcesses starts four processes, each of which creates the same 50
// keys under its own name; together they must win each key once.
func TestC1FileRaceOfProcesses(t *testing.T) {
	if dir := os.Getenv(raceVar); dir != "" {
		raceChild(t, dir)
		return
	}
	dir := t.TempDir()
	var children []*exec.Cmd
	var outs []*strings.Builder
	for range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestC1FileRaceOfProcesses$", "-test.v")
		cmd.Env = append(os.Environ(), raceVar+"="+dir)
		out := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, out
		must(t, cmd.Start())
		children, outs = append(children, cmd), append(outs, out)
	}
	wins := map[string]int{}
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("child %d: %v\n%s", i, err, outs[i])
		}
		for line := range strings.Lines(outs[i].String()) {
			if key, ok := strings.CutPrefix(strings.TrimSpace(line), "won "); ok {
				wins[key]++
			}
		}
	}
	if len(wins) != raceKeys {
		t.Errorf("%d keys have a winner, want %d", len(wins), raceKeys)
	}
	for key, n := range wins {
		if n != 1 {
			t.Errorf("%s has %d winners", key, n)
		}
	}
}

const raceKeys = 50

func raceChild(t *testing.T, dir string) {
	s := openURL(t, "file://"+dir)
	for i := range raceKeys {
		key := fmt.Sprintf("task/%d/k", i)
		switch err := s.Create(t.Context(), key, fmt.Appendf(nil, "pid %d", os.Getpid())); {
		case err == nil:
			fmt.Fprintf(os.Stdout, "\nwon %s\n", key)
		case !errors.Is(err, state.ErrExists):
			t.Fatal(err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	readOnly := filepath.Join(t.TempDir(), "a file")
	must(t, os.WriteFile(readOnly, nil, 0o600))
	tests := []struct{ name, url, want string }{
		{"an unknown scheme", "gs://bucket", `scheme "gs"`},
		{"no URL at all", "://", "malformed"},
		{"a relative folder", "file://dir/x", "absolute path"},
		{"a folder that is a file", "file://" + readOnly, "state folder"},
		{"credentials in the URL", "s3://id:hunter2@bucket/p", "in the environment"},
		{"credentials in the query", "s3://bucket/p?accessKey=hunter2", "accessKey is unknown"},
		{"credentials in the endpoint", "s3://bucket/p?endpoint=http://id:hunter2@h", "in the environment"},
		{"no bucket", "s3:///p", "no bucket name"},
		{"a bucket in capitals", "s3://Bucket", "no bucket name"},
		{"an endpoint without scheme", "s3://bucket?endpoint=localhost:9000", "endpoint"},
		{"a parameter twice", "s3://bucket?region=a&region=b", "twice"},
		{"an escape in the prefix", "s3://bucket/../x", "dot"},
		{"s3 without region", "s3://bucket/p", "region"},
		{"oss without region", "oss://bucket/p", "region"},
		{"a style that is none", "s3://bucket?region=a&pathStyle=yes", "true or false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := state.Open(t.Context(), tt.url)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("open %s: %v, want an error with %q", tt.url, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func openURL(t *testing.T, url string) state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), url)
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
