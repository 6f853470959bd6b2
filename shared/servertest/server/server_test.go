// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/shared/servertest/server"
)

func TestDebianMirrorIsFoundInEitherFormatOfApt(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"one line", "sources.list", "# deb http://old/debian x main\ndeb [arch=amd64] http://mirror/debian/ bookworm main\n", "http://mirror/debian"},
		{"deb822", "sources.list.d/debian.sources", "Types: deb\nURIs: https://mirror/a/debian\nSuites: bookworm\n", "https://mirror/a/debian"},
		{"security only", "sources.list", "deb http://mirror/debian-security bookworm-security main\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			etc := t.TempDir()
			file := filepath.Join(etc, c.file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(c.text), 0o644)); err != nil {
				t.Fatal(err)
			}
			got, err := server.DebianMirror(etc)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("mirror = %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestAFolderOfTheCacheIsCompleteOrAbsent(t *testing.T) {
	cache := server.Cache{Dir: t.TempDir()}
	dir := filepath.Join(cache.Dir, "thing", "1.0")
	half := func(tmp string) error {
		return errors.Join(os.WriteFile(filepath.Join(tmp, "half"), nil, 0o644), errors.New("cut off"))
	}
	if err := cache.Fill(dir, half); err == nil {
		t.Fatal("the builder's error is lost")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a failed build left its folder: %v", err)
	}
	// What a crash leaves behind must not become part of the next build.
	if err := errors.Join(os.MkdirAll(dir+".tmp", 0o755), os.WriteFile(dir+".tmp/half", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	builds := 0
	whole := func(tmp string) error {
		builds++
		return os.WriteFile(filepath.Join(tmp, "whole"), nil, 0o644)
	}
	for range 2 {
		if err := cache.Fill(dir, whole); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "whole" || builds != 1 {
		t.Errorf("%v, %v after %d builds, want one build's file alone", files, err, builds)
	}
}

func TestUnpackingKeepsModesAndLinksAndRefusesToLeaveTheFolder(t *testing.T) {
	entries := []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "bin/run", Typeflag: tar.TypeReg, Mode: 0o755, Size: 3},
		{Name: "lib/link", Typeflag: tar.TypeSymlink, Linkname: "../bin/run"},
	}
	dir := t.TempDir()
	if err := server.UntarFromZip(pack(t, entries), "in.tar.gz", dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "lib/link"))
	if err != nil || info.Mode().Perm()&0o100 == 0 || info.Size() != 3 {
		t.Errorf("the link shows %v, %v, want a program of 3 bytes", info, err)
	}
	outside := []tar.Header{{Name: "../outside", Typeflag: tar.TypeReg, Mode: 0o644, Size: 3}}
	if err := server.UntarFromZip(pack(t, outside), "in.tar.gz", dir); err == nil || !strings.Contains(err.Error(), "leaves the folder") {
		t.Errorf("error = %v, want a refusal", err)
	}
}

// pack writes a zip file holding in.tar.gz with the entries; each file's content is "abc".
func pack(t *testing.T, entries []tar.Header) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	inner, err := z.Create("in.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	g := gzip.NewWriter(inner)
	w := tar.NewWriter(g)
	for i := range entries {
		if err := w.WriteHeader(&entries[i]); err != nil {
			t.Fatal(err)
		}
		if entries[i].Size > 0 {
			if _, err := w.Write([]byte("abc")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), g.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPidFileOfAnotherProgramIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"1", "not a number", "999999999"} {
		if err := os.WriteFile(filepath.Join(dir, "mysqld.pid"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if p := server.Adopt(dir, "mysqld"); p != nil {
			t.Errorf("pid file %q: process %d was taken for ours", text, p.Pid())
		}
	}
}
