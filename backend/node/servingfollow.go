package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
)

// follow brings every switch that is on to what it has to serve: at the start, when a
// stage has changed, and every minute, for what was in the way then may be gone. What
// stands in the way is an alarm; a production version that this party has not agreed
// to is a question.
func (s *servings) follow(ctx context.Context) {
	var told []func()
	s.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(s.all)) {
		d := s.all[id]
		if err := s.keepUse(ctx, id, d); err != nil {
			s.n.opts.Log.Error("use of a model not saved", "model", id, "error", err.Error())
		}
		if d.saved.On {
			told = append(told, s.tend(ctx, id, d)...)
		} else {
			told = append(told, func() { s.n.settled(ctx, id) })
		}
	}
	s.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

// tend brings one switch to what it has to serve, and returns what to tell when the
// lock is open again.
func (s *servings) tend(ctx context.Context, id string, d *deployment) (told []func()) {
	m, err := s.n.model(id)
	if err != nil {
		return nil // its project is not known yet, or is over
	}
	before := [2]string{toJSON(d.saved), fmt.Sprint(d.last)}
	reg, offered, err := s.due(m, d)
	switch {
	case err != nil:
		err = errors.Join(err, s.stop(ctx, d))
	case d.server == nil:
		err = s.start(ctx, m, d)
	default:
		err = s.change(ctx, m, d)
	}
	d.last = err
	switch {
	case err != nil && d.told != err.Error():
		d.told = err.Error()
		told = append(told, func() { s.n.alarm(ctx, m, err) })
	case err != nil:
	case offered == 0:
		d.told = ""
		told = append(told, func() { s.n.settled(ctx, id) })
	default:
		d.told = ""
		told = append(told, func() { s.n.offer(ctx, m, reg.Number, offered) })
	}
	if before == [2]string{toJSON(d.saved), fmt.Sprint(d.last)} {
		return told
	}
	if err := s.save(ctx, id, d); err != nil {
		s.n.opts.Log.Error("serving not saved", "model", id, "error", err.Error())
	}
	return append(told, func() {
		s.n.publish("serving", id, nil)
		s.n.statusChanged()
	})
}

// alarm puts into the inbox why a model is not served as it should be.
func (n *Node) alarm(ctx context.Context, m registry.Model, err error) {
	if n.inbox.has("alarm", m.ID()) {
		return
	}
	n.opts.Log.Warn("model not served as it should be", "model", m.ID(), "error", err.Error())
	text := err.Error() + "."
	if hint := fed.HintOf(err); hint != "" {
		text += " " + hint
	}
	n.inbox.ask(ctx, view.InboxEntry{
		ID: "serving-" + newHex(), Kind: "alarm", Subject: m.ID(), Href: "/serving/" + m.ID(),
		Title: fmt.Sprintf("%s is not served as it should be", m.Name), Text: text,
	})
}

// offer asks whether a model should be served in the version that the others have
// moved to production.
func (n *Node) offer(ctx context.Context, m registry.Model, now, offered int) {
	n.inbox.answered(ctx, "alarm", m.ID())
	n.inbox.ask(ctx, view.InboxEntry{
		ID: fmt.Sprintf("offer-%s-%d-%d", m.ID(), now, offered), Kind: "notice", Subject: m.ID(), Href: "/serving/" + m.ID(),
		Title: fmt.Sprintf("Answer with version %d of %s?", offered, m.Name),
		Text:  fmt.Sprintf("It is in production now without your yes. This computer goes on with version %d until you decide.", now),
	})
}

// settled takes alarm and question of a switch out of the inbox.
func (n *Node) settled(ctx context.Context, model string) {
	n.inbox.answered(ctx, "alarm", model)
	n.inbox.answered(ctx, "notice", model)
}
