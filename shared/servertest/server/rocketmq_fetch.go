// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// RocketMQVersion is the version run here.
const RocketMQVersion = "5.5.0"

// seededTopic is in every new store: seeing its route through the proxy means that the whole chain works.
const seededTopic = "slipway-ready"

//go:embed assets
var assets embed.FS

// RocketMQDist is one version of the servers' programs in the cache.
type RocketMQDist struct {
	// Version is RocketMQ's version.
	Version string

	dir string // holds lib/, Launcher.class and, where a C compiler was found, loopback.so
}

// RocketMQ returns the cached programs.
func (c Cache) RocketMQ() (*RocketMQDist, error) {
	d := &RocketMQDist{Version: RocketMQVersion, dir: c.path("rocketmq", RocketMQVersion)}
	if !exists(d.dir) {
		return nil, fmt.Errorf("RocketMQ %s is %w", d.Version, ErrNotCached)
	}
	return d, nil
}

// FetchRocketMQ returns the cached programs, first downloading them with Maven if need be.
func (c Cache) FetchRocketMQ(ctx context.Context, log *slog.Logger) (*RocketMQDist, error) {
	if d, err := c.RocketMQ(); err == nil {
		return d, nil
	}
	java, err := tool("java", "default-jdk-headless")
	if err != nil {
		return nil, err
	}
	mvn, err := tool("mvn", "maven")
	if err != nil {
		return nil, err
	}
	log.Info("downloading RocketMQ with Maven", "version", RocketMQVersion)
	err = c.fill(c.path("rocketmq", RocketMQVersion), func(tmp string) error {
		for _, name := range []string{"pom.xml", "Launcher.java", "loopback.c"} {
			b, err := assets.ReadFile("assets/" + name)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(tmp, name), b, 0o644); err != nil {
				return err
			}
		}
		if err := run(ctx, tmp, mvn, "-q", "-B", mavenDependency+":copy-dependencies", "-Drocketmq.version="+RocketMQVersion,
			"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(tmp, "lib")); err != nil {
			return err
		}
		// The compiler as a module: it is there wherever the modules are, also without the command javac.
		jars, err := filepath.Glob(filepath.Join(tmp, "lib", "*.jar"))
		if err != nil {
			return err
		}
		if err := run(ctx, tmp, java, "-m", "jdk.compiler/com.sun.tools.javac.Main",
			"-cp", strings.Join(jars, ":"), "-d", ".", "Launcher.java"); err != nil {
			return fmt.Errorf("%w; a full JDK is needed: apt-get install default-jdk-headless", err)
		}
		return buildShim(ctx, tmp, log)
	})
	if err != nil {
		return nil, fmt.Errorf("fetch RocketMQ: %w", err)
	}
	return c.RocketMQ()
}

// buildShim compiles the preload library that keeps the proxy on loopback; without a C compiler there is none.
func buildShim(ctx context.Context, dir string, log *slog.Logger) error {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		log.Warn("no gcc: RocketMQ's proxy will listen on every address of this machine")
		return nil //nolint:nilerr // it works without, too
	}
	return run(ctx, dir, gcc, "-shared", "-fPIC", "-O2", "-o", "loopback.so", "loopback.c", "-ldl")
}
