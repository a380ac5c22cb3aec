package buildkit

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// takeOver answers as Docker does: 101, and from then on an echo of the
// protocol, the session header and what is written.
func takeOver(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.Header.Get("Connection") != "Upgrade" {
		http.Error(w, "page not found", http.StatusNotFound)
		return
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	// The greeting comes in one write with the answer, as it may from Docker.
	io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"+
		r.URL.Path+" "+r.Header.Get("Upgrade")+" "+strings.Join(r.Header["X-Docker-Expose-Session-Grpc-Method"], ",")+"\n")
	io.Copy(conn, buffered)
}

func TestUpgrade(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(takeOver))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(takeOver))
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	for name, h := range map[string]*dockerHost{
		"clear": {network: "tcp", address: plain.Listener.Addr().String()},
		"TLS": {
			network: "tcp", address: secure.Listener.Addr().String(),
			tls: &tls.Config{RootCAs: roots, ServerName: "example.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			conn, err := h.upgrade(ctx, "/session", "h2c", map[string][]string{"X-Docker-Expose-Session-Grpc-Method": {"/a", "/b"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			cancel() // was for the handshake alone
			if _, err := io.WriteString(conn, "hello\n"); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			for _, want := range []string{"/session h2c /a,/b\n", "hello\n"} {
				if got, err := r.ReadString('\n'); got != want || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
}

func TestUpgradeRefused(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"no buildkit here"}`, http.StatusBadRequest)
	}))
	defer refusing.Close()
	h := &dockerHost{network: "tcp", address: refusing.Listener.Addr().String()}
	if _, err := h.upgrade(t.Context(), "/grpc", "h2c", nil); err == nil || !strings.Contains(err.Error(), "400 Bad Request") ||
		!strings.Contains(err.Error(), "no buildkit here") {
		t.Errorf("got %v", err)
	}
	hangingUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangingUp.Close()
	go func() {
		conn, err := hangingUp.Accept()
		if err != nil {
			return
		}
		http.ReadRequest(bufio.NewReader(conn))
		conn.Close()
	}()
	h = &dockerHost{network: "tcp", address: hangingUp.Addr().String()}
	if _, err := h.upgrade(t.Context(), "/grpc", "h2c", nil); err == nil || !strings.Contains(err.Error(), "hung up") {
		t.Errorf("got %v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	h = &dockerHost{network: "tcp", address: silent.Addr().String()}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.upgrade(ctx, "/grpc", "h2c", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
