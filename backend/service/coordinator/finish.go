package coordinator

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// finish evaluates the result on every member's test rows and closes the run.
func (l *lead) finish(ctx context.Context, last fed.Checkpoint) error {
	ref, err := l.Blobs.Ref(last.Digest)
	if err != nil {
		return fmt.Errorf("cite params: %w", err)
	}
	end := fed.RunEnd{Run: l.run.ID, State: "finished", Reason: "completed", Rounds: last.Round, Last: map[string]fed.Sums{}, Results: []fed.RunResult{}, Mandate: &l.Mandate}
	for name, r := range l.evaluate(ctx, fed.EvalAsk{Run: l.run.ID, Round: last.Round, Params: ref, Part: "valid"}) {
		if r.Sums.Examples > 0 {
			end.Last[name] = r.Sums
		}
	}
	end.Best = last.Round
	if l.run.Config.HoldOut() > 0 { // nothing is chosen on test rows
		end.Best = Best(l.Book.Rounds(l.run.ID), end.Last, last.Round)
	}
	through, closed := l.Ledger.Closed(l.run)
	if closed {
		end.Best = through // an earlier coordinator has paid up to this round
	}
	if end.Best, end.ParamsRef, err = l.result(end.Best, last); err != nil {
		return err
	}
	if closed && end.Best != through {
		l.Alarm(fmt.Sprintf("The result is that of round %d, but the ledger was closed for round %d, whose model is not on this computer.", end.Best, through))
	}
	end.Params = end.ParamsRef.Digest
	tests := l.evaluate(ctx, fed.EvalAsk{Run: l.run.ID, Round: end.Best, Params: end.ParamsRef, Part: "test", Alone: true})
	for _, m := range l.run.Members {
		if r, ok := tests[m.Name]; ok {
			end.Results = append(end.Results, fed.RunResult{Party: m.Party, Name: m.Name, Train: r.Train, Test: r.Sums, Alone: r.Alone, BytesIn: r.BytesIn, BytesOut: r.BytesOut})
		}
	}
	l.haveScored() // what an earlier coordinator recorded late
	l.scores.wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := l.Ledger.Close(ctx, l.run, end.Best); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The training is done and its result is right, whatever is wrong with the money.
		l.Log.Error("ledger not closed", "run", l.run.ID, "error", err.Error())
		l.Alarm("The training has finished, but its reward ledger could not be closed: " + err.Error() + ".")
	}
	slimEnd(&end)
	return l.Book.End(ctx, l.run, end)
}

// result cites the params of the best round, or the last ones when this party
// does not hold the best: it may have missed that round.
func (l *lead) result(best int, last fed.Checkpoint) (int, fed.BlobRef, error) {
	for _, r := range l.Book.Rounds(l.run.ID) {
		if r.N == best && l.Blobs.Has(r.Digest) {
			ref, err := l.Blobs.Ref(r.Digest)
			return best, ref, err
		}
	}
	ref, err := l.Blobs.Ref(last.Digest)
	return last.Round, ref, err
}

// Best returns the round (1..last) with the least pooled validation loss, the
// earliest on ties; without validation rows it is the last. Losses are compared over
// the same parties only: those that evaluated the last params, or, when nobody did,
// those of the round that most parties evaluated. A round that one of them did not
// evaluate is not compared.
func Best(rounds []fed.RoundRecord, lastSums map[string]fed.Sums, last int) int {
	of := map[int]map[string]fed.Sums{last: lastSums}
	for _, r := range rounds {
		if r.N >= 2 && r.N <= last {
			of[r.N-1] = r.Valid
		}
	}
	parties := with(lastSums)
	for n := last - 1; n >= 1 && len(with(lastSums)) == 0; n-- {
		if p := with(of[n]); len(p) > len(parties) {
			parties = p
		}
	}
	best, least := last, math.Inf(1)
	for n := 1; n <= last; n++ {
		if loss, ok := pooled(of[n], parties); ok && loss < least {
			best, least = n, loss
		}
	}
	return best
}

// with returns the parties that have rows, by name.
func with(sums map[string]fed.Sums) (out []string) {
	for _, name := range sortedNames(sums) {
		if sums[name].Examples > 0 {
			out = append(out, name)
		}
	}
	return out
}

// pooled returns the mean loss over the rows of all the parties, and false when one of
// them has none.
func pooled(sums map[string]fed.Sums, parties []string) (float64, bool) {
	loss, rows := 0.0, int64(0)
	for _, name := range parties {
		if sums[name].Examples <= 0 {
			return 0, false
		}
		loss += sums[name].Loss
		rows += sums[name].Examples
	}
	return loss / float64(rows), rows > 0
}

// enough is how long the members may take for an evaluation. What each has alone is
// trained for it, with as many steps as the run had.
func (l *lead) enough(ask fed.EvalAsk) time.Duration {
	d := max(10*l.MinDeadline, 30*time.Second)
	if ask.Alone && len(l.took) > 0 {
		d = max(d, 2*time.Duration(l.run.Config.Rounds)*slices.Max(l.took))
	}
	return d
}

