// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// RouteProbe asks a proxy over gRPC what producers and consumers ask first: where a topic's queues are.
type RouteProbe struct {
	// Endpoint is the proxy's host:port.
	Endpoint string
	// Plaintext speaks without TLS; with it the certificate is not checked.
	Plaintext bool
	// AccessKey and SecretKey sign the call; "" sends it unsigned.
	AccessKey, SecretKey string
}

// Visible returns nil when the proxy knows the topic and where its queues are.
func (p RouteProbe) Visible(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	transport := insecure.NewCredentials()
	if !p.Plaintext {
		transport = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a self-signed server of ours, on loopback
	}
	conn, err := grpc.NewClient("passthrough:///"+p.Endpoint, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer conn.Close()
	host, port, err := net.SplitHostPort(p.Endpoint)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		return err
	}
	answer, err := v2.NewMessagingServiceClient(conn).QueryRoute(p.sign(ctx), &v2.QueryRouteRequest{
		Topic: &v2.Resource{Name: topic},
		Endpoints: &v2.Endpoints{
			Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: host, Port: int32(number)}},
		},
	})
	if err != nil {
		return err
	}
	if answer.GetStatus().GetCode() != v2.Code_OK || len(answer.GetMessageQueues()) == 0 {
		return fmt.Errorf("topic %s: %s", topic, answer.GetStatus())
	}
	return nil
}

// sign adds the headers every call to a proxy carries.
func (p RouteProbe) sign(ctx context.Context) context.Context {
	now := time.Now().UTC().Format("20060102T150405Z")
	ctx = metadata.AppendToOutgoingContext(
		ctx, "x-mq-language", "GO", "x-mq-protocol", "v2", "x-mq-client-version", "5.0.0",
		"x-mq-client-id", "slipway-route-probe", "x-mq-date-time", now,
	)
	if p.AccessKey == "" {
		return ctx
	}
	mac := hmac.New(sha1.New, []byte(p.SecretKey))
	mac.Write([]byte(now))
	return metadata.AppendToOutgoingContext(ctx, "authorization", fmt.Sprintf(
		"MQv2-HMAC-SHA1 Credential=%s//Rocketmq, SignedHeaders=x-mq-date-time, Signature=%s",
		p.AccessKey, strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))))
}
