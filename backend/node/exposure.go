package node

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/service/serving"
)

// maxAllow bounds the ranges of callers of one model.
const maxAllow = 64

// authority returns what certifies this computer's servers for other computers; it
// is made when it is asked for first.
func (s *servings) authority() (*identity.Authority, error) {
	s.certify.Lock()
	defer s.certify.Unlock()
	if s.certified != nil {
		return s.certified, nil
	}
	a, err := identity.OpenAuthority(filepath.Join(s.n.opts.Home, "keys"), hostNames(), s.n.opts.Now)
	if err == nil {
		s.certified = a
	}
	return a, err
}

// hostNames are the names of this computer that a network may know it by.
func hostNames() []string {
	h, err := os.Hostname()
	if err != nil || h == "" || strings.ContainsAny(h, "/\\ \t\r\n") || net.ParseIP(h) != nil {
		return nil
	}
	out := []string{h}
	if !strings.Contains(h, ".") {
		out = append(out, h+".local")
	}
	return out
}

// expose opens a server's configuration to other computers.
func (s *servings) expose(cfg *serving.Config, saved savedServing) error {
	a, err := s.authority()
	if err != nil {
		return err
	}
	cfg.Exposed, cfg.TLS, cfg.Hosts = true, a.Server(), hostNames()
	cfg.Allow, err = parseAllow(saved.Allow)
	return err
}

// parseAllow reads addresses and ranges; none means that all may call.
func parseAllow(list []string) ([]netip.Prefix, error) {
	if len(list) > maxAllow {
		return nil, fed.Errorf(fed.Invalid, "Use ranges, such as 10.1.0.0/16.", "more than %d addresses", maxAllow)
	}
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil || a.Zone() != "" {
				return nil, fed.Errorf(fed.Invalid, "Write addresses such as 10.1.2.3, or ranges such as 10.1.0.0/16, with commas between.", "%.60q is no address", text)
			}
			a = a.Unmap()
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// reachable returns where other computers find a port of this one.
func reachable(port int) []string {
	out := []string{}
	list, _ := net.InterfaceAddrs() // none: nobody reaches it
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			out = append(out, "https://"+net.JoinHostPort(n.IP.String(), strconv.Itoa(port)))
		}
	}
	return out
}

// ServingCertificate returns, in PEM, what callers on other computers trust.
func (n *Node) ServingCertificate(context.Context) ([]byte, error) {
	a, err := n.servings.authority()
	if err != nil {
		return nil, err
	}
	return a.PEM(), nil
}
