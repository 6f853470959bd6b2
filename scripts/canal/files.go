// SPDX-License-Identifier: Apache-2.0

package canal

import (
	"context"
	"embed"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// version of canal, as in pom.xml; the cache's folder has it in its name.
const version = "1.1.4"

//go:embed pom.xml conf
var files embed.FS

// settings fill canal's configuration.
type settings struct {
	Config
	Dir, Host, Port string
	User, Password  string
	File            string // the binlog to begin in
	Position        uint64
}

// write lays canal's configuration out in dir.
func (s *settings) write(dir string) error {
	escape := func(text string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
		return b.String()
	}
	templates, err := template.New("").Funcs(template.FuncMap{"xml": escape}).ParseFS(files, "conf/*")
	if err != nil {
		return err
	}
	for _, t := range templates.Templates() {
		f, err := os.Create(filepath.Join(dir, strings.TrimSuffix(t.Name(), ".tmpl")))
		if err != nil {
			return err
		}
		if err := t.Execute(f, s); err != nil {
			return fmt.Errorf("write canal's %s: %w", t.Name(), err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	// Canal takes an instance for configured if its folder has this file.
	instance := filepath.Join(dir, "judge")
	if err := os.MkdirAll(instance, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(instance, "instance.properties"), nil, 0o644)
}

// fetch returns the folder of canal's jars, which Maven fills once. A folder is
// renamed into place when it is whole, so that a broken download leaves nothing.
func fetch(ctx context.Context) (string, error) {
	cache := os.Getenv("SLIPWAY_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the cache (set SLIPWAY_CACHE): %w", err)
		}
		cache = filepath.Join(home, ".cache", "slipway")
	}
	jars := filepath.Join(cache, "canal-"+version)
	if _, err := os.Stat(jars); err == nil {
		return jars, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "canal-fetch-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }() // in the cache; the next fetch makes its own
	pom, err := files.ReadFile("pom.xml")
	if err != nil {
		return "", err
	}
	path := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(path, pom, 0o644); err != nil {
		return "", err
	}
	lib := filepath.Join(work, "lib")
	out, err := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", path,
		"org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
		"-DoutputDirectory="+lib, "-DincludeScope=runtime").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("fetch canal %s by Maven (check its access to Maven Central): %w\n%s", version, err, out)
	}
	// Its metrics would listen on a fixed port.
	if err := os.RemoveAll(filepath.Join(lib, "canal.prometheus-"+version+".jar")); err != nil {
		return "", err
	}
	if err := os.Rename(lib, jars); err != nil {
		if _, there := os.Stat(jars); there == nil {
			return jars, nil // another test was faster
		}
		return "", err
	}
	return jars, nil
}
