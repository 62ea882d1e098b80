package node

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// egressBook is the ledger of what leaves: one line per frame, written before the
// frame, each line chained to the one before it.
type egressBook struct {
	n    *Node
	db   *sqlite.DB
	mu   sync.Mutex // guards the chain and what follows
	last query.Egress
	gone query.EgressPruned // what was taken off the beginning
	told time.Time
	sent map[string]int64 // bytes by subject, of those that were asked about

	inside map[string]int64 // bytes by subject to virtual parties since the start

	whole sync.RWMutex // nothing is taken off while the chain is read
}

// maxSummed bounds the subjects whose bytes are kept added up.
const maxSummed = 1024

func openEgress(ctx context.Context, n *Node) (*egressBook, error) {
	last, err := n.db.LastEgress(ctx)
	if err != nil && !sqlite.NoRows(err) {
		return nil, fmt.Errorf("read the egress ledger: %w", err)
	}
	gone, err := n.db.EgressPruned(ctx)
	if err != nil && !sqlite.NoRows(err) {
		return nil, fmt.Errorf("read the egress ledger: %w", err)
	}
	return &egressBook{n: n, db: n.db, last: last, gone: gone, sent: map[string]int64{}, inside: map[string]int64{}}, nil
}

// Record implements transport.Egress. A frame to a virtual party of the tutorial
// stays in this process, so it is counted but no line of the ledger.
func (e *egressBook) Record(ctx context.Context, f transport.Frame) (string, error) {
	inside := e.n.peers.virtual(string(f.Device))
	e.mu.Lock()
	defer e.mu.Unlock()
	if inside {
		e.count(e.inside, f.Subject, int64(f.Bytes))
		return "inside", nil
	}
	row := query.Egress{
		Seq: e.last.Seq + 1, TimeMs: ms(e.n.opts.Now()), Peer: string(f.Peer), Kind: string(f.Kind), Purpose: f.Purpose,
		Subject: f.Subject, Bytes: int64(f.Bytes), Digest: string(f.SHA256), Consent: e.n.consentFor(f),
	}
	if row.Peer == "" {
		row.Peer = string(f.Device)
	}
	row.Hash = egressHash(e.last.Hash, row)
	if err := e.db.InsertEgress(context.WithoutCancel(ctx), query.InsertEgressParams(row)); err != nil {
		return "", fmt.Errorf("write the egress ledger: %w", err)
	}
	e.last = row
	if sum, asked := e.sent[row.Subject]; asked {
		e.sent[row.Subject] = sum + row.Bytes
	}
	if now := time.Now(); now.Sub(e.told) > time.Second {
		e.told = now
		e.n.publish("activity", "", map[string]any{"frames": row.Seq})
	}
	return strconv.FormatInt(row.Seq, 10), nil
}

// count adds to the bytes of a subject. The caller holds the lock.
func (e *egressBook) count(sums map[string]int64, subject string, bytes int64) {
	if len(sums) >= maxSummed {
		clear(sums)
	}
	sums[subject] += bytes
}

func egressHash(prev string, r query.Egress) string {
	return string(fed.DigestOf(fmt.Appendf(nil, "synergos/egress/1\n%s\n%d\n%d\n%q\n%q\n%q\n%q\n%d\n%s\n%q", prev, r.Seq, r.TimeMs, r.Peer, r.Kind, r.Purpose, r.Subject, r.Bytes, r.Digest, r.Consent)))
}

// Activity returns a page of the egress ledger with totals.
func (n *Node) Activity(ctx context.Context, q view.ActivityQuery) (view.Activity, error) {
	before := int64(math.MaxInt64)
	if q.After != "" {
		v, err := strconv.ParseInt(q.After, 10, 64)
		if err != nil {
			return view.Activity{}, fed.Errorf(fed.Invalid, "Start from the first page.", "page %q is not known", q.After)
		}
		before = v
	}
	limit := min(max(q.Limit, 1), 500)
	if q.Limit == 0 {
		limit = 100
	}
	rows, err := n.db.ListEgress(ctx, query.ListEgressParams{Before: before, Peer: q.To, Kind: q.Kind, N: int64(limit)})
	if err != nil {
		return view.Activity{}, fmt.Errorf("read the egress ledger: %w", err)
	}
	totals, err := n.db.EgressTotals(ctx)
	if err != nil {
		return view.Activity{}, fmt.Errorf("add up the egress ledger: %w", err)
	}
	out := view.Activity{Items: []view.EgressFrame{}, Totals: []view.EgressTotal{}, Chain: n.egressChain()}
	for _, r := range rows {
		out.Items = append(out.Items, n.frameView(r))
	}
	if len(rows) == limit {
		out.Next = strconv.FormatInt(rows[len(rows)-1].Seq, 10)
	}
	out.Removed = n.egress.removed()
	for _, t := range totals {
		out.Totals = append(out.Totals, view.EgressTotal{To: n.nameOf(t.Peer), ToID: t.Peer, Kind: t.Kind, Frames: t.Frames, Bytes: t.Bytes})
		out.Bytes += t.Bytes
		out.Frames += t.Frames
	}
	return out, nil
}

