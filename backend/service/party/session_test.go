package party

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

func waitAll() { synctest.Wait() }

func TestFollowerSavesThenSendsThenTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.start()
		l.deliver("B", round.Vote{Epoch: 1, Term: 1})
		waitAll()
		l.inOrder(t, "save grid: term 1, vote B", "send B VoteReply")
		l.coordinate("B", l.checkpoint(1, 0))
		l.inOrder(t, "fetch from B", "save grid: term 1, vote B, round 0 of term 1", "send B Ack", "tell committed", "train round 1", "save update of round 1", "send B update of round 1")
		if u := l.updates(); len(u) != 1 || u[0].Run != runID || u[0].Term != 1 || u[0].Round != 1 || u[0].Base != l.checkpoint(1, 0).Digest || u[0].Examples != 7 || !claimed(u[0], "C") || !l.blobs.Has(u[0].Blob.Digest) {
			t.Errorf("sent %+v", u)
		}
		if s := l.session.State(); s.Leader != id("B") || s.Term != 1 || s.Committed.Round != 0 || s.Live.State != "idle" || s.Explain == "" {
			t.Errorf("state %+v", s)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// claimed reports whether a member signed what its update says.
func claimed(u fed.Update, by string) bool {
	p, ok := verify(fed.ClaimDomain, u.Claimed().SigningBytes(), u.Claim)
	return ok && p == id(by)
}

func TestNothingLeavesThatCouldNotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.disk.fail = errDisk
		l.start()
		l.deliver("B", round.Vote{Epoch: 1, Term: 1})
		if err := <-l.ended; !errors.Is(err, errDisk) {
			t.Errorf("the session ended with %v", err)
		}
		if n := l.count("send"); n != 0 {
			t.Errorf("%d messages left", n)
		}
		l.inOrder(t, "tell failed")
	})
}