// evaluate asks all members at once; who does not answer in time is left out.
func (l *lead) evaluate(ctx context.Context, ask fed.EvalAsk) map[string]fed.EvalReply {
	ctx, cancel := context.WithTimeout(ctx, l.enough(ask))
	defer cancel()
	var (
		mu  sync.Mutex
		wg  sync.WaitGroup
		out = map[string]fed.EvalReply{}
	)
	for _, m := range l.run.Members {
		wg.Go(func() {
			r, err := again(ctx, l, m.Party, 1, func() (fed.EvalReply, error) { return l.Members.Evaluate(ctx, m.Party, ask) })
			if err == nil && r.Sums.Examples > 0 {
				err = l.Learner.Check(l.run, r.Sums)
			}
			if err == nil && r.Alone != nil {
				err = l.Learner.Check(l.run, *r.Alone)
			}
			if err != nil {
				l.Log.Warn("party not evaluated", "run", l.run.ID, "party", m.Party.Short(), "part", ask.Part, "error", err.Error())
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[m.Name] = r
		})
	}
	wg.Wait()
	return out
}

// haveScored hands the recorded rounds that are not scored yet to the scorer, once
// each: the newest one, and those that an earlier coordinator did not get to.
func (l *lead) haveScored() {
	for _, ask := range l.Ledger.Unscored(l.run) {
		if !l.asked[ask.Round] {
			l.asked[ask.Round] = true
			l.scores.add(ask)
		}
	}
}

// scorer has rounds scored one after the other while training goes on.
type scorer struct {
	asks chan fed.ScoreAsk
	once sync.Once
	done chan struct{}
}

func (s *scorer) start(ctx context.Context, l *lead) {
	s.asks, s.done = make(chan fed.ScoreAsk, 1<<12), make(chan struct{})
	go func() {
		defer close(s.done)
		for ask := range s.asks {
			if ctx.Err() == nil {
				l.score(ctx, ask)
			}
		}
	}()
}

func (s *scorer) add(ask fed.ScoreAsk) { s.asks <- ask }

// wait returns when all rounds are scored.
func (s *scorer) wait() {
	s.once.Do(func() { close(s.asks) })
	<-s.done
}

// patience is how often members did not answer in vain, one after the other.
type patience struct {
	mu     sync.Mutex
	failed map[fed.PartyID]int
}

// tries returns how often to ask a member: one that did not answer is asked once more
// about the next thing, and then no more, so that it cannot hold up the run's end.
func (p *patience) tries(to fed.PartyID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(4-3*p.failed[to], 0)
}

func (p *patience) note(to fed.PartyID, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answered {
		delete(p.failed, to)
	} else {
		p.failed[to]++
	}
}

// again asks once more after a failure that may pass: a result without a party, or
// a round without a scorer, would be measured on other rows. It asks at least so
// often, and else as the member's earlier answers allow. A member that must be asked
// and is there may work on its answer longer than a question waits: it is asked until
// the time for all is over.
func again[T any](ctx context.Context, l *lead, to fed.PartyID, least int, ask func() (T, error)) (r T, err error) {
	err = fed.Errorf(fed.Unavailable, "", "it did not answer before")
	for try, left := 0, max(l.patience.tries(to), least); left > 0; try++ {
		if r, err = ask(); err == nil {
			l.patience.note(to, true)
			return r, nil
		}
		if k := fed.KindOf(err); k != fed.Unavailable && k != fed.Busy && k != fed.Timeout || !l.Members.Online(to) {
			return r, err
		}
		if least == 0 || fed.KindOf(err) != fed.Timeout {
			left--
		}
		select {
		case <-ctx.Done():
			l.patience.note(to, false)
			return r, ctx.Err()
		case <-time.After(min(l.MinDeadline/100, longestRetry/8) << min(try, 3)):
		}
	}
	l.patience.note(to, false)
	return r, err
}

func (l *lead) score(ctx context.Context, ask fed.ScoreAsk) {
	open := func(o fed.ScoreAsk) bool { return o.Round == ask.Round }
	if l.run.Config.Contribution == "none" || !slices.ContainsFunc(l.Ledger.Unscored(l.run), open) {
		return // the second case: an earlier coordinator's entry came in between
	}
	ref, err := l.Blobs.Ref(ask.Base.Digest)
	if err != nil {
		l.Log.Warn("round not scored", "run", l.run.ID, "round", ask.Round, "error", err.Error())
		return
	}
	ask.Base = ref
	ctx, cancel := context.WithTimeout(ctx, max(10*l.MinDeadline, 2*time.Minute))
	defer cancel()
	for _, in := range ask.In {
		if err := l.have(ctx, in); err != nil {
			l.Log.Warn("round not scored", "run", l.run.ID, "round", ask.Round, "error", err.Error())
			return
		}
	}
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		replies = map[fed.PartyID]fed.ScoreReply{}
	)
	for _, m := range l.run.Members {
		wg.Go(func() {
			r, err := again(ctx, l, m.Party, 0, func() (fed.ScoreReply, error) { return l.Members.Score(ctx, m.Party, ask) })
			if err != nil {
				l.Log.Warn("party did not score", "run", l.run.ID, "round", ask.Round, "party", m.Party.Short(), "error", err.Error())
				return
			}
			mu.Lock()
			defer mu.Unlock()
			replies[m.Party] = r
		})
	}
	wg.Wait()
	if err := l.Ledger.Scored(ctx, l.run, ask, replies); err != nil {
		l.Log.Warn("round not scored", "run", l.run.ID, "round", ask.Round, "error", err.Error())
	}
}

// have gets an update that an earlier coordinator gathered: from its party, or from
// whoever scored it.
func (l *lead) have(ctx context.Context, in fed.RoundParty) error {
	if l.Blobs.Has(in.Update.Digest) {
		return nil
	}
	err := l.Members.Fetch(ctx, in.Party, in.Update)
	for _, m := range l.run.Members {
		if err == nil {
			return nil
		}
		if m.Party != l.Self && m.Party != in.Party && l.Members.Online(m.Party) {
			err = l.Members.Fetch(ctx, m.Party, in.Update)
		}
	}
	return err
}

func sortedNames(m map[string]fed.Sums) []string { return slices.Sorted(maps.Keys(m)) }
