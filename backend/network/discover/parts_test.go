package discover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func at(list ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range list {
		out = append(out, netip.MustParseAddrPort(s))
	}
	return out
}

func TestStampSurvivesTheSpelling(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bits := rapid.Uint16().Draw(rt, "bits")
		got, ok := unstamp(stamp(bits))
		if !ok || got != bits {
			rt.Fatalf("%s reads as %x, %v; want %x", stamp(bits), got, ok, bits)
		}
		svc, dom := splitQuestion(stamp(bits))
		if svc+"."+dom+"." != stamp(bits) {
			rt.Fatalf("%q and %q", svc, dom)
		}
	})
	if _, ok := unstamp("_http._tcp.local."); ok {
		t.Fatal("a foreign service was taken for ours")
	}
}

func TestTableKeepsWhoCameFirst(t *testing.T) {
	tab, now := newTable(), time.Unix(1000, 0)
	for i := range MaxPeers {
		if _, refused := tab.sight(now, time.Minute, device(i), at("10.0.0.1:1")); refused {
			t.Fatalf("peer %d refused", i)
		}
	}
	if _, refused := tab.sight(now, time.Minute, device(MaxPeers), at("10.0.0.1:1")); !refused {
		t.Fatal("a peer over the limit was taken")
	}
	if tell, refused := tab.sight(now.Add(refreshEvery), time.Minute, device(7), at("10.0.0.1:1")); refused || !tell {
		t.Fatal("a known peer was not refreshed")
	}
	gone := tab.expire(now.Add(time.Minute), time.Minute)
	if len(gone) != MaxPeers-1 || len(tab.peers) != 1 {
		t.Fatalf("%d gone, %d left", len(gone), len(tab.peers))
	}
}

func TestTableAddresses(t *testing.T) {
	tab, now, id := newTable(), time.Unix(1000, 0), device(1)
	tab.sight(now, time.Minute, id, at("10.0.0.1:1"))
	for i := range 40 { // an impostor invents addresses
		tab.sight(now, time.Minute, id, at(fmt.Sprintf("10.0.1.%d:1", i)))
	}
	got := tab.get(id)
	if len(got.Addrs) != MaxAddrs || got.Addrs[0] != at("10.0.0.1:1")[0] {
		t.Fatalf("%d addresses, first %v", len(got.Addrs), got.Addrs[0])
	}
	if tell, _ := tab.sight(now.Add(time.Second), time.Minute, id, at("10.0.0.1:1")); tell {
		t.Fatal("nothing new was told")
	}
	if tell, _ := tab.sight(now.Add(time.Minute), time.Minute, id, at("10.0.0.1:1")); !tell {
		t.Fatal("the loss of addresses was not told")
	}
	if diff := cmp.Diff(at("10.0.0.1:1"), tab.get(id).Addrs, cmpAddr); diff != "" {
		t.Fatal(diff)
	}
}

func TestSlowReaderGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := NewList("static")
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		set(t, l, 1, "10.0.0.1:1")
		synctest.Wait() // the pump now offers the first
		for i := range 100 {
			set(t, l, 2, fmt.Sprintf("10.0.0.2:%d", i+1))
		}
		l.Remove(device(3))
		got := []Event{<-l.Events(), <-l.Events()}
		synctest.Wait()
		want := []Event{
			PeerSeen{DeviceID: device(1), Addrs: at("10.0.0.1:1"), Source: "static"},
			PeerSeen{DeviceID: device(2), Addrs: at("10.0.0.2:100"), Source: "static"},
		}
		if diff := cmp.Diff(want, got, cmpAddr); diff != "" {
			t.Fatal(diff)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, open := <-l.Events(); open {
			t.Fatal("events go on after Run")
		}
	})
}

func set(t *testing.T, l *List, n int, list ...string) {
	t.Helper()
	if err := l.Set(device(n), at(list...), time.Time{}); err != nil {
		t.Fatal(err)
	}
}

func TestListRefusesNonsense(t *testing.T) {
	l := NewList("static")
	for i, err := range []error{
		l.Set("x", at("10.0.0.1:1"), time.Time{}), l.Set(device(1), nil, time.Time{}),
		l.Set(device(1), make([]netip.AddrPort, 17), time.Time{}), l.Set(device(1), make([]netip.AddrPort, 1), time.Time{}),
		l.Set(device(1), at("10.0.0.1:0"), time.Time{}), l.Set(device(1), at("0.0.0.0:1"), time.Time{}), l.Set(device(1), at("224.0.0.1:1"), time.Time{}),
	} {
		if fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
			t.Errorf("case %d: %v", i, err)
		}
	}
	for i := range MaxPeers {
		set(t, l, i, "10.0.0.1:1")
	}
	if err := l.Set(device(MaxPeers), at("10.0.0.1:1"), time.Time{}); fed.KindOf(err) != fed.Invalid {
		t.Errorf("one over the limit: %v", err)
	}
	set(t, l, 5, "10.0.0.2:1")
}

func TestMergeReportsADeviceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a, b := NewList("static"), NewList("invite")
		m := Merge(device(9), a, b)
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		now := time.Now()
		seen := func(source string, last time.Time, list ...string) Event {
			return PeerSeen{DeviceID: device(1), Addrs: at(list...), LastSeen: last, Source: source}
		}
		expect := func(want Event) {
			t.Helper()
			if diff := cmp.Diff(want, <-m.Events(), cmpAddr); diff != "" {
				t.Fatal(diff)
			}
			synctest.Wait()
		}
		set(t, a, 9, "10.0.0.9:1") // ourselves: never told
		set(t, a, 1, "10.0.0.1:1", "10.0.0.2:1")
		expect(seen("static", time.Time{}, "10.0.0.1:1", "10.0.0.2:1"))
		if err := b.Set(device(1), at("10.0.0.3:1", "10.0.0.1:1"), now); err != nil {
			t.Fatal(err)
		}
		expect(seen("static,invite", now, "10.0.0.1:1", "10.0.0.3:1", "10.0.0.2:1"))
		if diff := cmp.Diff(1, len(m.Peers())); diff != "" {
			t.Fatal(diff)
		}
		a.Remove(device(1))
		expect(seen("invite", now, "10.0.0.3:1", "10.0.0.1:1"))
		if err := b.Set(device(1), at("10.0.0.3:1", "10.0.0.1:1"), now); err != nil { // no change
			t.Fatal(err)
		}
		synctest.Wait()
		b.Remove(device(1))
		expect(PeerGone{DeviceID: device(1), LastSeen: now, Source: "invite"})
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, open := <-m.Events(); open {
			t.Fatal("events go on after Run")
		}
	})
}

func TestZoneLimitsItsAnswers(t *testing.T) {
	now := time.Unix(1000, 0)
	refused := map[string]int{}
	z := newZone(func() time.Time { return now }, func(r string) { refused[r]++ }, func() {})
	s, err := newService(Announcement{ID: device(1), Port: 1, Addrs: addrs("10.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	z.announce(s)
	ask := func(n int) (answered int) {
		for range n {
			if len(z.Records(dns.Question{Name: stamp(quietBit), Qtype: dns.TypePTR})) > 0 {
				answered++
			}
		}
		return answered
	}
	if got := ask(1000); got != answerBurst || refused["rate"] != 1000-answerBurst {
		t.Fatalf("%d answers, %v", got, refused)
	}
	now = now.Add(500 * time.Millisecond)
	if got := ask(1000); got != answerRate/2 {
		t.Fatalf("%d answers after half a second", got)
	}
}

func TestAnswersNameNothingElse(t *testing.T) {
	s, err := newService(Announcement{ID: device(1), Port: 7420, Addrs: addrs("10.0.0.1", "fd00::1")})
	if err != nil {
		t.Fatal(err)
	}
	name := instance(device(1))
	for _, rr := range s.Records(dns.Question{Name: question, Qtype: dns.TypeANY}) {
		switch r := rr.(type) {
		case *dns.PTR:
			if r.Ptr != name+"."+question {
				t.Errorf("PTR %s", r.Ptr)
			}
		case *dns.SRV:
			if r.Target != name+".local." || r.Port != 7420 {
				t.Errorf("SRV %v", r)
			}
		case *dns.TXT:
			if _, err := ParseTXT(r.Txt); err != nil {
				t.Errorf("TXT %v", err)
			}
		case *dns.A, *dns.AAAA:
		default:
			t.Errorf("record %v", rr)
		}
	}
}

func TestUsableInterfaces(t *testing.T) {
	up := net.FlagUp | net.FlagMulticast
	tests := []struct {
		name     string
		flags    net.Flags
		loopback bool
		want     bool
	}{
		{"eth0", up, false, true}, {"wlp3s0", up, false, true}, {"Wi-Fi", up, false, true}, {"bridge0", up, false, true},
		{"eth0", net.FlagMulticast, false, false}, {"tun0", net.FlagUp, false, false},
		{"lo", net.FlagUp | net.FlagLoopback, false, false}, {"lo", net.FlagUp | net.FlagLoopback, true, true},
		{"docker0", up, true, false}, {"br-0a1b2c", up, false, false}, {"veth12ab", up, false, false}, {"vEthernet (WSL)", up, false, false},
	}
	for _, tt := range tests {
		if got := usable(net.Interface{Name: tt.name, Flags: tt.flags}, tt.loopback); got != tt.want {
			t.Errorf("%s %v loopback %v: %v", tt.name, tt.flags, tt.loopback, got)
		}
	}
}

func TestAnnouncedAndNearestOrder(t *testing.T) {
	i := iface{prefixes: []netip.Prefix{
		netip.MustParsePrefix("fe80::1/64"), netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("192.168.1.2/24"),
	}}
	j := iface{prefixes: []netip.Prefix{netip.MustParsePrefix("fe80::1/64"), netip.MustParsePrefix("10.0.0.2/8")}}
	if diff := cmp.Diff(addrs("10.0.0.2", "192.168.1.2", "fd00::1", "fe80::1"), announced([]iface{i, j}), cmpAddr); diff != "" {
		t.Fatal(diff)
	}
	got := NearestFirst(at("172.16.0.1:1", "192.168.1.9:1", "[fe80::9%eth0]:1"), i.prefixes)
	if diff := cmp.Diff(at("192.168.1.9:1", "[fe80::9%eth0]:1", "172.16.0.1:1"), got, cmpAddr); diff != "" {
		t.Fatal(diff)
	}
}

func TestConfig(t *testing.T) {
	good := Default(device(1), 7420)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for i, change := range []func(*Config){
		func(c *Config) { c.Self = "x" }, func(c *Config) { c.Port = 0 }, func(c *Config) { c.Burst = nil }, func(c *Config) { c.Period = 0 },
		func(c *Config) { c.Jitter = 0.6 }, func(c *Config) { c.Missed = 0 }, func(c *Config) { c.Now = nil }, func(c *Config) { c.Random = nil },
	} {
		bad := good
		change(&bad)
		if _, err := NewMDNS(bad); fed.KindOf(err) != fed.Invalid {
			t.Errorf("change %d: %v", i, err)
		}
	}
	// 3 periods of 15 s + 20 % and the last window; on battery 120 s come first.
	if got := good.ttl(false); got != 54*time.Second+500*time.Millisecond {
		t.Errorf("ttl %v", got)
	}
	if got := good.ttl(true); got != 120*time.Second {
		t.Errorf("slow ttl %v", got)
	}
}
