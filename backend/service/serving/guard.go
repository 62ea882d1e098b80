package serving

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// healthPaths need no token: they say nothing but that the listener lives.
var healthPaths = map[string]bool{"/v2/health/live": true, "/v2/health/ready": true, "/ping": true, "/health": true}

// guard refuses a request before anything of it is read, in this order: caller's
// address (when exposed), Host, Origin and Sec-Fetch-Site, token. It returns 0 to
// let the request pass.
func (s *Server) guard(r *http.Request) (status int, text string) {
	switch {
	case !s.fromAllowed(r.RemoteAddr):
		return http.StatusForbidden, "this address may not call"
	case !s.hostAllowed(r.Host) && !s.calledByAddress(r):
		return http.StatusMisdirectedRequest, "the Host header is not one of this listener"
	case !s.originAllowed(r.Header):
		return http.StatusForbidden, "requests from web pages are refused"
	case healthPaths[r.URL.Path]:
		return 0, ""
	}
	if hash := s.tokenHash(); hash != "" && !authorized(r.Header.Get("Authorization"), hash) {
		return http.StatusUnauthorized, "a token is needed: Authorization: Bearer ..."
	}
	return 0, ""
}

func (s *Server) fromAllowed(remote string) bool {
	if !s.cfg.Exposed || len(s.cfg.Allow) == 0 {
		return true
	}
	a, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(s.cfg.Allow, func(p netip.Prefix) bool { return p.Contains(a.Addr().Unmap()) })
}

// hostAllowed accepts the loopback names and the configured ones, with the port
// of the listener.
func (s *Server) hostAllowed(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ""
	}
	if want := s.port(); want != 0 && port != strconv.Itoa(want) {
		return false
	}
	name = strings.ToLower(name)
	return name == "127.0.0.1" || name == "::1" || name == "localhost" ||
		slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// calledByAddress reports whether an exposed listener was called by the very
// address that the connection reached. A page that rebinds a name cannot do that.
func (s *Server) calledByAddress(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !s.cfg.Exposed || !ok {
		return false
	}
	want, err1 := netip.ParseAddrPort(local.String())
	got, err2 := netip.ParseAddrPort(r.Host)
	return err1 == nil && err2 == nil && got.Port() == want.Port() && got.Addr().Unmap() == want.Addr().Unmap().WithZone("")
}

// originAllowed refuses what a web page sends: inference needs no Content-Type,
// so that a form post from any page would otherwise pass.
func (s *Server) originAllowed(h http.Header) bool {
	if origins := h.Values("Origin"); len(origins) > 0 {
		return len(origins) == 1 && slices.Contains(s.cfg.Origins, origins[0])
	}
	switch h.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return false
}

// checkConfig refuses a configuration that would open the machine.
func checkConfig(c Config) error {
	open := func(format string, args ...any) error {
		return fed.Errorf(fed.Permission, "Other computers may call only over TLS and with a token.", format, args...)
	}
	switch {
	case c.Exposed && c.TLS == nil:
		return open("serving to other computers needs TLS")
	case c.Exposed && c.TokenHash == "":
		return open("serving to other computers needs a token")
	case c.TokenHash != "" && !validHash(c.TokenHash):
		return fed.Errorf(fed.Invalid, "Make a new token.", "the token's hash is not one")
	case c.Port < 0 || c.Port > 65535:
		return fed.Errorf(fed.Invalid, "Choose a port from 1024 to 65535, or 0 for a free one.", "port %d does not exist", c.Port)
	case c.Decode == nil:
		return fed.Errorf(fed.Internal, "", "serving has no way to read preparations")
	case c.Open == nil:
		return fed.Errorf(fed.Internal, "", "serving has no way to read CSV")
	case !c.Mode.valid():
		return fed.Errorf(fed.Invalid, "Choose reject, warn or coerce.", "unknown mode %.20q", string(c.Mode))
	case slices.Contains(c.Origins, "*"):
		return open("any web page would be allowed to call")
	}
	return nil
}
