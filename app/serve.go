package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

func init() {
	register("serve", "run without a window and serve the page to a browser on this computer", serve)
}

// apiFile is what a script needs to talk to a serving program; it lies in the
// data folder, for this user only.
type apiFile struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	PID     int    `json:"pid"`
}

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	if code, ok := parse("serve", args, stderr, &s); !ok {
		return code
	}
	return serveWith(ctx, s, stdout, stderr)
}

// serveWith runs the serve face: it needs the data folder for itself.
func serveWith(ctx context.Context, s settings, stdout, stderr io.Writer) int {
	if err := checkListen(s); err != nil {
		return complain(stderr, err)
	}
	h, err := openHost(ctx, "serve", s, stderr)
	var taken *inUseError
	if errors.As(err, &taken) {
		err = inUse(ctx, taken.home)
	}
	if err != nil {
		return complain(stderr, err)
	}
	err = h.serveUntil(ctx, stdout, stderr)
	if err := errors.Join(err, h.close()); err != nil {
		return complain(stderr, err)
	}
	return 0
}

// checkListen refuses to leave this computer without encryption.
func checkListen(s settings) error {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return fed.Errorf(fed.Invalid, "give both --tls-cert and --tls-key", "a certificate needs its key")
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return fed.Errorf(fed.Invalid, "write it like 127.0.0.1:8417", "the address %q is not host:port", s.listen)
	}
	if s.tlsCert == "" && !loopback(host) {
		return fed.Errorf(fed.Permission, "reach this computer through an SSH tunnel, or give --tls-cert and --tls-key",
			"%q is not an address of this computer alone, and the page would travel unencrypted", s.listen)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// serveUntil listens, prints the address and serves until ctx ends.
func (h *host) serveUntil(ctx context.Context, stdout, stderr io.Writer) error {
	l, scheme, names, err := h.listen(ctx)
	if err != nil {
		return err
	}
	token := api.NewToken()
	addr := l.Addr().String()
	h.address = scheme + "://" + addr
	guard := api.LoopbackGuard(token, addr, scheme).Allow(h.settings.devOrigin)
	for _, name := range names {
		guard = guard.Allow(scheme + "://" + net.JoinHostPort(name, guard.Port))
	}
	handler := h.handler(guard)
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelInfo),
	}
	file := filepath.Join(h.home, "api.json")
	if err := errors.Join(h.openControl(handler, func() bool { return false }),
		writePrivate(file, apiFile{Address: h.address, Token: token, PID: os.Getpid()})); err != nil {
		return errors.Join(err, l.Close())
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	_, _ = fmt.Fprintf(stdout, "Synergos is running without a window. Open\n\n  %s/#t=%s\n\nin a browser on this computer. Ctrl-C ends it.\n", h.address, token)
	if err := h.start(ctx); err != nil {
		complain(stderr, err)
	}
	select {
	case <-ctx.Done():
	case err = <-done:
	}
	return errors.Join(err, h.stopServing(server), os.Remove(file))
}

// stopServing lets requests in progress end, for 3 seconds.
func (h *host) stopServing(server *http.Server) error {
	h.hub.Close() // ends the event streams
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// listen opens the port. names are further host names by the certificate.
func (h *host) listen(ctx context.Context) (l net.Listener, scheme string, names []string, err error) {
	var lc net.ListenConfig
	l, err = lc.Listen(ctx, "tcp", h.settings.listen)
	if err != nil {
		return nil, "", nil, fed.Errorf(fed.Unavailable, "choose another port with --listen, or 127.0.0.1:0 for a free one", "cannot listen: %w", err)
	}
	if h.settings.tlsCert == "" {
		return l, "http", nil, nil
	}
	cert, err := tls.LoadX509KeyPair(h.settings.tlsCert, h.settings.tlsKey)
	if err != nil {
		return nil, "", nil, errors.Join(fed.Errorf(fed.Invalid, "check the files of --tls-cert and --tls-key", "the certificate cannot be used: %w", err), l.Close())
	}
	if leaf, err := x509.ParseCertificate(cert.Certificate[0]); err == nil {
		names = leaf.DNSNames
		for _, ip := range leaf.IPAddresses {
			names = append(names, ip.String())
		}
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}), "https", names, nil
}
