package node

import (
	"testing"
	"time"

	"synergos.app/desktop/backend/network/discover"
	"synergos.app/desktop/backend/network/transport"
)

// The settings say that a party is not seen when its person switched that off.
func TestSeenOnTheNetwork(t *testing.T) {
	for want, st := range map[string]discover.Status{
		"on": {State: "ok", Discoverable: true}, "off": {State: "ok"}, "blocked": {State: "blocked", Discoverable: true},
	} {
		same(t, want, visibility(st), want)
	}
	same(t, "no network", visibility(discover.Status{State: "no_network", Discoverable: true}), "blocked")
	same(t, "switched off where it is blocked", visibility(discover.Status{State: "blocked"}), "off")
}

func TestClockIsComparedWithSomebody(t *testing.T) {
	same(t, "nobody", clockAgainst(nil).Result, "unknown")
	near := transport.Session{Name: "Lakeview", Skew: 4 * time.Minute}
	same(t, "near", clockAgainst([]transport.Session{near}).Result, "pass")
	far := transport.Session{Name: "Hillcrest", Skew: -6 * time.Minute}
	d := clockAgainst([]transport.Session{near, far})
	same(t, "far", line(d.Result, d.Text), "fail The clock differs by more than five minutes from that of Hillcrest.")
}

func TestPortDiagnosis(t *testing.T) {
	t.Parallel()
	d := openDataNode(t, t.TempDir(), nil)
	same(t, "address", d.portDiagnosis([]string{"127.0.0.1:1"}).Result, "pass")
	same(t, "no address", d.portDiagnosis(nil).Text, "The port for peers is open, but this computer has no address that others could reach.")
	shut := &Node{peers: &peerBook{}}
	same(t, "shut", shut.portDiagnosis(nil).Text, "The port for peers is not open.")
}
