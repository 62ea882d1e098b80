package discover

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// maxInterfaces bounds the sockets that are opened.
const maxInterfaces = 16

// iface is a network interface with its addresses.
type iface struct {
	net.Interface
	prefixes []netip.Prefix
}

// family is an IP family: 4 or 6.
type family int

// families returns those of which the interface has an address.
func (i iface) families() []family {
	var out []family
	for _, f := range []family{4, 6} {
		if slices.ContainsFunc(i.prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() == (f == 4) }) {
			out = append(out, f)
		}
	}
	return out
}

// virtual are the beginnings of names of interfaces that lead to containers and
// virtual machines of this computer, or to Apple's device-to-device links, and
// never to a colleague.
var virtual = []string{
	"docker", "br-", "veth", "virbr", "cni", "podman", "flannel", "cali", "lxcbr", "lxdbr", "vmnet", "vboxnet", "kube", "weave",
	"awdl", "llw", "anpi", "vEthernet (WSL", "vEthernet (Default",
}

// usable reports whether peers may be behind an interface.
func usable(i net.Interface, loopback bool) bool {
	if i.Flags&net.FlagUp == 0 {
		return false
	}
	if i.Flags&net.FlagLoopback != 0 {
		return loopback
	}
	return i.Flags&net.FlagMulticast != 0 && !slices.ContainsFunc(virtual, func(p string) bool { return strings.HasPrefix(i.Name, p) })
}

// systemInterfaces lists the usable interfaces of this computer that have an
// address; one that vanishes meanwhile is left out.
func systemInterfaces(loopback bool) ([]iface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []iface
	for _, i := range all {
		if !usable(i, loopback) || len(out) >= maxInterfaces {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		if found := (iface{i, prefixes(addrs)}); len(found.prefixes) > 0 {
			out = append(out, found)
		}
	}
	return out, nil
}

func prefixes(addrs []net.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ones, _ := n.Mask.Size()
		if p := netip.PrefixFrom(ip.Unmap(), ones); ok && p.IsValid() && dialable(p.Addr()) {
			out = append(out, p)
		}
	}
	return out
}

// announced returns the addresses to tell, each once: IPv4, then IPv6, then
// those that are only valid on one link.
func announced(ifaces []iface) []netip.Addr {
	var out []netip.Addr
	for _, i := range ifaces {
		for _, p := range i.prefixes {
			out = append(out, p.Addr().WithZone(""))
		}
	}
	rank := func(a netip.Addr) int {
		switch {
		case a.IsLinkLocalUnicast():
			return 2
		case a.Is6():
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return a.Compare(b)
	})
	return slices.Compact(out)
}

// LocalPrefixes returns the networks this computer is on, for [NearestFirst].
func LocalPrefixes() []netip.Prefix {
	ifaces, err := systemInterfaces(false)
	if err != nil {
		return nil
	}
	var out []netip.Prefix
	for _, i := range ifaces {
		out = append(out, i.prefixes...)
	}
	return out
}

// NearestFirst returns addrs with those inside one of the local networks first,
// otherwise in their order.
func NearestFirst(addrs []netip.AddrPort, local []netip.Prefix) []netip.AddrPort {
	far := func(a netip.AddrPort) int {
		if slices.ContainsFunc(local, func(p netip.Prefix) bool { return p.Contains(a.Addr().WithZone("")) }) {
			return 0
		}
		return 1
	}
	out := slices.Clone(addrs)
	slices.SortStableFunc(out, func(a, b netip.AddrPort) int { return far(a) - far(b) })
	return out
}
