package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// peersEngine is what the Peers screen asks.
type peersEngine interface {
	Peers(ctx context.Context) (view.PeerList, error)
	PairAddress(ctx context.Context, address string) (view.Pairing, error)
	Revoke(ctx context.Context, deviceID string) error
	Pair(ctx context.Context, deviceID string) (view.Pairing, error)
	Pairing(ctx context.Context, id string) (view.Pairing, error)
	ConfirmPairing(ctx context.Context, id string, same bool) (view.Pairing, error)
	CreateInvite(ctx context.Context) (view.Invite, error)
	AcceptInvite(ctx context.Context, link string) (view.Pairing, error)
	WithdrawInvite(ctx context.Context, id string) error
}

type pairAddress struct {
	Body struct {
		Address string `json:"address" minLength:"1" maxLength:"262" pattern:"^[^\\s\\x00-\\x1f/]+$" doc:"host:port of the other app"`
	}
}

type pair struct {
	Body struct {
		DeviceID string `json:"deviceId" minLength:"52" maxLength:"52" pattern:"^[A-Z2-7]{52}$"`
	}
}

type confirmPairing struct {
	ByID
	Body struct {
		Same bool `json:"same" doc:"true: both screens show the same six digits"`
	}
}

type acceptInvite struct {
	Body struct {
		Link string `json:"link" minLength:"1" maxLength:"2048" doc:"the invite link as received"`
	}
}

func peersScreen(n peersEngine) Screen {
	return func(api huma.API) {
		peerRoutes(api, n)
		pairingRoutes(api, n)
	}
}

func peerRoutes(api huma.API, n peersEngine) {
	serve(api, at(get, "/peers", "peers", "Other computers: seen, pending and paired", "peers"),
		func(ctx context.Context, _ *none) (view.PeerList, error) { return n.Peers(ctx) })
	serve(api, at(post, "/peers", "pairAddress", "Connect to an address and start the six-digit code", "peers").gives(201),
		func(ctx context.Context, in *pairAddress) (view.Pairing, error) {
			return n.PairAddress(ctx, in.Body.Address)
		})
	act(api, at(del, "/peers/{deviceId}", "revoke", "End the pairing with a computer", "peers"),
		func(ctx context.Context, in *ByDevice) error { return n.Revoke(ctx, in.DeviceID) })
}

func pairingRoutes(api huma.API, n peersEngine) {
	serve(api, at(post, "/pairings", "pair", "Start the six-digit code with a computer that was seen", "peers").gives(201),
		func(ctx context.Context, in *pair) (view.Pairing, error) { return n.Pair(ctx, in.Body.DeviceID) })
	serve(api, at(get, "/pairings/{id}", "pairing", "How far a pairing is", "peers"),
		func(ctx context.Context, in *ByID) (view.Pairing, error) { return n.Pairing(ctx, in.ID) })
	serve(api, at(post, "/pairings/{id}/confirm", "confirmPairing", "Say whether the six digits are the same", "peers"),
		func(ctx context.Context, in *confirmPairing) (view.Pairing, error) {
			return n.ConfirmPairing(ctx, in.ID, in.Body.Same)
		})
	serve(api, at(post, "/invites", "createInvite", "Make an invite link", "peers").gives(201),
		func(ctx context.Context, _ *none) (view.Invite, error) { return n.CreateInvite(ctx) })
	serve(api, at(post, "/invites/accept", "acceptInvite", "Pair with the sender of an invite link", "peers").gives(201),
		func(ctx context.Context, in *acceptInvite) (view.Pairing, error) {
			return n.AcceptInvite(ctx, in.Body.Link)
		})
	act(api, at(del, "/invites/{id}", "withdrawInvite", "Make an invite link useless", "peers"),
		func(ctx context.Context, in *ByID) error { return n.WithdrawInvite(ctx, in.ID) })
}