func (n *Node) frameView(r query.Egress) view.EgressFrame {
	return view.EgressFrame{
		ID: strconv.FormatInt(r.Seq, 10), At: at(r.TimeMs), To: n.nameOf(r.Peer), ToID: r.Peer, Kind: r.Kind, Purpose: r.Purpose,
		Subject: r.Subject, Bytes: r.Bytes, Digest: r.Digest, Consent: r.Consent,
	}
}

func (n *Node) egressChain() view.Check {
	n.egress.mu.Lock()
	defer n.egress.mu.Unlock()
	return view.Check{Name: "Record of what left", OK: true, Text: fmt.Sprintf("%d entries, each linked to the one before.", n.egress.last.Seq-n.egress.gone.Seq)}
}

// VerifyActivity recomputes the whole chain and names the first bad entry.
func (n *Node) VerifyActivity(ctx context.Context) (view.Check, error) {
	check := view.Check{Name: "Record of what left", OK: true}
	n.egress.whole.RLock()
	defer n.egress.whole.RUnlock()
	n.egress.mu.Lock()
	gone := n.egress.gone
	n.egress.mu.Unlock()
	prev, seq := gone.Hash, gone.Seq
	err := n.eachEgress(ctx, func(r query.Egress) bool {
		if r.Seq != seq+1 || r.Hash != egressHash(prev, r) {
			check.OK, check.Text = false, fmt.Sprintf("Entry %d was changed or removed.", seq+1)
			return false
		}
		prev, seq = r.Hash, r.Seq
		return true
	})
	if check.OK {
		check.Text = fmt.Sprintf("All %d entries are unchanged.", seq-gone.Seq)
	}
	return check, err
}

func (n *Node) eachEgress(ctx context.Context, f func(query.Egress) bool) error {
	const page = 1000
	for after := int64(0); ; {
		rows, err := n.db.EgressAfter(ctx, query.EgressAfterParams{Seq: after, Limit: page})
		if err != nil {
			return fmt.Errorf("read the egress ledger: %w", err)
		}
		for _, r := range rows {
			if !f(r) {
				return nil
			}
			after = r.Seq
		}
		if len(rows) < page {
			return nil
		}
	}
}

// ExportActivity returns the egress ledger as CSV.
func (n *Node) ExportActivity(ctx context.Context) ([]byte, error) {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	n.egress.whole.RLock()
	defer n.egress.whole.RUnlock()
	rows := [][]string{{"entry", "time", "receiver", "receiver id", "kind", "purpose", "subject", "bytes", "sha256", "consent", "chain"}}
	err := n.eachEgress(ctx, func(r query.Egress) bool {
		v := n.frameView(r)
		rows = append(rows, []string{v.ID, v.At.Format(time.RFC3339Nano), cell(v.To), v.ToID, v.Kind, v.Purpose, v.Subject, strconv.FormatInt(v.Bytes, 10), v.Digest, v.Consent, r.Hash})
		return true
	})
	if err != nil {
		return nil, err
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write CSV: %w", err)
	}
	return buf.Bytes(), nil
}

// cell keeps a spreadsheet from reading a peer's name as a formula.
func cell(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}

// sentFor returns how many bytes left for a subject, such as a run. Screens ask
// many times a second, so the ledger is read once and added to afterwards.
func (n *Node) sentFor(ctx context.Context, subject string) int64 {
	e := n.egress
	e.mu.Lock()
	defer e.mu.Unlock()
	if sum, asked := e.sent[subject]; asked {
		return sum + e.inside[subject]
	}
	rows, err := e.db.EgressForSubject(ctx, subject)
	if err != nil {
		return 0
	}
	var sum int64
	for _, r := range rows {
		sum += r.Bytes
	}
	if len(e.sent) >= maxSummed {
		clear(e.sent)
	}
	e.sent[subject] = sum
	return sum + e.inside[subject]
}
