// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/shared/rocketmq/rocketmqtest"
	"slipway/shared/servertest"
)

// asMain makes this test binary the program itself.
const asMain = "SLIPWAY_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// timeout is long after anything here should have ended.
const timeout = time.Minute

const (
	user     = "slipway_cli"
	password = "open sesame"
)

// taskFile is one task on its way to the program.
type taskFile struct {
	source, user, endpoint, tls, topic, match, state string
}

// write writes the file; what is left out points nowhere.
func (f taskFile) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&f.source, nowhere(t))
	set(&f.endpoint, nowhere(t))
	set(&f.user, user)
	set(&f.tls, "required")
	set(&f.topic, "no_such_topic")
	set(&f.match, "no_such_database.*")
	set(&f.state, "file://"+filepath.Join(dir, "state"))
	path := filepath.Join(dir, "task.yaml")
	text := fmt.Sprintf(`
name: cli
state: %s
source: {hosts: ["%s"], user: %s, password: "${CLI_TEST_PASSWORD}"}
destination: {version: "5", endpoint: "%s", topic: %s, tls: {mode: %s}}
objects: [{match: "%s"}]
accept: [CHECK_DURABILITY, CHECK_BINLOG_RETENTION]
`, f.state, f.source, f.user, f.endpoint, f.topic, f.tls, f.match)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nowhere is an address that refuses connections.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// program is the program running.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner // standard output
	out    []string       // its lines so far
	errors bytes.Buffer   // standard error; read it after wait
	notice chan struct{}  // closed when standard error says that it drains
	copied chan struct{}
}

// start starts the program with these arguments.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], args...), notice: make(chan struct{}), copied: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asMain+"=1", "CLI_TEST_PASSWORD="+password, "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY="+password)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(timeout, func() { _ = p.cmd.Process.Kill() })
	t.Cleanup(func() { kill.Stop() })
	p.lines = bufio.NewScanner(out)
	go func() {
		defer close(p.copied)
		said := false
		for s := bufio.NewScanner(errs); s.Scan(); {
			p.errors.WriteString(s.Text() + "\n")
			if !said && strings.Contains(s.Text(), "draining, once more to quit at once") {
				said = true
				close(p.notice)
			}
		}
	}()
	return p
}

