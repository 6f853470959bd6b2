// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What the one user of an instance with access control signs with.
const (
	AccessKey = "admin"
	SecretKey = "admin-secret-123"
)

// RocketMQOptions says how an instance runs.
type RocketMQOptions struct {
	// Dir keeps the instance's configuration and messages; it is created when absent. An instance found there goes on
	// with its ports and messages.
	Dir string `json:"-"`
	// Outlive lets the servers go on when this process ends; otherwise they are killed with it.
	Outlive bool `json:"-"`
	// ACL demands signatures by [AccessKey] and [SecretKey].
	ACL bool
	// TLS is what the gRPC port speaks: "permissive" (TLS and plaintext, the default) or "disabled".
	TLS string
	// Flush is ASYNC_FLUSH (the default) or SYNC_FLUSH.
	Flush string
	// Heap is the Java heap, e.g. 512m (the default).
	Heap string
	// FullJIT lets Java compile as in production: a slower start, then the speed benchmarks want.
	FullJIT bool
}

// RocketMQ is a name server, a broker and the gRPC proxy in one Java process on loopback.
type RocketMQ struct {
	*Process

	// Endpoint is the proxy's gRPC address, NameServer and Broker those of the remoting protocol; all host:port.
	Endpoint, NameServer, Broker string
	// Version is RocketMQ's version.
	Version string

	dist  *RocketMQDist
	opts  RocketMQOptions
	ports rocketMQPorts
}

// rocketMQPorts are kept in the instance's folder: clients find it again after a restart.
type rocketMQPorts struct {
	NameServer, GRPC, Remoting int
	// Broker is the middle one of three: the broker also takes Broker-2 by itself, and HA.
	Broker, HA int
}

