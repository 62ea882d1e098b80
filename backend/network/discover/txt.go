package discover

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// maxTXT bounds one TXT string in bytes; the format allows 255, some readers
// less.
const maxTXT = 199

// Announcement is all that a computer tells its network.
type Announcement struct {
	ID    fed.DeviceID
	Port  uint16
	Addrs []netip.Addr // 1 to MaxAddrs, without zones, each once
}

// TXT returns the strings of the TXT record, version 1:
//
//	v=1  id=<52 base32>  p=<port>  a=<ip,ip,...>
//
// Addresses beyond MaxAddrs or that do not fit into the last string are left
// out.
func (a Announcement) TXT() []string {
	var list strings.Builder
	list.WriteString("a=")
	for i, addr := range a.Addrs {
		s := addr.WithZone("").String()
		if i >= MaxAddrs || list.Len()+1+len(s) > maxTXT {
			break
		}
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString(s)
	}
	return []string{"v=1", "id=" + string(a.ID), "p=" + strconv.Itoa(int(a.Port)), list.String()}
}

// ParseTXT reads the strings of a TXT record. It accepts exactly what TXT
// writes, in any order: each key once, no other key, canonical numbers and
// addresses, no address that nobody can dial.
func ParseTXT(txt []string) (Announcement, error) {
	fields, err := splitTXT(txt)
	if err != nil {
		return Announcement{}, err
	}
	if fields["v"] != "1" {
		return Announcement{}, fmt.Errorf("version %.8q is not 1", fields["v"])
	}
	a := Announcement{ID: fed.DeviceID(fields["id"])}
	if !fed.ValidKeyID(fields["id"]) {
		return Announcement{}, fmt.Errorf("id is not a device id")
	}
	port, err := strconv.ParseUint(fields["p"], 10, 16)
	if err != nil || port == 0 || strconv.FormatUint(port, 10) != fields["p"] {
		return Announcement{}, fmt.Errorf("port %.8q is not 1 to 65535", fields["p"])
	}
	a.Port = uint16(port)
	a.Addrs, err = parseAddrs(fields["a"])
	return a, err
}

// splitTXT returns the four fields of version 1.
func splitTXT(txt []string) (map[string]string, error) {
	if len(txt) != 4 {
		return nil, fmt.Errorf("%d strings instead of 4", len(txt))
	}
	fields := make(map[string]string, len(txt))
	for _, s := range txt {
		if len(s) > maxTXT {
			return nil, fmt.Errorf("a string of %d bytes", len(s))
		}
		key, value, _ := strings.Cut(s, "=")
		if key != "v" && key != "id" && key != "p" && key != "a" {
			return nil, fmt.Errorf("unknown key %.8q", key)
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("key %s twice", key)
		}
		fields[key] = value
	}
	return fields, nil
}

func parseAddrs(list string) ([]netip.Addr, error) {
	parts := strings.Split(list, ",")
	if len(parts) > MaxAddrs {
		return nil, fmt.Errorf("%d addresses", len(parts))
	}
	var out []netip.Addr
	for _, s := range parts {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.String() != s || addr.Zone() != "" || !dialable(addr) || slices.Contains(out, addr) {
			return nil, fmt.Errorf("address %.40q", s)
		}
		out = append(out, addr)
	}
	return out, nil
}

// dialable reports whether a is the address of one host.
func dialable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
