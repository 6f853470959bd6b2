// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"text/template"
)

// writeFiles writes all that the servers read at their start. Messages and topics of an earlier start are kept.
func (r *RocketMQ) writeFiles() error {
	for _, name := range []string{"broker.conf", "namesrv.conf"} {
		if err := r.writeTemplate(name); err != nil {
			return err
		}
	}
	state, err := json.Marshal(rocketMQState{Ports: r.ports, Options: r.opts})
	if err != nil {
		return err
	}
	proxy, err := json.MarshalIndent(r.proxyConfig(), "", "  ")
	if err != nil {
		return err
	}
	_, err = makeCertificate(r.opts.Dir)
	return errors.Join(
		err, os.WriteFile(filepath.Join(r.opts.Dir, "proxy.json"), proxy, 0o644),
		os.WriteFile(r.stateFile(), state, 0o644), r.writeSeed(),
	)
}

func (r *RocketMQ) writeTemplate(name string) error {
	t, err := template.ParseFS(assets, "assets/"+name+".tmpl")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct {
		rocketMQPorts
		RocketMQOptions
		AccessKey, SecretKey string
	}{r.ports, r.opts, AccessKey, SecretKey}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.opts.Dir, name), b.Bytes(), 0o644)
}

func (r *RocketMQ) proxyConfig() map[string]any {
	c := map[string]any{
		"rocketMQClusterName": "DefaultCluster", "proxyMode": "LOCAL", "namesrvAddr": r.NameServer,
		"localServeAddr": "127.0.0.1", "grpcServerPort": r.ports.GRPC, "remotingListenPort": r.ports.Remoting,
		"tlsTestModeEnable": false,
		"tlsKeyPath":        filepath.Join(r.opts.Dir, "tls.key"), "tlsCertPath": filepath.Join(r.opts.Dir, "tls.crt"),
		// A route asked for too early is remembered as empty: let that pass soon.
		"topicRouteServiceCacheRefreshSeconds": 1,
	}
	if r.opts.ACL {
		user, _ := json.Marshal(map[string]string{"username": AccessKey, "password": SecretKey})
		inner, _ := json.Marshal(map[string]string{"accessKey": AccessKey, "secretKey": SecretKey})
		c["initAuthenticationUser"], c["innerClientAuthenticationCredentials"] = string(user), string(inner)
		c["authenticationEnabled"], c["authorizationEnabled"] = true, true
		c["authenticationProvider"] = "org.apache.rocketmq.auth.authentication.provider.DefaultAuthenticationProvider"
		c["authorizationProvider"] = "org.apache.rocketmq.auth.authorization.provider.DefaultAuthorizationProvider"
		c["authenticationMetadataProvider"] = "org.apache.rocketmq.proxy.auth.ProxyAuthenticationMetadataProvider"
		c["authorizationMetadataProvider"] = "org.apache.rocketmq.proxy.auth.ProxyAuthorizationMetadataProvider"
	}
	return c
}

// writeSeed puts the topic of the readiness probe into a new store.
func (r *RocketMQ) writeSeed() error {
	file := filepath.Join(r.opts.Dir, "store", "config", "topics.json")
	if exists(file) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	b, err := json.Marshal(map[string]any{
		"dataVersion": map[string]any{"counter": 1, "stateVersion": 0, "timestamp": 1},
		"topicConfigTable": map[string]any{seededTopic: map[string]any{
			"topicName": seededTopic, "readQueueNums": 1, "writeQueueNums": 1, "perm": 6, "topicSysFlag": 0, "order": false,
			"topicFilterType": "SINGLE_TAG", "attributes": map[string]string{"message.type": "FIFO"},
		}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}
