// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Build compiles slipway into dir and gives the program's path. The working folder has to lie inside the module.
func Build(ctx context.Context, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w; run this in its folder", err)
	}
	path := filepath.Join(dir, "slipway")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	build.Dir = strings.TrimSpace(string(out))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build slipway: %w\n%s", err, out)
	}
	return path, nil
}

// Line is one line that `slipway run --output json` prints: those of its fields that are of use here.
type Line struct {
	Type          string  `json:"message_type"`
	Phase         string  `json:"phase"`
	Edge          string  `json:"edge"`
	Rows          int64   `json:"rows"`
	RowsEstimate  int64   `json:"rowsEstimate"`
	Chunks        int     `json:"chunks"`
	RowsPerSecond float64 `json:"rowsPerSecond"`
	Seq           int64   `json:"seq"`
	LagSeconds    float64 `json:"lagSeconds"`
	Epoch         int64   `json:"epoch"`
	Checkpoint    int64   `json:"checkpoint"`
	WaitingFor    string  `json:"waitingFor"`
	LeftSeconds   float64 `json:"leftSeconds"`
	Outcome       string  `json:"outcome"`
	Code          string  `json:"code"`
	Message       string  `json:"message"`
	Remedy        string  `json:"remedy"`
}

// Program is a running slipway.
type Program struct {
	// Log is the file of what it writes to standard error.
	Log string

	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read it after done
	fail Line  // the error it reported
}

// Run starts the program and gives each line of its output to heard, in order, from one goroutine. Its standard error goes
// to the file log, at its end.
func Run(path, log string, env []string, heard func(Line), args ...string) (*Program, error) {
	stderr, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p := &Program{Log: log, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), env...), stderr
	// A session of its own: a Ctrl-C is for us, who tell it in our own time.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, stderr.Close())
	}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the starting thread for the parent's death: it has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer stderr.Close()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		defer close(p.done)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var l Line
			if json.Unmarshal(lines.Bytes(), &l) != nil {
				continue // a kill cuts the last line short
			}
			if l.Type == "error" {
				p.fail = l
			}
			heard(l)
		}
		p.err = p.cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

// Pid is the process's number.
func (p *Program) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Program) Done() <-chan struct{} { return p.done }

// Kill is kill -9; it returns when the process is gone.
func (p *Program) Kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return p.Ended()
	}
	return err
}

// Drain tells the program to stop in good order and waits for its end; when ctx ends first it is killed.
func (p *Program) Drain(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("slipway does not drain: %w", context.Cause(ctx)), p.Kill())
	}
	if p.err != nil {
		return p.failure()
	}
	return nil
}

// Ended is nil while the program runs; after that it says how it ended, which nobody asked for.
func (p *Program) Ended() error {
	select {
	case <-p.done:
		return p.failure()
	default:
		return nil
	}
}

// failure tells how the program ended, in its own words.
func (p *Program) failure() error {
	status := "exit code 0"
	if p.err != nil {
		status = p.err.Error()
	}
	if p.fail.Message == "" {
		return fmt.Errorf("slipway ended by itself (%s); the end of %s:\n%s", status, p.Log, lastLines(p.Log, 12))
	}
	err := fmt.Errorf("slipway ended by itself (%s): %s: %s", status, p.fail.Code, p.fail.Message)
	if p.fail.Remedy != "" {
		err = fmt.Errorf("%w; remedy: %s", err, p.fail.Remedy)
	}
	return err
}

// lastLines gives the end of a file.
func lastLines(path string, n int) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}

// addressOf is the host:port of a go-sql-driver address.
func addressOf(dsn string) (string, bool) {
	cfg, err := mysql.ParseDSN(dsn)
	if dsn == "" || err != nil {
		return "", false
	}
	_, _, err = net.SplitHostPort(cfg.Addr)
	return cfg.Addr, err == nil
}
