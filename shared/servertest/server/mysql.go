// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// MySQLDist is one version of the server's programs in the cache, beside an initialised data folder to copy.
type MySQLDist struct {
	// Version is the package's version, e.g. 9.7.4-1 or 8.0.31.
	Version string

	dir string // holds root/ and template/
}

// MySQLOptions says how an instance runs.
type MySQLOptions struct {
	// Dir keeps the instance's data; it is created when absent. An instance found there goes on with its data and port.
	Dir string
	// Flags are added to the command line after ours, so that they win.
	Flags []string
	// TLS refuses connections without it. The certificate is for 127.0.0.1, signed by the authority in CAFile.
	TLS bool
	// Outlive lets the server go on when this process ends; otherwise it is killed with it.
	Outlive bool
}

// MySQL is one server instance on loopback: root without a password, binlog in row format with full metadata (which
// 5.7 doesn't have), GTIDs on.
type MySQL struct {
	*Process

	// Addr is host:port.
	Addr string
	// DSN is go-sql-driver's address of the server as root, without a database; it ends in "/".
	DSN string
	// CAFile is the authority to trust; "" without TLS.
	CAFile string
	// Version is the distribution's version.
	Version string

	dist *MySQLDist
	opts MySQLOptions
	port int
}

// commonFlags are those initialising and running need alike. Versions that don't know a --loose one run without it.
func (d *MySQLDist) commonFlags(data string) []string {
	flags := []string{
		"--no-defaults", "--datadir=" + data,
		"--loose-innodb-redo-log-capacity=64M", "--loose-innodb-log-file-size=32M", // before 8.0.30: one of two files
		// Written at every commit but not flushed: a killed server keeps everything, a power cut is not our subject.
		"--innodb-flush-method=nosync",
	}
	root := filepath.Join(d.dir, "root")
	share := filepath.Join(root, "usr/share/mysql")
	if d.fromJar() {
		flags = append(flags, "--basedir="+root, "--lc-messages-dir="+filepath.Join(root, "share"))
	} else {
		flags = append(flags, "--secure-file-priv=NULL", "--lc-messages-dir="+share,
			"--character-sets-dir="+filepath.Join(share, "charsets"), "--plugin-dir="+filepath.Join(root, "usr/lib/mysql/plugin"))
	}
	if os.Geteuid() == 0 {
		flags = append(flags, "--user=root")
	}
	return flags
}

func (d *MySQLDist) fromJar() bool { return mysqlJars[d.Version] != "" }

// program returns the server's command and the environment it needs. Debian's comes with its own C library, so it is
// run through that library's loader; this machine's is never touched.
func (d *MySQLDist) program() (argv, env []string) {
	root := filepath.Join(d.dir, "root")
	if d.fromJar() {
		libs := root + "/bin:" + root + "/lib/private:" + root + "/libaio/" + libDir
		return []string{root + "/bin/mysqld"}, []string{"LD_LIBRARY_PATH=" + libs}
	}
	libs := filepath.Join(root, libDir)
	return []string{filepath.Join(libs, loader), "--library-path", libs, root + "/usr/sbin/mysqld"}, nil
}

// initialise makes the template's content: an empty data folder. The server runs once so that it has its certificates
// (making the keys costs a second); what identifies a server is taken out again.
func (d *MySQLDist) initialise(ctx context.Context) func(tmp string) error {
	return func(tmp string) error {
		data := filepath.Join(tmp, "data")
		argv, env := d.program()
		argv = append(append(argv, d.commonFlags(data)...), "--initialize-insecure", "--log-error="+filepath.Join(tmp, "mysqld.err"))
		p, err := launch{argv: argv, env: env, dir: tmp, name: "initialise"}.start()
		if err != nil {
			return err
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), p.Kill())
		}
		m := &MySQL{dist: d, opts: MySQLOptions{Dir: tmp, Flags: []string{"--skip-log-bin"}}}
		if err := m.start(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, tailOfFile(filepath.Join(tmp, "mysqld.err"), 15))
		}
		if err := m.Stop(); err != nil {
			return err
		}
		return os.Remove(filepath.Join(data, "auto.cnf"))
	}
}

