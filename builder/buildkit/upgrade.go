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
	"time"

	"github.com/moby/buildkit/client"
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
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
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
	if h.tls != nil {
		return (&tls.Dialer{Config: h.tls}).DialContext(ctx, h.network, h.address)
	}
	return new(net.Dialer).DialContext(ctx, h.network, h.address)
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
