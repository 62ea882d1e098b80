package node

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/discover"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// Peers returns everybody known, seen or asking.
func (n *Node) Peers(ctx context.Context) (view.PeerList, error) {
	id, err := n.Identity(ctx)
	if err != nil {
		return view.PeerList{}, err
	}
	inv, err := n.inviteViews(ctx)
	if err != nil {
		return view.PeerList{}, err
	}
	return view.PeerList{Items: n.peerViews(), Pairings: n.pairingViews(), Invites: inv, Discovery: n.discovery(), Identity: id}, nil
}

func (n *Node) peerViews() []view.Peer {
	sessions := map[fed.DeviceID]transport.Session{}
	if n.net != nil {
		for _, s := range n.net.Sessions() {
			sessions[s.Device] = s
		}
	}
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	out := []view.Peer{}
	for d, r := range n.peers.rows {
		if r.Source == fromTutorial && r.RevokedMs != 0 {
			continue // of a tutorial that has ended
		}
		out = append(out, peerView(d, r, sessions, n.peers.seen[d]))
	}
	for d, s := range n.peers.seen {
		if _, known := n.peers.rows[d]; known || d == n.identity().Device() {
			continue
		}
		seen := s.LastSeen.UTC()
		out = append(out, view.Peer{
			DeviceID: string(d), State: "seen", Role: "none", Fingerprint: fed.Fingerprint(string(d)), Addresses: addrStrings(s.Addrs),
			Source: s.Source, LastSeen: &seen, RTTMs: nan, How: "not paired",
		})
	}
	slices.SortFunc(out, func(a, b view.Peer) int {
		return cmp.Or(cmp.Compare(stateOrder[a.State], stateOrder[b.State]), cmp.Compare(a.Name, b.Name), cmp.Compare(a.DeviceID, b.DeviceID))
	})
	return out
}

var stateOrder = map[string]int{"paired": 0, "pending": 1, "seen": 2, "revoked": 3}

func peerView(d fed.DeviceID, r query.Peer, sessions map[fed.DeviceID]transport.Session, seen discover.PeerSeen) view.Peer {
	last := at(r.SeenMs)
	v := view.Peer{
		DeviceID: r.Device, PartyID: r.Party, Name: r.Name, State: "paired", Role: r.Role, Fingerprint: fed.Fingerprint(r.Party),
		Addresses: clip(addrsOf(r), 16), Source: r.Source, LastSeen: &last, RTTMs: nan, How: r.How,
	}
	if r.RevokedMs != 0 {
		v.State = "revoked"
	}
	if s, ok := sessions[d]; ok {
		now := time.Now().UTC()
		v.Online, v.LastSeen, v.Version, v.BytesIn, v.BytesOut = true, &now, programName(s.Version), s.BytesIn, s.BytesOut
		if s.RTT > 0 {
			v.RTTMs = fed.Number(float64(s.RTT.Microseconds()) / 1000)
		}
		if s.Addr != "" && !slices.Contains(v.Addresses, s.Addr) {
			v.Addresses = append([]string{s.Addr}, v.Addresses...)
		}
	}
	if len(seen.Addrs) > 0 && len(v.Addresses) == 0 {
		v.Addresses = addrStrings(seen.Addrs)
	}
	return v
}

func addrStrings(as []netip.AddrPort) []string {
	out := []string{}
	for _, a := range as {
		out = append(out, a.String())
	}
	return out
}

// discovery says how looking for others goes.
func (n *Node) discovery() view.Discovery {
	n.peers.mu.Lock()
	m := n.peers.mdns
	n.peers.mu.Unlock()
	if m == nil {
		return view.Discovery{State: "off", Sentence: "Not looking on the local network.", Hint: "Type an address or use an invite link.", Interfaces: []string{}}
	}
	st := m.Status()
	v := view.Discovery{State: "on", Sentence: st.Text, Hint: st.Hint, Interfaces: []string{}}
	if blocked(st) {
		v.State = "blocked"
	}
	names := map[string]bool{}
	for _, p := range st.Pairs {
		names[p.Interface] = true
	}
	v.Interfaces = append(v.Interfaces, slices.Sorted(maps.Keys(names))...)
	return v
}

func blocked(st discover.Status) bool { return st.State == "blocked" || st.State == "no_network" }

// seenOnNetwork says whether others on the network can find this computer: "on",
// "off" or "blocked".
func (n *Node) seenOnNetwork() string {
	n.peers.mu.Lock()
	m := n.peers.mdns
	n.peers.mu.Unlock()
	if m == nil {
		return "off"
	}
	return visibility(m.Status())
}

func visibility(st discover.Status) string {
	switch {
	case !st.Discoverable:
		return "off"
	case blocked(st):
		return "blocked"
	}
	return "on"
}

// Identity returns this party.
func (n *Node) Identity(context.Context) (view.Identity, error) {
	self := n.identity()
	v := view.Identity{
		Party: self.Name(), PartyID: string(self.Party()), DeviceID: string(self.Device()), Fingerprint: fed.Fingerprint(string(self.Party())),
		Addresses: []string{}, Home: n.opts.Home, Discovery: n.seenOnNetwork(),
		KeyStore: "In this party's folder, readable by this user account only. Keep the folder on an encrypted disk.",
	}
	if n.peers.dialer != nil {
		v.Addresses = clip(n.peers.dialer.Addrs(), 16)
	}
	return v, nil
}