// Start runs an instance in opts.Dir and returns when it answers a query.
func (d *MySQLDist) Start(ctx context.Context, opts MySQLOptions) (*MySQL, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.Dir = dir
	m := &MySQL{Version: d.Version, dist: d, opts: opts}
	if opts.TLS {
		m.CAFile = certificateIn(dir).caFile
	}
	if m.Process = Adopt(dir, "mysqld"); m.Process != nil {
		if err := m.readPort(); err != nil {
			return nil, err
		}
		return m, m.waitReady(ctx)
	}
	if data := filepath.Join(dir, "data"); !exists(data) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		tmp := data + ".tmp" // a crash while copying must not leave half a data folder
		if err := errors.Join(os.RemoveAll(tmp), os.CopyFS(tmp, os.DirFS(filepath.Join(d.dir, "template", "data"))), os.Rename(tmp, data)); err != nil {
			return nil, fmt.Errorf("copy the empty data folder: %w", err)
		}
	}
	if err := m.readPort(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return m, m.start(ctx)
}

// Restart starts a stopped or killed server again on its port and data; without flags it keeps those it had.
func (m *MySQL) Restart(ctx context.Context, flags ...string) error {
	if m.Alive() {
		if err := m.Stop(); err != nil {
			return err
		}
	}
	if len(flags) > 0 {
		m.opts.Flags = flags
	}
	return m.start(ctx)
}

func (m *MySQL) start(ctx context.Context) error {
	if m.port == 0 {
		port, err := freePorts(1)
		if err != nil {
			return err
		}
		m.setPort(port)
		if err := os.WriteFile(m.portFile(), []byte(strconv.Itoa(port)), 0o644); err != nil {
			return err
		}
	}
	argv, env := m.dist.program()
	argv = append(argv, m.dist.commonFlags(filepath.Join(m.opts.Dir, "data"))...)
	argv = append(
		argv, "--port="+strconv.Itoa(m.port), "--bind-address=127.0.0.1", "--loose-mysqlx=OFF", "--performance-schema=OFF",
		"--socket=mysqld.sock", // relative to the data folder: a socket's path may have 107 bytes
		"--pid-file="+filepath.Join(m.opts.Dir, "data", "mysqld.pid"), "--log-error="+m.errFile(),
		"--server-id="+strconv.Itoa(m.port), "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL",
		"--loose-binlog-row-metadata=FULL", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
		"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M",
	)
	if m.opts.TLS {
		cert, err := makeCertificate(m.opts.Dir)
		if err != nil {
			return err
		}
		argv = append(argv, "--ssl-ca="+cert.caFile, "--ssl-cert="+cert.certFile, "--ssl-key="+cert.keyFile, "--require-secure-transport=ON")
	}
	var err error
	m.Process, err = launch{
		argv: append(argv, m.opts.Flags...), env: env, dir: m.opts.Dir, name: "mysqld", outlive: m.opts.Outlive,
	}.start()
	if err != nil {
		return err
	}
	if err := m.waitReady(ctx); err != nil {
		return errors.Join(err, m.Kill())
	}
	return nil
}

func (m *MySQL) waitReady(ctx context.Context) error {
	db, err := OpenMySQL(m.DSN, m.CAFile, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return m.ready(ctx, "MySQL "+m.dist.Version, m.errFile(), time.Minute, func(ctx context.Context) error {
		var one int
		return db.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	})
}

func (m *MySQL) errFile() string  { return filepath.Join(m.opts.Dir, "mysqld.err") }
func (m *MySQL) portFile() string { return filepath.Join(m.opts.Dir, "port") }

func (m *MySQL) readPort() error {
	b, err := os.ReadFile(m.portFile())
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(string(b))
	if err != nil {
		return fmt.Errorf("read %s: %w", m.portFile(), err)
	}
	m.setPort(port)
	return nil
}

func (m *MySQL) setPort(port int) {
	m.port, m.Addr = port, loopback(port)
	m.DSN = "root@tcp(" + m.Addr + ")/"
}