// Start runs an instance in opts.Dir and returns when its gRPC port shows the route of a topic.
func (d *RocketMQDist) Start(ctx context.Context, opts RocketMQOptions) (*RocketMQ, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.Dir = dir
	opts.TLS, opts.Flush, opts.Heap = cmp.Or(opts.TLS, "permissive"), cmp.Or(opts.Flush, "ASYNC_FLUSH"), cmp.Or(opts.Heap, "512m")
	r := &RocketMQ{Version: d.Version, dist: d, opts: opts}
	if r.Process = Adopt(dir, "rocketmq"); r.Process != nil {
		if err := r.readState(); err != nil {
			return nil, err
		}
		return r, r.waitReady(ctx)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		return nil, err
	}
	if err := r.readState(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	r.opts = opts
	return r, r.start(ctx)
}

// Restart starts stopped or killed servers again, on the same ports and messages.
func (r *RocketMQ) Restart(ctx context.Context) error {
	if r.Alive() {
		if err := r.Stop(); err != nil {
			return err
		}
	}
	return r.start(ctx)
}

// Env are the variables, NAME=value, that tests, the demo and the benchmarks find the servers by.
func (r *RocketMQ) Env() []string {
	env := []string{
		"SLIPWAY_TEST_ROCKETMQ_ENDPOINT=" + r.Endpoint,
		"SLIPWAY_TEST_ROCKETMQ_NAMESRV=" + r.NameServer,
		"SLIPWAY_TEST_ROCKETMQ_BROKER=" + r.Broker,
	}
	if r.ACL() {
		env = append(env, "SLIPWAY_TEST_ROCKETMQ_ACCESS_KEY="+AccessKey, "SLIPWAY_TEST_ROCKETMQ_SECRET_KEY="+SecretKey)
	}
	return env
}

// ACL says whether calls have to be signed.
func (r *RocketMQ) ACL() bool { return r.opts.ACL }

func (r *RocketMQ) start(ctx context.Context) error {
	if err := r.choosePorts(); err != nil {
		return err
	}
	if err := r.writeFiles(); err != nil {
		return fmt.Errorf("configure RocketMQ: %w", err)
	}
	env := []string{
		"ROCKETMQ_HOME=" + r.opts.Dir, "RMQ_PROXY_HOME=" + r.opts.Dir, "NAMESRV_ADDR=" + r.NameServer,
	}
	if shim := filepath.Join(r.dist.dir, "loopback.so"); exists(shim) {
		env = append(env, "LD_PRELOAD="+shim)
	}
	argv, err := r.command()
	if err != nil {
		return err
	}
	r.Process, err = launch{argv: argv, env: env, dir: r.opts.Dir, name: "rocketmq", outlive: r.opts.Outlive}.start()
	if err != nil {
		return err
	}
	if err := r.waitReady(ctx); err != nil {
		return errors.Join(err, r.Kill())
	}
	return nil
}

// command is the Java command line. The logs go below the instance's folder because user.home does.
func (r *RocketMQ) command() ([]string, error) {
	java, err := tool("java", "default-jdk-headless")
	if err != nil {
		return nil, err
	}
	dir := r.opts.Dir
	argv := []string{
		java, "-Xms" + r.opts.Heap, "-Xmx" + r.opts.Heap, "-XX:MaxDirectMemorySize=1g", "-XX:+UseSerialGC", "-XX:-UsePerfData",
		"-Djava.net.preferIPv4Stack=true", "-Djava.io.tmpdir=" + filepath.Join(dir, "tmp"), "-Duser.home=" + dir,
		"-Drocketmq.home.dir=" + dir, "-Dcom.rocketmq.remoting.client.logUseSlf4j=true",
		// A certificate of its own in test mode costs a second of key making at each start: ours is at hand.
		"-Dtls.server.mode=" + r.opts.TLS, "-Dtls.test.mode.enable=false",
		"-Dtls.server.keyPath=" + filepath.Join(dir, "tls.key"), "-Dtls.server.certPath=" + filepath.Join(dir, "tls.crt"),
	}
	if !r.opts.FullJIT {
		argv = append(argv, "-XX:TieredStopAtLevel=1")
	}
	return append(
		argv, "-cp", r.dist.dir+":"+filepath.Join(r.dist.dir, "lib", "*"), "Launcher", filepath.Join(dir, "namesrv.conf"),
		"-pm", "LOCAL", "-pc", filepath.Join(dir, "proxy.json"), "-bc", filepath.Join(dir, "broker.conf"),
	), nil
}

func (r *RocketMQ) waitReady(ctx context.Context) error {
	probe := RouteProbe{Endpoint: r.Endpoint, Plaintext: r.opts.TLS == "disabled"}
	if r.opts.ACL {
		probe.AccessKey, probe.SecretKey = AccessKey, SecretKey
	}
	log := filepath.Join(r.opts.Dir, "rocketmq.log")
	return r.ready(ctx, "RocketMQ "+r.Version, log, 2*time.Minute, func(ctx context.Context) error {
		return probe.Visible(ctx, seededTopic)
	})
}

func (r *RocketMQ) choosePorts() error {
	if r.ports.GRPC != 0 {
		return nil
	}
	base, err := freePorts(7)
	if err != nil {
		return err
	}
	r.setPorts(rocketMQPorts{NameServer: base, GRPC: base + 1, Remoting: base + 2, Broker: base + 5, HA: base + 6})
	return nil
}

func (r *RocketMQ) setPorts(p rocketMQPorts) {
	r.ports = p
	r.Endpoint, r.NameServer, r.Broker = loopback(p.GRPC), loopback(p.NameServer), loopback(p.Broker)
}

// rocketMQState is what another process needs to find a running instance.
type rocketMQState struct {
	Ports   rocketMQPorts
	Options RocketMQOptions
}

func (r *RocketMQ) stateFile() string { return filepath.Join(r.opts.Dir, "instance.json") }

func (r *RocketMQ) readState() error {
	b, err := os.ReadFile(r.stateFile())
	if err != nil {
		return err
	}
	var s rocketMQState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read %s: %w", r.stateFile(), err)
	}
	s.Options.Dir, s.Options.Outlive = r.opts.Dir, r.opts.Outlive
	r.opts = s.Options
	r.setPorts(s.Ports)
	return nil
}
