package buildkit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/docker/cli/cli/connhelper/commandconn"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/connhelper/ssh"
)

// Docker's API hands a connection over to its BuildKit after an HTTP/1.1
// upgrade: /grpc is BuildKit's control API, /session takes what the solve asks
// of its client. Docker does not carry sessions inside /grpc.

// options make a client of the engine's BuildKit.
func (h *dockerHost) options() []client.ClientOpt {
	return []client.ClientOpt{
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return h.upgrade(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, header map[string][]string) (net.Conn, error) {
			return h.upgrade(ctx, "/session", proto, header)
		}),
	}
}

// upgrade opens a connection that speaks proto from here on.
func (h *dockerHost) upgrade(ctx context.Context, path, proto string, header map[string][]string) (net.Conn, error) {
	conn, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	// ctx is for the handshake alone: the connection outlives it.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	upgraded, err := handshake(conn, path, proto, header)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return upgraded, nil
}

func (h *dockerHost) dial(ctx context.Context) (net.Conn, error) {
	if h.network == "ssh" {
		return h.dialSSH()
	}
	if h.tls != nil {
		return (&tls.Dialer{Config: h.tls}).DialContext(ctx, h.network, h.address)
	}
	return new(net.Dialer).DialContext(ctx, h.network, h.address)
}

// dialSSH has the far Docker's command line connect its standard streams to
// the engine, as Docker's own does. The user's ssh asks for passwords and
// knows the keys.
func (h *dockerHost) dialSSH() (net.Conn, error) {
	u, err := url.Parse("ssh://" + h.address)
	if err != nil {
		return nil, err
	}
	spec, err := ssh.SpecFromURL(u)
	if err != nil {
		return nil, err
	}
	var args []string
	if spec.User != "" {
		args = append(args, "-l", spec.User)
	}
	if spec.Port != "" {
		args = append(args, "-p", spec.Port)
	}
	args = append(args, "--", spec.Host, "docker")
	if spec.Socket != "" {
		args = append(args, "--host", "unix://"+spec.Socket)
	}
	// The command lives as long as the connection.
	return commandconn.New(context.Background(), "ssh", append(args, "system", "dial-stdio")...)
}

func handshake(conn net.Conn, path, proto string, header map[string][]string) (net.Conn, error) {
	request, err := http.NewRequest(http.MethodPost, "http://docker"+path, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", proto)
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, request)
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it hung up without an answer")
		}
		return nil, fmt.Errorf("ask Docker for its BuildKit: %w", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		defer response.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1000)) // the status alone says enough
		return nil, fmt.Errorf("ask Docker for its BuildKit: %s %s", response.Status, bytes.TrimSpace(said))
	}
	return &bufferedConn{conn, r}, nil
}

// bufferedConn reads first what came together with the answer.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
