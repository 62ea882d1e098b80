package discover

import (
	"context"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// outbox hands events to one reader that may be slow: it keeps the newest event
// of each device, in the order in which the devices came.
type outbox struct {
	ch   chan Event
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	order   []fed.DeviceID
	pending map[fed.DeviceID]Event
}

func newOutbox() *outbox {
	return &outbox{ch: make(chan Event), wake: make(chan struct{}, 1), pending: map[fed.DeviceID]Event{}}
}

func (o *outbox) put(e Event) {
	o.mu.Lock()
	id := e.Device()
	if _, waits := o.pending[id]; !waits {
		o.order = append(o.order, id)
	}
	o.pending[id] = e
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() (Event, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.order) == 0 {
		return nil, false
	}
	id := o.order[0]
	o.order = o.order[1:]
	e := o.pending[id]
	delete(o.pending, id)
	return e, true
}

// run delivers until ctx ends and closes the channel.
func (o *outbox) run(ctx context.Context) {
	defer close(o.ch)
	for {
		e, ok := o.take()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-o.wake:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case o.ch <- e:
		}
	}
}
