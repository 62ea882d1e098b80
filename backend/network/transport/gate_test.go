package transport

import "testing"

// A computer with an IPv6 network of its own is one source.
func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:4711": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:1:2::9]:80": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:81": "2001:db8:1:2::/64", "[2001:db8:1:3::9]:80": "2001:db8:1:3::/64", "[fe80::1%eth0]:9": "fe80::/64", "pipe": "pipe",
	} {
		if got := source(addr); got != want {
			t.Errorf("source(%s) = %s, want %s", addr, got, want)
		}
	}
}
