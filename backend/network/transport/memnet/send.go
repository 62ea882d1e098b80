package memnet

import (
	"context"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// carry takes one message from d to o through the wire: encoded, entered into the
// ledger, tapped, decoded.
func (d *Node) carry(ctx context.Context, o *Node, p wire.Plane, m wire.Message) (wire.Message, error) {
	b, err := wire.Encode(p, wire.Envelope{About: transport.Subject(m), Msg: m})
	if err != nil {
		return nil, err
	}
	if d.o.Egress != nil {
		id, err := d.o.Egress.Record(ctx, transport.Frame{
			Peer: o.party, Device: o.device, Kind: m.Kind(), Bytes: len(b), SHA256: fed.DigestOf(b),
			Purpose: transport.Purpose(m.Kind()), Subject: transport.Subject(m),
		})
		if err != nil {
			return nil, fmt.Errorf("enter %s into the egress ledger: %w", m.Kind(), err)
		}
		if id == "" {
			return nil, fed.Errorf(fed.Internal, "See the log.", "message %s has no line in the egress ledger and was not sent", m.Kind())
		}
	}
	d.net.mu.Lock()
	tap := d.net.tap
	d.net.mu.Unlock()
	if tap != nil {
		tap(d.party, o.party, b)
	}
	d.count(o.party, 0, len(b))
	o.count(d.party, len(b), 0)
	e, err := wire.Decode(p, b)
	return e.Msg, err
}

func (d *Node) count(peer fed.PartyID, in, out int) {
	p := d.pipe(peer)
	d.mu.Lock()
	defer d.mu.Unlock()
	p.in += int64(in)
	p.out += int64(out)
}

// Send implements transport.Network.
func (d *Node) Send(ctx context.Context, to fed.PartyID, m wire.Message) error {
	o, _, err := d.peer(to)
	if err != nil {
		return err
	}
	msg, err := d.carry(ctx, o, wire.OnControl, m)
	if err != nil {
		return err
	}
	select {
	case o.inbox <- parcel{d.party, msg}:
		return nil
	default:
		return fed.Errorf(fed.Busy, "Check its network connection.", "party %s takes messages too slowly", to.Short())
	}
}

// Request implements transport.Network.
func (d *Node) Request(ctx context.Context, to fed.PartyID, m wire.Message) (wire.Message, error) {
	o, p, err := d.peer(to)
	if err != nil {
		return nil, err
	}
	msg, err := d.carry(ctx, o, wire.OnControl, m)
	if err != nil {
		return nil, err
	}
	answer := make(chan wire.Message, 1)
	if !d.net.spawn(func() { answer <- o.answer(d, msg) }) {
		return nil, p.gone(to)
	}
	select {
	case r := <-answer:
		if p.ctx.Err() != nil {
			return nil, p.gone(to)
		}
		if e, ok := r.(wire.Error); ok {
			return nil, transport.Remote(e)
		}
		return r, nil
	case <-p.ctx.Done():
		return nil, p.gone(to)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the answer of party %s to %s: %w", to.Short(), m.Kind(), ctx.Err())
	}
}

func (p *pipe) gone(to fed.PartyID) error {
	return fed.Errorf(fed.Unavailable, "Wait until it is online again.", "the connection with party %s ended", to.Short())
}

func (n *Net) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return false
	}
	n.wg.Go(f)
	return true
}

// answer handles a request of another node and carries the reply back.
func (d *Node) answer(asker *Node, m wire.Message) wire.Message {
	ctx := d.pipe(asker.party).ctx
	reply, err := d.handle(ctx, asker.party, m)
	if err == nil && reply == nil {
		err = fed.Errorf(fed.Invalid, "", "message %s has no answer", m.Kind())
	}
	if err != nil {
		reply = transport.ErrorMessage(m.Kind(), err)
	}
	got, err := d.carry(ctx, asker, wire.OnControl, reply)
	if err != nil {
		return transport.ErrorMessage(reply.Kind(), fed.Errorf(fed.KindOf(err), "", "the answer could not be sent"))
	}
	return got
}

func (d *Node) handle(ctx context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
	if err := transport.Permitted(d.o.Permit, d.o.Queries, from, m); err != nil {
		return nil, err
	}
	d.mu.Lock()
	h := d.handler
	d.mu.Unlock()
	return h(ctx, from, m)
}

// deliver gives the one-way messages to the handler, in order.
func (d *Node) deliver() {
	for {
		select {
		case <-d.ctx.Done():
			return
		case p := <-d.inbox:
			d.deliverOne(p)
		}
	}
}

func (d *Node) deliverOne(p parcel) {
	sender, link, err := d.peer(p.from)
	if err != nil {
		return // cut while it was under way
	}
	reply, err := d.handle(link.ctx, p.from, p.msg)
	if err != nil {
		reply = transport.ErrorMessage(p.msg.Kind(), err)
	}
	if reply == nil || p.msg.Kind() == wire.KindError {
		return
	}
	_ = d.Send(link.ctx, sender.party, reply) // as on a real network it may be lost
}
