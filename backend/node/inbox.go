package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// inboxBook keeps what needs a person. Ids are derived from what an entry is
// about, so that the same question is asked once.
type inboxBook struct {
	n       *Node
	mu      sync.Mutex
	entries map[string]view.InboxEntry
}

func openInbox(ctx context.Context, n *Node) (*inboxBook, error) {
	rows, err := n.db.ListInbox(ctx, 1000)
	if err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	b := &inboxBook{n: n, entries: map[string]view.InboxEntry{}}
	for _, r := range rows {
		var e view.InboxEntry
		if json.Unmarshal([]byte(r.Body), &e) == nil {
			e.Done = r.Done != 0
			b.entries[e.ID] = e
		}
	}
	return b, nil
}

// ask puts an entry in, once per id.
func (b *inboxBook) ask(ctx context.Context, e view.InboxEntry) {
	b.mu.Lock()
	_, known := b.entries[e.ID]
	if !known {
		e.At = b.n.opts.Now().UTC()
		b.save(ctx, e)
	}
	b.mu.Unlock()
	if !known {
		b.n.publish("inbox", e.ID, e)
		b.n.statusChanged()
	}
}

// has reports whether an entry about a subject is open.
func (b *inboxBook) has(kind, subject string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if !e.Done && e.Kind == kind && e.Subject == subject {
			return true
		}
	}
	return false
}

// answered marks entries about a subject as done.
func (b *inboxBook) answered(ctx context.Context, kind, subject string) {
	b.mu.Lock()
	var changed []view.InboxEntry
	for _, e := range b.entries {
		if !e.Done && e.Kind == kind && e.Subject == subject {
			e.Done = true
			b.save(ctx, e)
			changed = append(changed, e)
		}
	}
	b.mu.Unlock()
	for _, e := range changed {
		b.n.publish("inbox", e.ID, e)
	}
	if len(changed) > 0 {
		b.n.statusChanged()
	}
}

func (b *inboxBook) save(ctx context.Context, e view.InboxEntry) {
	done := int64(0)
	if e.Done {
		done = 1
	}
	b.entries[e.ID] = e
	body, err := stored(e)
	if err == nil {
		err = b.n.db.PutInbox(ctx, query.PutInboxParams{ID: e.ID, Body: body, TimeMs: ms(e.At), Done: done})
	}
	if err != nil {
		b.n.opts.Log.Error("inbox entry not saved", "kind", e.Kind, "error", err.Error())
	}
}

func (b *inboxBook) open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := 0
	for _, e := range b.entries {
		if !e.Done {
			k++
		}
	}
	return k
}

// Inbox returns what needs a person, open entries first, newest first.
func (n *Node) Inbox(context.Context) ([]view.InboxEntry, error) {
	n.inbox.mu.Lock()
	defer n.inbox.mu.Unlock()
	out := []view.InboxEntry{}
	for _, e := range n.inbox.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b view.InboxEntry) int {
		if a.Done != b.Done {
			return cmp.Compare(fromBool(a.Done), fromBool(b.Done))
		}
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), 200)], nil
}

func fromBool(b bool) int {
	if b {
		return 1
	}
	return 0
}

// DismissInbox marks one entry as done.
func (n *Node) DismissInbox(ctx context.Context, id string) error {
	n.inbox.mu.Lock()
	e, ok := n.inbox.entries[id]
	if ok {
		e.Done = true
		n.inbox.save(ctx, e)
	}
	n.inbox.mu.Unlock()
	if !ok {
		return fed.Errorf(fed.NotFound, "Reload the inbox.", "there is no such inbox entry")
	}
	n.publish("inbox", id, e)
	n.statusChanged()
	return nil
}