// grid.md 5.6: a party resends the same bytes after a change of coordinator. The
// first one is gone while the update is on its way to it.
func TestUpdateGoesToTheNewCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.fail("A", errDown)
		l.start()
		l.coordinate("A", l.checkpoint(1, 0))
		time.Sleep(10 * time.Second)
		if l.count("update for A failed") < 2 || len(l.updates()) != 0 {
			t.Fatalf("A is not down: %v", l.all())
		}
		l.coordinate("B", l.checkpoint(2, 0))
		time.Sleep(time.Second)
		u := l.updates()
		if len(u) != 1 || u[0].Term != 2 || u[0].Blob != l.disk.updates[u[0].Round].Blob {
			t.Fatalf("sent to the new coordinator: %+v", u)
		}
		if n := l.count("train"); n != 1 {
			t.Errorf("trained %d times", n)
		}
		failed := l.count("update for A failed")
		time.Sleep(time.Minute)
		if l.count("update for A failed") != failed {
			t.Error("the old coordinator is still tried")
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// The coordinator changes twice while this party trains: the training goes on and
// goes to the last one only.
func TestTrainingOutlivesItsCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.trainer.release = make(chan struct{})
		l.start()
		l.coordinate("A", l.checkpoint(1, 0))
		l.coordinate("B", l.checkpoint(2, 0))
		l.coordinate("A", l.checkpoint(3, 0))
		close(l.trainer.release)
		waitAll()
		if u := l.updates(); l.count("train round 1") != 1 || len(u) != 1 || u[0].Term != 3 {
			t.Errorf("sent %+v after %v", u, l.all())
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A newer checkpoint ends the work on an older one, also when the coordinator
// changed in between.
func TestNewCheckpointEndsOldWork(t *testing.T) {
	for _, last := range []int{1, 3} { // round 3 is the run's last: there is nothing more to train
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "C")
			l.trainer.release = make(chan struct{})
			l.start()
			l.coordinate("A", l.checkpoint(1, 0))
			l.coordinate("B", l.checkpoint(2, 0))
			l.coordinate("B", l.checkpoint(2, last))
			if l.count("training of round 1 cancelled") != 1 {
				t.Errorf("round %d committed: the old training goes on: %v", last, l.all())
			}
			close(l.trainer.release)
			waitAll()
			want := 1
			if last == 3 {
				want = 0
			}
			if u := l.updates(); len(u) != want || want == 1 && u[0].Round != 2 {
				t.Errorf("round %d committed: sent %+v", last, u)
			}
			if err := l.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSavedUpdateIsSentAgainAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.start()
		l.coordinate("A", l.checkpoint(1, 0))
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.start()
		l.session.Return()
		l.coordinate("B", l.checkpoint(2, 0))
		if u := l.updates(); len(u) != 2 || u[0].Blob != u[1].Blob || u[0].Base != u[1].Base || l.count("train") != 1 {
			t.Errorf("sent %+v after %v", u, l.all())
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A coordinator that calls two checkpoints of one round committed gets one update: a
// second one from other params would tell more of the rows than the run was to.
func TestOneUpdateOfARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.start()
		l.coordinate("A", l.checkpoint(1, 0))
		other := fed.Checkpoint{Term: 1, Digest: l.others.put([]byte("params of the coordinator's choice")).Digest}
		l.coordinate("A", other)
		u := l.updates()
		if l.count("train") != 1 || len(u) != 2 || u[1].Problem == "" || u[1].Blob.Digest != "" || u[1].Base != other.Digest {
			t.Errorf("sent %+v", u)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A party that cannot train says so instead of staying silent; what is not meant
// for others stays here.
func TestProblemIsSent(t *testing.T) {
	for text, err := range map[string]error{
		"the consent has expired":         fed.Errorf(fed.Permission, "", "the consent has expired"),
		"training failed on its computer": errors.New("open secret/path"),
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "C")
			l.trainer.err = err
			l.start()
			l.coordinate("A", l.checkpoint(1, 0))
			if u := l.updates(); len(u) != 1 || u[0].Problem != text || u[0].Blob.Digest != "" || u[0].Round != 1 {
				t.Errorf("sent %+v", u)
			}
			if s := l.session.State(); s.Live.State != "idle" {
				t.Errorf("after a failure the party is at %q", s.Live.State)
			}
			if err := l.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeliveryTriesAgainUntilRefused(t *testing.T) {
	for _, c := range []struct {
		err   error
		again bool
	}{
		{fed.Errorf(fed.Busy, "", "busy"), true}, {errors.New("reset"), true}, {fed.Errorf(fed.Timeout, "", "slow"), true},
		{fed.Errorf(fed.Permission, "", "no"), false}, {fed.Errorf(fed.Invalid, "", "no"), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "C")
			l.fail("A", c.err)
			l.start()
			l.coordinate("A", l.checkpoint(1, 0))
			time.Sleep(time.Minute)
			if n := l.count("update for A failed"); (n > 1) != c.again || n > 20 {
				t.Errorf("%v: tried %d times in a minute", c.err, n)
			}
			l.fail("A", nil)
			time.Sleep(time.Minute)
			if n := len(l.updates()); (n == 1) != c.again {
				t.Errorf("%v: %d updates arrived", c.err, n)
			}
			if err := l.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Leaving ends the training at once and says goodbye to everybody, however long
// the network takes for it, but not for ever.
func TestCancelLeavesPolitely(t *testing.T) {
	for _, c := range []struct {
		pause time.Duration
		sent  int
	}{{0, 2}, {300 * time.Millisecond, 2}, {time.Hour, 0}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "C")
			l.trainer.release = make(chan struct{})
			l.start()
			l.coordinate("A", l.checkpoint(1, 0))
			l.mu.Lock()
			l.pause = c.pause
			l.mu.Unlock()
			began := time.Now()
			if err := l.stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("leaving took %v", took)
			}
			if n := l.count("send A Presence") + l.count("send B Presence"); n != c.sent || l.count("training of round 1 cancelled") != 1 {
				t.Errorf("with %v per message %d goodbyes were sent: %v", c.pause, n, l.all())
			}
		})
	}
}

func TestStrangersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "C")
		l.start()
		if err := l.session.Deliver(id("X"), round.Vote{Epoch: 1, Term: 1}, fed.BlobRef{}); fed.KindOf(err) != fed.Permission {
			t.Errorf("a stranger's vote: %v", err)
		}
		if err := l.session.DeliverUpdate(id("X"), fed.Update{}); fed.KindOf(err) != fed.Permission {
			t.Errorf("a stranger's update: %v", err)
		}
		var err error
		for range 1000 {
			if err = l.session.DeliverUpdate(id("A"), fed.Update{}); err != nil {
				break
			}
		}
		if fed.KindOf(err) != fed.Busy {
			t.Errorf("updates without end: %v", err)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// elect lets A win its first election with B's vote.
func (l *lab) elect(term uint64) {
	l.t.Helper()
	for range 100 {
		time.Sleep(time.Second)
		for _, m := range l.take() {
			switch m := m.(type) {
			case round.Prevote:
				l.deliver("B", round.PrevoteReply{Epoch: 1, Term: m.Term - 1, For: m.Term, Granted: true})
			case round.Vote:
				b := fed.Ballot{Run: runID, Epoch: m.Epoch, Term: m.Term, Candidate: id(l.self), Acc: m.Acc}
				l.deliver("B", round.VoteReply{Epoch: 1, Term: m.Term, Granted: true, Vote: signed(id("B"), fed.BallotDomain, b.SigningBytes())})
			}
		}
		waitAll()
		if s := l.session.State(); s.Leader == id(l.self) && s.Term == term {
			return
		}
	}
	l.t.Fatalf("%s was not elected in term %d: %v", l.self, term, l.all())
}

func (l *lab) take() []round.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.msgs
	l.msgs = nil
	return m
}

// After a restart nobody tells again that the last round was committed; the next
// reign must still start from it, once it is committed in its own term.
func TestReadyAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "A")
		acc := l.checkpoint(4, 2)
		data, _ := l.others.Get(context.Background(), acc.Digest)
		l.blobs.put(data)
		l.disk.grid = &round.Persistent{Members: l.members, Term: 4, Acc: acc, CommittedRound: 2}
		ready := make(chan fed.Checkpoint, 1)
		l.lead = func(ctx context.Context, s *Session, acc fed.Checkpoint) {
			if c, err := s.Ready(ctx, acc); err == nil {
				ready <- c
			}
			<-ctx.Done()
		}
		l.start()
		l.elect(5)
		waitAll()
		if len(ready) != 0 {
			t.Fatalf("ready with %+v before anybody acknowledged it", <-ready)
		}
		acc.Term = 5
		l.deliver("B", round.Ack{Epoch: 1, Term: 5, Acc: acc})
		waitAll()
		select {
		case c := <-ready:
			if c != acc {
				t.Errorf("ready with %+v, want %+v", c, acc)
			}
		default:
			t.Error("the inherited checkpoint is committed, but the reign does not begin")
		}
		if s := l.session.State(); s.Committed != acc {
			t.Errorf("the session shows %+v as committed", s.Committed)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A pause by a person holds the coordinator until somebody resumes.
func TestHeldRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "A")
		steps := make(chan string, 8)
		l.lead = func(ctx context.Context, s *Session, acc fed.Checkpoint) {
			if _, err := s.Ready(ctx, acc); err != nil {
				return
			}
			steps <- "ready"
			<-ctx.Done()
			if err := s.Unheld(ctx); err == nil {
				err = s.Commit(ctx, fed.Checkpoint{})
				t.Errorf("after the reign: %v", err)
			}
		}
		l.start()
		if err := l.session.Pause(); err != nil {
			t.Fatal(err)
		}
		l.elect(1)
		if len(steps) != 0 || !l.session.State().Held {
			t.Fatal("the held run was started")
		}
		if err := l.session.Resume(); err != nil {
			t.Fatal(err)
		}
		waitAll()
		if len(steps) != 1 || l.session.State().Held {
			t.Error("the resumed run was not started")
		}
		l.inOrder(t, "tell held: Paused", "tell held: Resumed")
		if err := l.session.Pause(); err != nil {
			t.Fatal(err)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A reign that was lost ends before the next one takes updates.
func TestOneReignAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "A")
		release := make(chan struct{})
		l.lead = func(ctx context.Context, s *Session, _ fed.Checkpoint) {
			l.add("lead")
			<-ctx.Done()
			<-release
			l.add("led")
		}
		l.start()
		l.elect(1)
		l.coordinate("B", l.checkpoint(2, 0)) // B leads, and falls silent
		l.elect(l.session.State().Term + 1)
		if l.count("lead") != 1 {
			t.Error("two reigns at once")
		}
		close(release)
		waitAll()
		l.inOrder(t, "lead", "led", "lead")
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}
