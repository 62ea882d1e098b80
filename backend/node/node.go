package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/reward"
	"synergos.app/desktop/backend/storage/blob"
	"synergos.app/desktop/backend/storage/sqlite"
)

// Node is one party, open.
type Node struct {
	opts  Options
	db    *sqlite.DB
	store *blob.Store
	self  *identity.Self

	book     *book.Book
	gossip   *book.Gossip
	projects *project.Projects
	tracker  *experiment.Tracker
	queue    *experiment.Queue
	ledger   *reward.Ledger

	net      Network
	peers    *peerBook
	egress   *egressBook
	grids    *grids
	data     *dataBook
	ops      *operations
	inbox    *inboxBook
	settings *settingBook
	counts   *counters
	backups  backups
	aligns   *alignments

	ctx    context.Context // ends with the node
	cancel context.CancelFunc
	work   sync.WaitGroup
	later  chan func(context.Context) // follow-ups of documents, in order
	live   bool                       // the book has been replayed
	ready  atomic.Bool                // started

	restored atomic.Bool // documents of this party came back from others

	registry  *registry.Registry
	servings  *servings
	grants    *grants
	pendingMu sync.Mutex // one writer of registry records

	tellMu     sync.Mutex // one question about this party's rows is noted after the other
	consentMu  sync.Mutex
	consentIDs map[fed.ProjectID]string // living consents, for the egress ledger

	fetchMu  sync.Mutex
	errands  *errands
	fetching map[fed.Digest]chan struct{} // transfers under way, closed at their end

	tutorialMu  sync.Mutex
	endTutorial func()

	renameMu sync.RWMutex // guards self
}

// Open opens or makes the party in opts.Home, without ports and peers: see Start.
func Open(ctx context.Context, opts Options) (_ *Node, err error) {
	opts.fill()
	n := &Node{opts: opts, later: make(chan func(context.Context), 1<<14), consentIDs: map[fed.ProjectID]string{}, fetching: map[fed.Digest]chan struct{}{}}
	n.errands = newErrands(n)
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close(ctx))
		}
	}()
	if err := os.MkdirAll(opts.Home, 0o700); err != nil {
		return nil, fed.Errorf(fed.Unavailable, "Choose a folder that you may write to with --home.", "the folder of this party cannot be made: %w", err)
	}
	if err := n.openStorage(ctx); err != nil {
		return nil, err
	}
	if err := n.openServices(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Start opens ports and peers, resumes what was running and returns when requests
// can be answered. It is called once.
func (n *Node) Start(context.Context) error {
	switch {
	case !n.peers.any():
	case n.settings.get(anewKey) != "":
		n.book.ListenAnew()
		n.work.Go(n.takeBack)
	default:
		n.book.Listen(max(2*n.opts.Timers.Heartbeat, 100*time.Millisecond))
	}
	if err := n.openNetwork(); err != nil {
		return err
	}
	n.work.Go(n.follow)
	n.work.Go(func() { _ = n.queue.Run(n.ctx) })
	n.work.Go(n.compare)
	n.resume()
	n.startRest()
	n.ready.Store(true)
	n.statusChanged()
	return nil
}

// Busy is one sentence about work that ending the program would interrupt, ""
// when there is none.
func (n *Node) Busy() string {
	switch k := n.grids.running(); {
	case k == 1:
		return "One run is in progress; it pauses on this computer when the app ends and goes on when it is started again."
	case k > 1:
		return fmt.Sprintf("%d runs are in progress; they pause on this computer when the app ends and go on when it is started again.", k)
	}
	return ""
}

func (n *Node) openStorage(ctx context.Context) (err error) {
	if n.db, err = sqlite.Open(ctx, n.opts.Home, sqlite.Options{Volatile: n.opts.Volatile}); err != nil {
		return err
	}
	if n.store, err = blob.Open(filepath.Join(n.opts.Home, "blobs")); err != nil {
		return err
	}
	n.self = n.opts.Self
	if n.self == nil {
		n.self, err = openIdentity(filepath.Join(n.opts.Home, "keys"), n.opts.Name)
	}
	return err
}

// unnamed is the display name of a party until its first start is over.
const unnamed = "Unnamed party"

func openIdentity(dir, name string) (*identity.Self, error) {
	self, err := identity.Load(dir)
	if err == nil || fed.KindOf(err) != fed.NotFound {
		return self, err
	}
	if name == "" {
		name = unnamed
	}
	if self, err = identity.Create(name); err != nil {
		return nil, err
	}
	return self, self.Save(dir)
}

func (n *Node) openServices(ctx context.Context) (err error) {
	n.counts = newCounters()
	if n.settings, err = openSettings(ctx, n.db); err != nil {
		return err
	}
	if n.egress, err = openEgress(ctx, n); err != nil {
		return err
	}
	if n.peers, err = openPeers(ctx, n); err != nil {
		return err
	}
	if n.inbox, err = openInbox(ctx, n); err != nil {
		return err
	}
	if n.ops, err = openOperations(ctx, n); err != nil {
		return err
	}
	if n.data, err = openData(ctx, n); err != nil {
		return err
	}
	n.projects, n.tracker = project.New(), experiment.NewTracker(fed.VerifierOf(n.keys().Verify), n.recordRefused)
	n.aligns = newAlignments(n)
	if n.grids, err = newGrids(ctx, n); err != nil {
		return err
	}
	if n.book, err = book.Open(ctx, sqlite.Docs{DB: n.db}, n.keys(), n.opts.Now); err != nil {
		return err
	}
	n.book.Known = n.peers.paired
	n.gossip = n.newGossip()
	n.ledger = reward.New(reward.Ports{
		Book: n.book, Blobs: n.blobs(), Keys: n.keys(), Fetch: n.fetch,
		Run: n.runOf, Policies: n.policiesOf, Led: n.led, Delivered: n.delivered,
	})
	n.queue = &experiment.Queue{
		Self: n.me(), Tracker: n.tracker, Grids: n.grids, States: n.grids, Ender: n.grids, Limit: n.gridLimit,
		Log: n.opts.Log, Tell: n.runChanged, Retry: max(n.opts.Timers.Heartbeat, 50*time.Millisecond),
	}
	if err := n.queue.Load(ctx); err != nil {
		return err
	}
	if err := n.openRest(ctx); err != nil {
		return err
	}
	if err := n.loadConsents(ctx); err != nil {
		return err
	}
	err = n.book.Subscribe(ctx, n.onDoc)
	n.live = true
	return err
}

// Close ends all work politely and returns when every goroutine has ended, or with
// ctx's error when that takes too long.
func (n *Node) Close(ctx context.Context) error {
	if n.grids != nil {
		n.grids.closeAll()
	}
	n.settle(ctx)
	n.cancel()
	done := make(chan error, 1)
	go func() {
		var errs []error
		if n.net != nil { // first, so that no message starts more work
			errs = append(errs, n.net.Close())
		}
		n.work.Wait()
		errs = append(errs, n.closeRest())
		if n.db != nil {
			errs = append(errs, n.db.Close())
		}
		done <- errors.Join(errs...)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close: %w", ctx.Err())
	}
}

// settle gives the follow-ups of the last documents a moment, so that the others
// hear of them.
func (n *Node) settle(ctx context.Context) {
	if !n.ready.Load() {
		return
	}
	done := make(chan struct{})
	n.then(func(context.Context) { close(done) })
	patience := time.NewTimer(3 * time.Second)
	defer patience.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-patience.C:
	}
}