// until reads standard output up to a JSON object that will do.
func (p *program) until(what string, ok func(m map[string]any) bool) {
	p.t.Helper()
	for p.lines.Scan() {
		p.out = append(p.out, p.lines.Text())
		var m map[string]any
		if err := json.Unmarshal(p.lines.Bytes(), &m); err != nil {
			p.t.Fatalf("no JSON object: %s", p.lines.Text())
		}
		if ok(m) {
			return
		}
	}
	code := p.wait()
	p.t.Fatalf("it ended with exit code %d without %s:\n%s\n%s", code, what, strings.Join(p.out, "\n"), p.errors.String())
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait reads the rest of the output and gives the exit code.
func (p *program) wait() int {
	p.t.Helper()
	for p.lines.Scan() {
		p.out = append(p.out, p.lines.Text())
	}
	<-p.copied
	err := p.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		p.t.Fatal(err)
	}
	if strings.Contains(strings.Join(p.out, "\n")+p.errors.String(), password) {
		p.t.Errorf("the output shows a secret:\n%s\n%s", strings.Join(p.out, "\n"), p.errors.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// last is the last JSON object of the output.
func (p *program) last() map[string]any {
	p.t.Helper()
	var m map[string]any
	if len(p.out) == 0 {
		return nil
	}
	if err := json.Unmarshal([]byte(p.out[len(p.out)-1]), &m); err != nil {
		p.t.Fatalf("the last line is no JSON object: %s", p.out[len(p.out)-1])
	}
	return m
}

func TestExitCodeTellsWhatIsWrong(t *testing.T) {
	tests := []struct {
		name string
		args func(t *testing.T) []string
		exit int
		code string // of the JSON error
	}{
		{"no such file", func(*testing.T) []string { return []string{"run", "no/such/file.yaml"} }, 2, "Config"},
		{"unreachable source", func(t *testing.T) []string { return []string{"run", taskFile{}.write(t)} }, 10, "SourceUnreachable"},
		{"precheck of an unreachable source", func(t *testing.T) []string { return []string{"precheck", taskFile{}.write(t)} }, 3, "Blocked"},
		{"unreachable store", func(t *testing.T) []string {
			return []string{"status", "--state", "s3://bucket/x?region=us-east-1&endpoint=http://" + nowhere(t), "shop"}
		}, 1, "StoreUnreachable"},
		{"wrong password", func(t *testing.T) []string {
			return []string{"run", taskFile{source: servertest.MySQL(t).Addr, user: "nobody"}.write(t)}
		}, 10, "SourceUnreachable"},
		{"unreachable destination", func(t *testing.T) []string {
			return []string{"run", taskFile{source: account(t)}.write(t)}
		}, 13, "SinkUnreachable"},
		{"no such topic", func(t *testing.T) []string {
			return []string{"run", taskFile{source: account(t), endpoint: servertest.RocketMQ(t).Endpoint}.write(t)}
		}, 3, "Blocked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args(t)
			p := start(t, append(args, "--output", "json")...)
			if exit := p.wait(); exit != tt.exit {
				t.Errorf("exit code %d, want %d:\n%s\n%s", exit, tt.exit, strings.Join(p.out, "\n"), p.errors.String())
			}
			if m := p.last(); m["message_type"] != "error" || m["code"] != tt.code {
				t.Errorf("the last object is %v, want the error %s", m, tt.code)
			}
			p = start(t, args...)
			if exit := p.wait(); exit != tt.exit || !strings.Contains(p.errors.String(), "error: "+tt.code+": ") {
				t.Errorf("as text: exit code %d, standard error\n%s", exit, p.errors.String())
			}
		})
	}
}

// account makes an account that may do all a task needs, and gives the server's address.
func account(t *testing.T) string {
	t.Helper()
	db := servertest.MySQL(t)
	db.Exec(t,
		fmt.Sprintf("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY '%s'", user, password),
		fmt.Sprintf("GRANT SELECT, SHOW VIEW, REPLICATION CLIENT, REPLICATION SLAVE, XA_RECOVER_ADMIN ON *.* TO %s@'%%'", user))
	return db.Addr
}

// TestSignalEndsACommand: a server that doesn't answer is given up at once.
func TestSignalEndsACommand(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, "precheck", taskFile{source: l.Addr().String()}.write(t), "--output", "json")
	conn, err := l.Accept() // now it waits for a greeting that never comes
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.signal(syscall.SIGTERM)
	if exit := p.wait(); exit != 130 || p.last()["code"] != "Interrupted" {
		t.Errorf("exit code %d, last object %v\n%s", exit, p.last(), p.errors.String())
	}
}

// inTail tells that a tail has begun and committed.
func inTail(m map[string]any) bool {
	return m["message_type"] == "progress" && m["phase"] == "tail" && m["checkpoint"] != nil && m["waitingFor"] == nil
}

func TestRunMigratesDrainsAndGoesOn(t *testing.T) {
	mysql, broker := servertest.MySQL(t), servertest.RocketMQ(t)
	database := mysql.Database(t)
	do := func(format string) { mysql.Exec(t, fmt.Sprintf(format, database)) }
	do("CREATE TABLE %s.orders (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50))")
	do("INSERT INTO %s.orders (name) VALUES ('a'), ('b'), ('c')")
	path := taskFile{source: account(t), endpoint: broker.Endpoint, topic: broker.Topic(t, 4), match: database + ".*"}.write(t)

	p := start(t, "run", path, "--output", "json")
	p.until("a tail", inTail)
	do("INSERT INTO %s.orders (name) VALUES ('d'), ('e')")
	p.until("two more rows", func(m map[string]any) bool { return m["seq"] == 2.0 })

	second := start(t, "run", path, "--output", "json")
	if exit := second.wait(); exit != 11 || second.last()["code"] != "Locked" {
		t.Errorf("a second run: exit code %d, last object %v\n%s", exit, second.last(), second.errors.String())
	}

	p.signal(syscall.SIGTERM)
	if exit := p.wait(); exit != 0 {
		t.Fatalf("exit code %d\n%s", exit, p.errors.String())
	}
	if m := p.last(); m["message_type"] != "end" || m["outcome"] != "drained" || m["seq"] != 2.0 {
		t.Errorf("the last object is %v", m)
	}

	s := start(t, "status", path, "--output", "json")
	s.wait()
	snapshot, _ := s.last()["snapshot"].(map[string]any)
	checkpoint, _ := s.last()["checkpoint"].(map[string]any)
	if s.last()["phase"] != "Suspending" || snapshot["rows"] != 3.0 || checkpoint["released"] != true {
		t.Errorf("status: %v", s.last())
	}

	do("INSERT INTO %s.orders (name) VALUES ('f')")
	p = start(t, "run", path, "--output", "json")
	p.until("the row written meanwhile", func(m map[string]any) bool { return m["phase"] == "tail" && m["seq"] == 3.0 })
	p.signal(os.Interrupt)
	if exit := p.wait(); exit != 0 {
		t.Errorf("exit code %d\n%s", exit, p.errors.String())
	}
}

func TestSignalEndsAWatchWell(t *testing.T) {
	p := start(t, "status", "--watch", "--interval", "100ms", taskFile{}.write(t), "--output", "json")
	p.until("a status", func(m map[string]any) bool { return m["phase"] == "NotStarted" })
	p.signal(os.Interrupt)
	if exit := p.wait(); exit != 0 || p.errors.Len() > 0 || len(p.out) != 1 {
		t.Errorf("exit code %d, output %q\n%s", exit, p.out, p.errors.String())
	}
}

func TestSecondSignalQuitsAtOnce(t *testing.T) {
	mysql, broker := servertest.MySQL(t), servertest.RocketMQ(t)
	database := mysql.Database(t)
	mysql.Exec(t, "CREATE TABLE "+database+".orders (id INT PRIMARY KEY)")
	proxy := rocketmqtest.NewProxy(t, broker.Endpoint)
	sent := make(chan struct{}, 100)
	proxy.OnSend(func(rocketmqtest.SendCall) rocketmqtest.Action {
		sent <- struct{}{}
		return rocketmqtest.Hold(nil) // no answer ever: nothing can be drained
	})
	path := taskFile{source: account(t), endpoint: proxy.Endpoint(), tls: "disabled", topic: broker.Topic(t, 4), match: database + ".*"}.write(t)

	p := start(t, "run", path, "--output", "json")
	p.until("a tail", inTail)
	mysql.Exec(t, "INSERT INTO "+database+".orders VALUES (1)")
	<-sent
	p.signal(os.Interrupt)
	<-p.notice
	asked := time.Now()
	p.signal(os.Interrupt)
	if exit := p.wait(); exit != 130 {
		t.Errorf("exit code %d\n%s", exit, p.errors.String())
	}
	if took := time.Since(asked); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}
