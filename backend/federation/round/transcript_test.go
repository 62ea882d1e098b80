package round

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

var update = flag.Bool("update", false, "rewrite the transcripts from what the machine does; read the difference")

// Each transcript in testdata plays a sentence of the specification, which stands
// at its head. Lines at the margin are commands, indented lines below what the
// machines answer:
//
//	grid A B C           machines with the default timers, A ranks first
//	mute B               B votes but never stands (before the first command)
//	at 30s               the clock
//	forgot B             the disk of B went back in time
//	tick|takeover|woke|pause|resume|leave|return|restart A
//	propose A a1         checkpoint a1 follows A's
//	stored B a1          the blob is on B's disk
//	deliver A B          the oldest message from A to B
//	overtake A B         the newest one
//	settle [A B ...]     everything, quietly, among the named; the rest is lost
//	loud [A B ...]       the same, printed
//	drop A B             what is on its way from A to B, * for anybody
//	add|remove A D       A proposes to add or remove D
//	join D               a machine for D, not yet a member
//	force A B            A goes on without B
//	explain A
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, want)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, want) {
				t.Errorf("%s differs; the machine says:\n%s", file, got)
			}
		})
	}
}

// play runs the commands of a transcript and returns it with fresh answers.
func play(t *testing.T, script []byte) []byte {
	var out bytes.Buffer
	var l *lab
	lines := bufio.NewScanner(bytes.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "    ") {
			continue
		}
		fmt.Fprintln(&out, line)
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if f[0] == "grid" {
			l = newLab(t, 0, parties(f[1:])...)
			continue
		}
		l.out.Reset()
		command(t, l, f)
		for _, answer := range strings.SplitAfter(l.out.String(), "\n") {
			if answer != "" {
				out.WriteString("    " + answer)
			}
		}
	}
	return out.Bytes()
}

func parties(f []string) []fed.PartyID {
	var p []fed.PartyID
	for _, s := range f {
		p = append(p, fed.PartyID(s))
	}
	return p
}

var buttons = map[string]Input{
	"tick": Tick{}, "takeover": TakeOver{}, "woke": Woke{}, "pause": Pause{},
	"resume": Resume{}, "leave": Leave{}, "return": Return{},
}

func command(t *testing.T, l *lab, f []string) {
	who := fed.PartyID("")
	if len(f) > 1 {
		who = fed.PartyID(f[1])
	}
	if in, ok := buttons[f[0]]; ok {
		l.step(who, in)
		return
	}
	switch f[0] {
	case "at":
		d, err := time.ParseDuration(f[1])
		must(t, err)
		l.now = d
	case "mute":
		l.stands[who] = false
		l.restart(who)
	case "forgot":
		l.forgot[who] = true
		l.restart(who)
	case "restart":
		l.restart(who)
	case "propose":
		l.propose(who, named(f[2]))
	case "stored":
		l.step(who, Stored{named(f[2])})
	case "deliver":
		l.deliver(who, fed.PartyID(f[2]))
	case "overtake":
		to := fed.PartyID(f[2])
		for i := len(l.wire) - 1; i >= 0; i-- {
			if p := l.wire[i]; p.from == who && p.to == to {
				l.wire = append(l.wire[:i], l.wire[i+1:]...)
				l.step(to, Received{who, p.msg})
				return
			}
		}
		t.Fatalf("nothing on its way from %s to %s", who, to)
	case "settle":
		before := l.out.Len()
		l.settle(parties(f[1:])...)
		quiet := l.out.String()[:before]
		l.out.Reset()
		l.out.WriteString(quiet)
	case "loud":
		l.settle(parties(f[1:])...)
	case "drop":
		l.drop(anyone(f[1]), anyone(f[2]))
	case "add":
		l.step(who, Change{l.m[who].p.With(fed.PartyID(f[2]))})
	case "remove":
		l.step(who, Change{l.m[who].p.Without(fed.PartyID(f[2]))})
	case "join":
		l.add(who)
	case "force":
		l.step(who, Force{l.m[who].p.Without(fed.PartyID(f[2]))})
	case "explain":
		for _, s := range l.m[who].Explain(origin.Add(l.now)).Sentences(func(p fed.PartyID) string { return string(p) }) {
			fmt.Fprintln(&l.out, s)
		}
	default:
		t.Fatalf("unknown command %q", f[0])
	}
}

func anyone(s string) fed.PartyID {
	if s == "*" {
		return ""
	}
	return fed.PartyID(s)
}
