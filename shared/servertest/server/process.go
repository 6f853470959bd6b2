// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is one server program. It was started by this process, or adopted from the pid file of an earlier one.
type Process struct {
	pid     int
	pidFile string
	logFile string
	done    chan struct{} // closed when a child of ours has been reaped; nil when adopted
}

// launch describes a program to start.
type launch struct {
	argv    []string
	env     []string // added to this process's environment
	dir     string   // holds the pid and log files
	name    string   // of those files
	outlive bool     // go on when this process ends; otherwise the kernel kills it with us
}

// start runs the program in a session of its own, so that a Ctrl-C meant for us does not reach it.
func (l launch) start() (*Process, error) {
	p := &Process{
		pidFile: filepath.Join(l.dir, l.name+".pid"), logFile: filepath.Join(l.dir, l.name+".log"),
		done: make(chan struct{}),
	}
	out, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(l.argv[0], l.argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, append(os.Environ(), l.env...), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !l.outlive {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	started := make(chan error)
	go func() {
		// The kernel takes the death of the starting thread, not of the process, for the parent's death:
		// this thread has to stay for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", l.name, err)
	}
	p.pid = cmd.Process.Pid
	if err := os.WriteFile(p.pidFile, []byte(strconv.Itoa(p.pid)), 0o644); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// Adopt returns the running process named by dir's pid file, or nil. Its command line has to mention dir: after a
// reboot the number may belong to somebody else.
func Adopt(dir, name string) *Process {
	pidFile := filepath.Join(dir, name+".pid")
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return nil
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(cmdline), dir) {
		return nil
	}
	return &Process{pid: pid, pidFile: pidFile, logFile: filepath.Join(dir, name+".log")}
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.pid }

// Alive says whether the process still runs.
func (p *Process) Alive() bool {
	if p.done != nil {
		select {
		case <-p.done:
			return false
		default:
			return true
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// Stop asks the process to end and waits for it; after 30 seconds it is killed.
func (p *Process) Stop() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if p.wait(ctx) != nil {
		return p.Kill()
	}
	return p.forget()
}

// Kill ends the process without a chance to clean up and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.wait(ctx); err != nil {
		return fmt.Errorf("process %d does not die: %w", p.pid, err)
	}
	return p.forget()
}

func (p *Process) signal(s syscall.Signal) error {
	if !p.Alive() {
		return nil
	}
	if err := syscall.Kill(p.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

func (p *Process) wait(ctx context.Context) error {
	return poll(ctx, func(context.Context) error {
		if p.Alive() {
			return errors.New("still running")
		}
		return nil
	})
}

func (p *Process) forget() error {
	if err := os.Remove(p.pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// ready polls probe until it succeeds; it gives up at once when the process ends. The log's end is in the error.
func (p *Process) ready(ctx context.Context, what, log string, limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dead := false
	err := poll(ctx, func(ctx context.Context) error {
		if dead = !p.Alive(); dead {
			return nil
		}
		return probe(ctx)
	})
	if dead {
		err = errors.New("it ended")
	}
	if err != nil {
		return fmt.Errorf("%s did not become ready: %w; the end of %s:\n%s", what, err, log, tailOfFile(log, 15))
	}
	return nil
}

// poll calls probe every 25 ms until it returns nil or ctx ends; the error then holds probe's last one.
func poll(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
