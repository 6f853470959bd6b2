// SPDX-License-Identifier: Apache-2.0

// Package server brings real MySQL, RocketMQ and S3 servers to one machine and runs them on loopback, for tests, the demo
// and the benchmarks. Nothing is installed: the programs are fetched once into a [Cache], keyed by version, and every
// instance keeps all it writes in one folder of the caller's.
//
// Two invariants: a version's folder in the cache is complete or absent (it is filled elsewhere and renamed into
// place under a lock), and an instance is stopped through the process id it recorded itself, never by name.
package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNotCached says that a server's programs have not been fetched yet.
var ErrNotCached = errors.New("not in the cache yet: run `go run ./scripts/services fetch` once")

// Cache is the folder that keeps downloaded servers, one sub-folder per version.
type Cache struct {
	// Dir is the cache's absolute path.
	Dir string
}

// OpenCache returns the cache in $SLIPWAY_CACHE, or in the user's cache folder when that is unset.
func OpenCache() (Cache, error) {
	dir := os.Getenv("SLIPWAY_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return Cache{}, fmt.Errorf("find a folder for downloads: %w; set SLIPWAY_CACHE", err)
		}
		dir = filepath.Join(base, "slipway")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Cache{}, fmt.Errorf("find a folder for downloads: %w; set SLIPWAY_CACHE", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Cache{}, fmt.Errorf("create the folder for downloads: %w; set SLIPWAY_CACHE", err)
	}
	return Cache{Dir: dir}, nil
}

// path returns a path inside the cache.
func (c Cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir}, elem...)...)
}

// fill makes the folder dir by running build on a neighbouring temporary folder and renaming it into place; a dir that
// is there already is left alone. A crash leaves only the temporary folder, which the next fill of dir removes.
func (c Cache) fill(dir string, build func(tmp string) error) error {
	unlock, err := Lock(dir + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if exists(dir) {
		return nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	if err := build(tmp); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, dir)
}

// Lock takes the lock file at path, waiting for another process to let it go, and returns what releases it. The
// kernel releases it too when the process dies.
func Lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// tool finds a program on PATH; pkg is the Debian package that has it.
func tool(name, pkg string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is missing: apt-get install %s", name, pkg)
	}
	return path, nil
}

// run executes a program to its end; its last lines of output are part of the error.
func run(ctx context.Context, dir, name string, args ...string) error {
	return runEnv(ctx, dir, nil, name, args...)
}

// runEnv is run with additions to the environment.
func runEnv(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, lastLines(string(out), 12))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lastLines returns the end of a text, at most n lines.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// tailOfFile returns the last n lines of a file, or why it can't be read.
func tailOfFile(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b), n)
}
