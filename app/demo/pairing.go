package demo

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"synergos.app/desktop/backend/node/view"
)

// startParties starts the four processes on new homes.
func startParties(ctx context.Context, s *story) (string, error) {
	for _, p := range s.parties {
		if err := s.startOne(ctx, p); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("four homes under %s", s.report.Homes), nil
}

// startOne starts a party, waits until it takes requests, names it if it has no
// name yet, as the first start asks a person to, and reads who it is.
func (s *story) startOne(ctx context.Context, p *party) error {
	if err := s.procs.start(ctx, p); err != nil {
		return at(p, err)
	}
	var status view.Status
	err := s.await(ctx, p, "the party to be ready", func(ctx context.Context) (err error) {
		if status, err = get[view.Status](ctx, p.client, "/status"); err == nil && !status.Ready {
			err = notYet("%s (%s)", status.Sentence, status.State)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !status.Named {
		if _, err := post[view.Identity](ctx, p.client, "/identity", obj{"name": p.name}); err != nil {
			return at(p, err)
		}
	}
	p.identity, err = get[view.Identity](ctx, p.client, "/identity")
	if err != nil {
		return at(p, err)
	}
	if p.identity.Party != p.name || p.identity.DeviceID == "" || len(p.identity.Addresses) == 0 {
		return wrong(p, "see GET /identity", "expected the party to be called %q and to have a key and an address; it is %q with %d addresses", p.name, p.identity.Party, len(p.identity.Addresses))
	}
	return nil
}

// discoverLimit is how long multicast gets before the demo goes on with addresses.
const discoverLimit = 15 * time.Second

// discover waits until the first party sees the others by mDNS. Where multicast
// does not work, it says so, and the addresses of the others are typed in when
// pairing; the parties keep them as static peers.
func discover(ctx context.Context, s *story) (string, error) {
	limited := *s
	limited.limit = min(s.limit, discoverLimit)
	err := limited.await(ctx, s.first(), "the other three by mDNS", func(ctx context.Context) error {
		return s.seesOthers(ctx, "mdns")
	})
	if err == nil {
		s.discovered = true
		s.report.Discovery = "The four found each other by multicast DNS on this computer."
		return s.report.Discovery, nil
	}
	if ctx.Err() != nil || !curable(err) {
		return "", err
	}
	list, listErr := get[view.PeerList](ctx, s.first().client, "/peers")
	if listErr != nil {
		return "", at(s.first(), listErr)
	}
	s.report.Discovery = "Multicast does not work here, so the addresses of the peers were typed in; the parties keep them as static peers."
	if list.Discovery.Sentence != "" {
		s.report.Discovery += " The party says: " + list.Discovery.Sentence
	}
	return s.report.Discovery, nil
}

// seesOthers returns nil when the first party sees all others by the source.
func (s *story) seesOthers(ctx context.Context, source string) error {
	list, err := get[view.PeerList](ctx, s.first().client, "/peers")
	if err != nil {
		return err
	}
	for _, p := range s.others() {
		i := slices.IndexFunc(list.Items, func(q view.Peer) bool { return q.DeviceID == p.identity.DeviceID })
		if i < 0 {
			return notYet("%s is not in the list of %d peers (discovery %s: %s)", p.name, len(list.Items), list.Discovery.State, list.Discovery.Sentence)
		}
		if got := list.Items[i].Source; got != source {
			return notYet("%s was found by %q", p.name, got)
		}
	}
	return nil
}

// nearAddress is where a party on this computer is reached, loopback if it has that.
func nearAddress(id view.Identity) string {
	i := slices.IndexFunc(id.Addresses, func(a string) bool {
		host, _, err := net.SplitHostPort(a)
		return err == nil && net.ParseIP(host).IsLoopback()
	})
	return id.Addresses[max(i, 0)]
}

func pairByCode(ctx context.Context, s *story) (string, error) {
	a, b := s.first(), s.parties[1]
	if !s.discovered {
		return s.pairAt(ctx, a, b)
	}
	started, err := post[view.Pairing](ctx, a.client, "/pairings", obj{"deviceId": b.identity.DeviceID})
	if err != nil {
		return "", at(a, err)
	}
	return s.compareCodes(ctx, a, b, started, "six-digit code, found on the network")
}

func pairByAddress(ctx context.Context, s *story) (string, error) {
	return s.pairAt(ctx, s.first(), s.parties[3])
}

// pairAt pairs a with the party at b's address.
func (s *story) pairAt(ctx context.Context, a, b *party) (string, error) {
	started, err := post[view.Pairing](ctx, a.client, "/peers", obj{"address": nearAddress(b.identity)})
	if err != nil {
		return "", at(a, err)
	}
	return s.compareCodes(ctx, a, b, started, "six-digit code, at a typed address")
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// compareCodes plays the two people: it reads the code on both screens, compares
// them, and presses "same" on both sides only if they are equal.
func (s *story) compareCodes(ctx context.Context, a, b *party, started view.Pairing, how string) (string, error) {
	mine := started
	err := s.await(ctx, a, "a six-digit code", func(ctx context.Context) (err error) {
		if mine, err = get[view.Pairing](ctx, a.client, "/pairings/"+started.ID); err != nil {
			return err
		}
		return shows(mine)
	})
	if err != nil {
		return "", err
	}
	var theirs view.Pairing
	err = s.await(ctx, b, "the same six-digit code", func(ctx context.Context) (err error) {
		if theirs, err = incoming(ctx, b, a, "code"); err != nil {
			return err
		}
		return shows(theirs)
	})
	if err != nil {
		return "", err
	}
	if mine.Code != theirs.Code {
		return "", wrong(b, "somebody may stand between the two; pair again", "expected both screens to show one code; they show two different ones")
	}
	for _, side := range []struct {
		p  *party
		id string
	}{{a, mine.ID}, {b, theirs.ID}} {
		if _, err := post[view.Pairing](ctx, side.p.client, "/pairings/"+side.id+"/confirm", obj{"same": true}); err != nil {
			return "", at(side.p, err)
		}
	}
	return s.paired(ctx, a, b, mine.ID, theirs.ID, how)
}

// shows returns nil when a pairing shows its code.
func shows(p view.Pairing) error {
	if err := alive(p); err != nil {
		return err
	}
	if !sixDigits.MatchString(p.Code) {
		return notYet("a pairing in state %q without a code", p.State)
	}
	return nil
}

// alive refuses a pairing that has ended without success.
func alive(p view.Pairing) error {
	switch p.State {
	case "refused", "failed", "expired":
		return recordError("the pairing is "+p.State, p.Problem)
	}
	return nil
}

// incoming finds the pairing that b was asked for by a's computer.
func incoming(ctx context.Context, b, a *party, mode string) (view.Pairing, error) {
	list, err := get[view.PeerList](ctx, b.client, "/peers")
	if err != nil {
		return view.Pairing{}, err
	}
	i := slices.IndexFunc(list.Pairings, func(p view.Pairing) bool {
		return p.Incoming && p.DeviceID == a.identity.DeviceID && p.Mode == mode
	})
	if i < 0 {
		return view.Pairing{}, notYet("no pairing by %s from %s among %d", mode, a.name, len(list.Pairings))
	}
	return list.Pairings[i], nil
}

// pairByInvite lets the third party accept a link of the first, who approves.
func pairByInvite(ctx context.Context, s *story) (string, error) {
	a, c := s.first(), s.parties[2]
	invite, err := post[view.Invite](ctx, a.client, "/invites", nil)
	if err != nil {
		return "", at(a, err)
	}
	if u, err := url.Parse(invite.Link); err != nil || u.Scheme != "synergos" {
		return "", wrong(a, "see POST /invites", "expected an invite link that starts with synergos:")
	}
	accepted, err := post[view.Pairing](ctx, c.client, "/invites/accept", obj{"link": invite.Link})
	if err != nil {
		return "", at(c, err)
	}
	var asked view.Pairing
	err = s.await(ctx, a, "a request to approve", func(ctx context.Context) (err error) {
		if asked, err = incoming(ctx, a, c, "invite"); err != nil {
			return err
		}
		return alive(asked)
	})
	if err != nil {
		return "", err
	}
	if asked.Name != c.name {
		return "", wrong(a, "see GET /peers", "expected the request to name %q; it names %q", c.name, asked.Name)
	}
	if _, err := post[view.Pairing](ctx, a.client, "/pairings/"+asked.ID+"/confirm", obj{"same": true}); err != nil {
		return "", at(a, err)
	}
	return s.paired(ctx, a, c, asked.ID, accepted.ID, "invite link, approved by the sender")
}

// paired waits until both sides call the pairing done and see each other online.
func (s *story) paired(ctx context.Context, a, b *party, idA, idB, how string) (string, error) {
	for _, side := range []struct {
		p, other *party
		id       string
	}{{a, b, idA}, {b, a, idB}} {
		err := s.await(ctx, side.p, "the pairing with "+side.other.name+" to be done", func(ctx context.Context) error {
			return isDone(ctx, side.p, side.id)
		})
		if err != nil {
			return "", err
		}
		if err := s.online(ctx, side.p, side.other); err != nil {
			return "", err
		}
	}
	s.report.Pairings = append(s.report.Pairings, PairingRow{A: a.name, B: b.name, How: how})
	return fmt.Sprintf("%s and %s: %s", a.name, b.name, how), nil
}

func isDone(ctx context.Context, p *party, id string) error {
	got, err := get[view.Pairing](ctx, p.client, "/pairings/"+id)
	if err != nil {
		return err
	}
	if err := alive(got); err != nil {
		return err
	}
	if got.State != "done" {
		return notYet("state %q", got.State)
	}
	return nil
}

// online waits until p lists other as paired, by its name, and connected.
func (s *story) online(ctx context.Context, p, other *party) error {
	return s.await(ctx, p, other.name+" to be paired and online", func(ctx context.Context) error {
		list, err := get[view.PeerList](ctx, p.client, "/peers")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list.Items, func(q view.Peer) bool { return q.DeviceID == other.identity.DeviceID })
		if i < 0 {
			return notYet("it is not in the list")
		}
		if q := list.Items[i]; q.State != "paired" || !q.Online || q.PartyID != other.identity.PartyID || q.Name != other.name {
			return notYet("a peer %q that is %s, online %t", q.Name, q.State, q.Online)
		}
		return nil
	})
}