// me returns this party.
func (n *Node) me() fed.PartyID { return n.identity().Party() }

func (n *Node) identity() *identity.Self {
	n.renameMu.RLock()
	defer n.renameMu.RUnlock()
	return n.self
}

// keys signs as this party. The organisation key never changes; its name may.
func (n *Node) keys() keys { return keys{n} }

type keys struct{ n *Node }

func (k keys) Party() fed.PartyID                     { return k.n.me() }
func (k keys) PublicKey() []byte                      { return k.n.identity().PublicKey() }
func (k keys) Sign(domain string, body []byte) []byte { return k.n.identity().Sign(domain, body) }

// Signed signs body with the key that proves it.
func (k keys) Signed(domain string, body []byte) fed.Signature {
	return fed.Signature{Key: k.PublicKey(), Sig: k.Sign(domain, body)}
}

func (k keys) Verify(key []byte, domain string, body, sig []byte) bool {
	return identity.Verify(key, domain, body, sig)
}

// follow runs the follow-ups of documents one after the other.
func (n *Node) follow() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case f := <-n.later:
			f(n.ctx)
		}
	}
}

// then queues a follow-up. It never blocks: a queue of that length means that
// something is stuck, and the gossip repairs what is dropped.
func (n *Node) then(f func(ctx context.Context)) {
	select {
	case n.later <- f:
	default:
		n.opts.Log.Error("follow-up dropped")
	}
}

// publish tells the screens, with the record as it is now.
func (n *Node) publish(kind, subject string, data any) { n.opts.Publish(kind, subject, data) }

func newHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fed.NewHexID(b)
}

// stored writes what is kept on disk. What cannot be written is an error: it must not
// be kept as nothing.
func stored(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write %T: %w", v, err)
	}
	return string(raw), nil
}

// toJSON writes what is shown or cannot fail.
func toJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(raw)
}

// recordRefused counts a document about a run that was not taken, once: not again
// when the book is read at the start.
func (n *Node) recordRefused(why string) {
	if n.live {
		n.counts.refuse("record: " + why)
	}
}

func ms(t time.Time) int64 { return t.UnixMilli() }

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
