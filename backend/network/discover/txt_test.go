package discover

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

// device returns a valid device id that is a function of n.
func device(n int) fed.DeviceID { return fed.DeviceID(fed.KeyDigest([]byte{byte(n), byte(n >> 8)})) }

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

var cmpAddr = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}

func TestTXTIsExactly(t *testing.T) {
	a := Announcement{ID: device(1), Port: 7420, Addrs: addrs("192.168.1.20", "fd00::2")}
	want := []string{"v=1", "id=" + string(device(1)), "p=7420", "a=192.168.1.20,fd00::2"}
	if diff := cmp.Diff(want, a.TXT()); diff != "" {
		t.Fatal(diff)
	}
}

func TestParseTXT(t *testing.T) {
	id := "id=" + string(device(1))
	tests := []struct {
		name string
		txt  []string
		ok   bool
	}{
		{"as written", []string{"v=1", id, "p=7420", "a=10.0.0.1"}, true},
		{"any order", []string{"a=10.0.0.1,fe80::1", "p=1", id, "v=1"}, true},
		{"nothing", nil, false},
		{"a key missing", []string{"v=1", id, "p=7420"}, false},
		{"a key twice", []string{"v=1", "v=1", id, "p=7420"}, false},
		{"a key too many", []string{"v=1", id, "p=7420", "a=10.0.0.1", "org=x"}, false},
		{"an unknown key", []string{"v=1", id, "p=7420", "org=x"}, false},
		{"a key in capitals", []string{"V=1", id, "p=7420", "a=10.0.0.1"}, false},
		{"another version", []string{"v=2", id, "p=7420", "a=10.0.0.1"}, false},
		{"a short id", []string{"v=1", id[:50], "p=7420", "a=10.0.0.1"}, false},
		{"an id in small letters", []string{"v=1", strings.ToLower(id), "p=7420", "a=10.0.0.1"}, false},
		{"port 0", []string{"v=1", id, "p=0", "a=10.0.0.1"}, false},
		{"port 65536", []string{"v=1", id, "p=65536", "a=10.0.0.1"}, false},
		{"port +1", []string{"v=1", id, "p=+1", "a=10.0.0.1"}, false},
		{"port 01", []string{"v=1", id, "p=01", "a=10.0.0.1"}, false},
		{"no address", []string{"v=1", id, "p=1", "a="}, false},
		{"an empty address", []string{"v=1", id, "p=1", "a=10.0.0.1,"}, false},
		{"a host name", []string{"v=1", id, "p=1", "a=evil.example"}, false},
		{"a zone", []string{"v=1", id, "p=1", "a=fe80::1%eth0"}, false},
		{"an address twice", []string{"v=1", id, "p=1", "a=10.0.0.1,10.0.0.1"}, false},
		{"not canonical", []string{"v=1", id, "p=1", "a=FD00::1"}, false},
		{"unspecified", []string{"v=1", id, "p=1", "a=0.0.0.0"}, false},
		{"multicast", []string{"v=1", id, "p=1", "a=224.0.0.251"}, false},
		{"broadcast", []string{"v=1", id, "p=1", "a=255.255.255.255"}, false},
		{"IPv4 in IPv6", []string{"v=1", id, "p=1", "a=::ffff:10.0.0.1"}, false},
		{"a long string", []string{"v=1", id, "p=1", "a=" + strings.Repeat("fd00:1111:2222:3333:4444:5555:6666:7777,", 5) + "::1"}, false},
		{"17 addresses", []string{"v=1", id, "p=1", "a=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,1.1.2.1,1.1.2.2,1.1.2.3,1.1.2.4,1.1.2.5,1.1.2.6,1.1.2.7,1.1.2.8,1.1.3.1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseTXT(tt.txt); (err == nil) != tt.ok {
				t.Fatalf("got %v, want accepted %v", err, tt.ok)
			}
		})
	}
}

func TestParseReadsWhatTXTWrites(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := Announcement{ID: device(rapid.IntRange(0, 65535).Draw(rt, "device")), Port: uint16(rapid.IntRange(1, 65535).Draw(rt, "port"))}
		for range rapid.IntRange(1, 24).Draw(rt, "addresses") {
			var addr netip.Addr
			if rapid.Bool().Draw(rt, "v4") {
				addr = netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(rt, "b"), 0, 1})
			} else {
				addr = netip.AddrFrom16([16]byte{0xfd, 1: rapid.Byte().Draw(rt, "b"), 2: 9, 15: 1})
			}
			if !slices.Contains(a.Addrs, addr) {
				a.Addrs = append(a.Addrs, addr)
			}
		}
		txt := a.TXT()
		for _, s := range txt {
			if len(s) >= 200 {
				rt.Fatalf("a string of %d bytes", len(s))
			}
		}
		got, err := ParseTXT(txt)
		if err != nil {
			rt.Fatal(err)
		}
		if len(got.Addrs) == 0 || len(got.Addrs) > MaxAddrs {
			rt.Fatalf("%d addresses", len(got.Addrs))
		}
		a.Addrs = a.Addrs[:len(got.Addrs)]
		if diff := cmp.Diff(a, got, cmpAddr); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func FuzzParseTXT(f *testing.F) {
	good := Announcement{ID: device(1), Port: 7420, Addrs: addrs("192.168.1.20", "fd00::2")}.TXT()
	f.Add(strings.Join(good, "\x00"))
	f.Add("v=1\x00id=\x00p=\x00a=")
	f.Add("v=1\x00id=" + string(device(2)) + "\x00p=1\x00a=fe80::1%lo,::")
	f.Fuzz(func(t *testing.T, s string) {
		txt := strings.Split(s, "\x00")
		a, err := ParseTXT(txt)
		if err != nil {
			return
		}
		if !fed.ValidKeyID(string(a.ID)) || a.Port == 0 || len(a.Addrs) == 0 || len(a.Addrs) > MaxAddrs {
			t.Fatalf("accepted %+v", a)
		}
		slices.Sort(txt)
		again := a.TXT()
		slices.Sort(again)
		if !slices.Equal(txt, again) {
			t.Fatalf("%q is written as %q", txt, again)
		}
	})
}
