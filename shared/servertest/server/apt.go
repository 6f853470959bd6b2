// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// aptRoot is an apt of its own in one folder: it sees one Debian suite and an empty machine, and changes nothing
// outside the folder. It works without root.
type aptRoot struct {
	dir   string
	suite string
}

const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// newAptRoot prepares the folder and reads the suite's package lists from the mirror this machine already uses.
func newAptRoot(ctx context.Context, dir, suite string) (aptRoot, error) {
	a := aptRoot{dir: dir, suite: suite}
	for _, t := range []string{"apt-get", "dpkg-deb"} {
		if _, err := tool(t, "apt dpkg"); err != nil {
			return a, err
		}
	}
	mirror, err := debianMirror("/etc/apt")
	if err != nil {
		return a, err
	}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "parts", "prefs", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return a, err
		}
	}
	signed := ""
	if exists(debianKeyring) {
		signed = "[signed-by=" + debianKeyring + "] "
	}
	source := fmt.Sprintf("deb %s%s %s main\n", signed, mirror, suite)
	if err := os.WriteFile(a.path("sources.list"), []byte(source), 0o644); err != nil {
		return a, err
	}
	// perl is declared present: only helper scripts that we never run want it, and it is large.
	status := "Package: perl\nStatus: install ok installed\nMaintainer: none\nArchitecture: " + debianArch() +
		"\nMulti-Arch: allowed\nVersion: 99\nDescription: stand-in\n\n"
	if err := os.WriteFile(a.path("status"), []byte(status), 0o644); err != nil {
		return a, err
	}
	return a, a.get(ctx, "update")
}

func (a aptRoot) path(elem ...string) string {
	return filepath.Join(append([]string{a.dir}, elem...)...)
}

// get runs apt-get inside the folder.
func (a aptRoot) get(ctx context.Context, args ...string) error {
	opts := []string{
		"-q", "-o", "Dir::State=" + a.dir, "-o", "Dir::State::lists=" + a.path("lists"),
		"-o", "Dir::State::status=" + a.path("status"), "-o", "Dir::Cache=" + a.path("cache"),
		"-o", "Dir::Cache::archives=" + a.path("cache", "archives"), "-o", "Dir::Log=" + a.path("log"),
		"-o", "Dir::Etc::sourcelist=" + a.path("sources.list"), "-o", "Dir::Etc::sourceparts=" + a.path("parts"),
		"-o", "Dir::Etc::preferencesparts=" + a.path("prefs"), "-o", "APT::Sandbox::User=root",
		"-o", "APT::Install-Recommends=false", "-o", "APT::Keep-Downloaded-Packages=true",
		"-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3",
		"-o", "DPkg::Post-Invoke=", "-o", "APT::Update::Post-Invoke=", "-o", "APT::Update::Post-Invoke-Success=",
	}
	if err := run(ctx, a.dir, "apt-get", append(opts, args...)...); err != nil {
		return fmt.Errorf("suite %s: %w", a.suite, err)
	}
	return nil
}

// unpack downloads packages with all they depend on and unpacks them below root.
func (a aptRoot) unpack(ctx context.Context, root string, packages ...string) error {
	if err := a.get(ctx, append([]string{"install", "-y", "--download-only"}, packages...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(a.path("cache", "archives", "*.deb"))
	if err != nil || len(debs) == 0 {
		return errors.Join(err, fmt.Errorf("suite %s: apt-get downloaded nothing for %s", a.suite, packages))
	}
	for _, deb := range debs {
		if err := run(ctx, a.dir, "dpkg-deb", "-x", deb, root); err != nil {
			return err
		}
	}
	for _, d := range []string{"doc", "man", "locale", "info", "lintian"} {
		if err := os.RemoveAll(filepath.Join(root, "usr/share", d)); err != nil {
			return err
		}
	}
	return nil
}

// version returns the upstream version of a downloaded package.
func (a aptRoot) version(pkg string) (string, error) {
	debs, err := filepath.Glob(a.path("cache", "archives", pkg+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("suite %s: no single package %s among those downloaded", a.suite, pkg)
	}
	_, version, _ := strings.Cut(filepath.Base(debs[0]), "_")
	version, _, _ = strings.Cut(version, "_")
	return strings.ReplaceAll(version, "%3a", ":"), nil
}

// debianMirror finds the archive this machine's own apt uses, in either of apt's two formats.
func debianMirror(etc string) (string, error) {
	files, _ := filepath.Glob(filepath.Join(etc, "sources.list.d", "*"))
	for _, name := range append(files, filepath.Join(etc, "sources.list")) {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if m := mirrorOf(lines.Text()); m != "" {
				return m, f.Close()
			}
		}
		_ = f.Close()
	}
	return "", fmt.Errorf("no Debian archive named in %s/sources.list or sources.list.d", etc)
}

// mirrorOf returns the first address on a source line that ends in /debian, or "".
func mirrorOf(line string) string {
	if !strings.HasPrefix(line, "deb ") && !strings.HasPrefix(line, "URIs:") {
		return ""
	}
	for word := range strings.FieldsSeq(line) {
		word = strings.TrimSuffix(word, "/")
		if strings.Contains(word, "://") && strings.HasSuffix(word, "/debian") {
			return word
		}
	}
	return ""
}

func debianArch() string { return runtime.GOARCH } // Debian's names agree with Go's on amd64 and arm64
