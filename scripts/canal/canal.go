// SPDX-License-Identifier: Apache-2.0

// Package canal runs the real alibaba/canal against a test's MySQL and RocketMQ,
// so that Slipway's Canal JSON can be judged by the original: the same binlog,
// two writers, messages compared row by row.
//
// It runs canal 1.1.4, the last version that Maven Central has whole, unchanged
// and on the machine's own Java. Its jars are kept in
// ${SLIPWAY_CACHE:-~/.cache/slipway}/canal-1.1.4.
package canal

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"slipway/shared/checker"
	"slipway/shared/servertest"
)

const (
	// user reads the binlog, with this password.
	user, password = "canal_judge", "canal_judge"
	// patience is how long canal may take for a statement to become a message,
	// its start on a busy machine included.
	patience = 3 * time.Minute
)

// Config says what canal reads and where it writes.
type Config struct {
	// DB is a connection to the source that may create users; see Source.
	DB *sql.DB
	// Address of the source, host:port.
	Address string
	// ServerID is canal's own among the source's replicas.
	ServerID uint32
	// Filter is canal's regular expression over "database.table"; tables that
	// canal can't parse stop it, so take just those to be judged.
	Filter string
	// NameServer is RocketMQ's, host:port; Topic must exist and be empty. All
	// messages go to its queue 0.
	NameServer, Topic string
}

// Canal is a running canal.
type Canal struct {
	t      testing.TB
	cfg    Config
	log    string        // path of its log
	exited chan struct{} // closed when its process ended
}

// Run starts canal at the source's present binlog position; what is committed
// from now on and passes the filter becomes a message. It ends with the test. On
// a machine without Java or Maven the test is skipped, with a line saying so.
func Run(t testing.TB, cfg Config) *Canal {
	t.Helper()
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			servertest.Absent(t, "canal, the judge, needs "+tool+" in PATH")
		}
	}
	jars, err := fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := prepare(t.Context(), cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	c := &Canal{t: t, cfg: cfg, log: filepath.Join(dir, "canal.log"), exited: make(chan struct{})}
	if err := c.start(dir, jars); err != nil {
		t.Fatal(err)
	}
	return c
}

// prepare makes canal's user and finds where to begin.
func prepare(ctx context.Context, cfg Config, dir string) (*settings, error) {
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("address of the source: %w", err)
	}
	if err := checkMetadata(ctx, cfg.DB); err != nil {
		return nil, err
	}
	s := &settings{Config: cfg, Dir: dir, Host: host, Port: port, User: user, Password: password}
	for _, statement := range []string{
		"CREATE USER IF NOT EXISTS " + user,
		"ALTER USER " + user + " IDENTIFIED BY '" + password + "'",
		"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO " + user,
	} {
		if _, err := cfg.DB.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("make canal's user: %w", err)
		}
	}
	if err := login(ctx, cfg.Address); err != nil {
		return nil, fmt.Errorf("log in as canal: %w", err)
	}
	s.File, s.Position, err = position(ctx, cfg.DB)
	return s, err
}

// login logs canal's user in once. Canal 1.1.4 knows only the short form of
// caching_sha2_password, which a server accepts for those it has in its cache.
func login(ctx context.Context, address string) error {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd = "tcp", address, user, password
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return db.PingContext(ctx)
}

// position is the end of the source's binlog. Canal is told it because it would
// ask by SHOW MASTER STATUS, which MySQL has dropped with 8.4.
func position(ctx context.Context, db *sql.DB) (file string, pos uint64, err error) {
	rows, err := db.QueryContext(ctx, "SHOW BINARY LOG STATUS")
	if err != nil {
		rows, err = db.QueryContext(ctx, "SHOW MASTER STATUS")
	}
	if err != nil {
		return "", 0, fmt.Errorf("find the end of the binlog: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return "", 0, fmt.Errorf("find the end of the binlog: binary logging is off: %w", rows.Err())
	}
	var skip sql.RawBytes
	if err := rows.Scan(&file, &pos, &skip, &skip, &skip); err != nil {
		return "", 0, fmt.Errorf("find the end of the binlog: %w", err)
	}
	return file, pos, rows.Err()
}

// start launches canal and has it killed when the test ends.
func (c *Canal) start(dir, jars string) error {
	log, err := os.Create(c.log)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-Xms256m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC"}
	for _, p := range []string{"java.lang", "java.util", "java.net", "java.nio", "sun.nio.ch"} { // canal 1.1.4 was made for Java 8
		args = append(args, "--add-opens=java.base/"+p+"=ALL-UNNAMED")
	}
	args = append(args,
		"-Duser.home="+dir, "-Drocketmq.client.logUseSlf4j=true", "-Djava.net.preferIPv4Stack=true",
		"-Dcanal.conf="+filepath.Join(dir, "canal.properties"),
		"-cp", dir+string(os.PathListSeparator)+filepath.Join(jars, "*"),
		"com.alibaba.otter.canal.deployer.CanalLauncher")
	cmd := exec.Command("java", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start canal: %w", err)
	}
	go func() {
		defer close(c.exited)
		_ = cmd.Wait() // killed below; a death before that shows as missing messages
	}()
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-c.exited
		if c.t.Failed() {
			c.t.Logf("the end of canal's log:\n%s", c.tail())
		}
	})
	return nil
}

// Messages waits until canal has sent a message that contains fence and returns
// the bodies of all before it, in order. So let the last statement of the test
// be one whose message can be told from the others.
func (c *Canal) Messages(fence string) [][]byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		messages, err := checker.Read(ctx, c.cfg.NameServer, []string{c.cfg.Topic})
		// An error may be a new topic's route, which takes a while to show.
		end := slices.IndexFunc(messages, func(m checker.Message) bool { return strings.Contains(string(m.Body), fence) })
		if end >= 0 {
			var bodies [][]byte
			for _, m := range messages[:end] {
				bodies = append(bodies, m.Body)
			}
			return bodies
		}
		select {
		case <-c.exited:
			c.t.Fatalf("canal ended by itself")
		case <-ctx.Done():
			c.t.Fatalf("canal sent %d messages, none with %q (last reading: %v)", len(messages), fence, err)
		case <-time.After(time.Second): // the queue is read whole each time
		}
	}
}

// tail is the end of canal's log.
func (c *Canal) tail() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-8000):])
}
