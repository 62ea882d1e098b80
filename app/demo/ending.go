package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"synergos.app/desktop/backend/node/view"
)

// account reads what each party sent and lets each verify its own record.
func account(ctx context.Context, s *story) (string, error) {
	total := int64(0)
	err := each(s.parties, func(p *party) error {
		got, err := get[view.Activity](ctx, p.client, "/activity?limit=1")
		if err != nil {
			return err
		}
		check, err := post[view.Check](ctx, p.client, "/activity/verify", nil)
		if err != nil {
			return err
		}
		if !check.OK {
			return wrong(p, "somebody changed the record", "%s: %s", check.Name, check.Text)
		}
		sum := sumByKind(got.Totals)
		if got.Bytes == 0 || got.Frames == 0 || bytesOf(sum) != got.Bytes {
			return wrong(p, "see GET /activity", "expected a record of what was sent, with totals that add up; it has %d bytes in %d frames, and the totals say %d", got.Bytes, got.Frames, bytesOf(sum))
		}
		total += got.Bytes
		s.report.Sent = append(s.report.Sent, SentRow{Party: p.name, Bytes: got.Bytes, Frames: got.Frames, Kinds: sum, Check: check.Text})
		return nil
	})
	return fmt.Sprintf("%s in all; each party's record is unbroken", size(total)), err
}

// sumByKind adds the totals up over the receivers, most bytes first.
func sumByKind(totals []view.EgressTotal) []KindRow {
	by := map[string]KindRow{}
	for _, t := range totals {
		k := by[t.Kind]
		by[t.Kind] = KindRow{Kind: t.Kind, Bytes: k.Bytes + t.Bytes, Frames: k.Frames + t.Frames}
	}
	return slices.SortedFunc(maps.Values(by), func(a, b KindRow) int {
		if a.Bytes != b.Bytes {
			return int(min(max(b.Bytes-a.Bytes, -1), 1))
		}
		return slices.Compare([]byte(a.Kind), []byte(b.Kind))
	})
}

func bytesOf(rows []KindRow) (n int64) {
	for _, r := range rows {
		n += r.Bytes
	}
	return n
}

// memory is what a party must still know after its process was killed.
type memory struct {
	Identity string
	Peers    []string
	Datasets []string
	Projects []string
	Runs     []string
	Versions []string
	Ledger   []string
	Serving  []string
}

// remember reads a party's memory through the API.
func remember(ctx context.Context, s *story, p *party) (memory, error) {
	id, err := get[view.Identity](ctx, p.client, "/identity")
	if err != nil {
		return memory{}, err
	}
	m := memory{Identity: id.PartyID + " " + id.DeviceID + " " + id.Party}
	peers, err := get[view.PeerList](ctx, p.client, "/peers")
	if err != nil {
		return memory{}, err
	}
	for _, q := range peers.Items {
		if q.State == "paired" {
			m.Peers = append(m.Peers, q.DeviceID)
		}
	}
	rewards, err := get[view.Rewards](ctx, p.client, "/rewards?project="+s.project.ID)
	if err != nil {
		return memory{}, err
	}
	for _, e := range rewards.Entries {
		m.Ledger = append(m.Ledger, e.Hash)
	}
	if err := m.addRecords(ctx, p); err != nil {
		return memory{}, err
	}
	for _, l := range [][]string{m.Peers, m.Datasets, m.Projects, m.Runs, m.Versions, m.Ledger, m.Serving} {
		slices.Sort(l)
	}
	return m, nil
}

func (m *memory) addRecords(ctx context.Context, p *party) error {
	datasets, err := list[view.Dataset](ctx, p.client, "/datasets")
	if err != nil {
		return err
	}
	for _, d := range datasets {
		m.Datasets = append(m.Datasets, fmt.Sprintf("%s, %d rows, card %d", d.ID, d.Rows, d.CardVersion))
	}
	projects, err := list[view.Project](ctx, p.client, "/projects")
	if err != nil {
		return err
	}
	for _, x := range projects {
		m.Projects = append(m.Projects, x.ID+" "+x.Name)
	}
	runs, err := list[view.Run](ctx, p.client, "/runs")
	if err != nil {
		return err
	}
	for _, r := range runs {
		m.Runs = append(m.Runs, r.ID+" "+r.State+" "+r.ParamsHash)
	}
	models, err := list[view.Model](ctx, p.client, "/models")
	for _, x := range models {
		for _, v := range x.Versions {
			m.Versions = append(m.Versions, fmt.Sprintf("%s %d %s %s", v.Model, v.Number, v.ContentID, v.Stage))
		}
	}
	if err != nil {
		return err
	}
	served, err := list[view.Serving](ctx, p.client, "/serving")
	for _, x := range served {
		m.Serving = append(m.Serving, fmt.Sprintf("%s %s at %s", x.Model, x.State, x.Address))
	}
	return err
}

// missing says what of m is not in now.
func (m memory) missing(now memory) error {
	if m.Identity != now.Identity {
		return notYet("it has another identity")
	}
	for _, x := range []struct {
		what      string
		had, have []string
	}{
		{"paired peers", m.Peers, now.Peers}, {"datasets", m.Datasets, now.Datasets}, {"projects", m.Projects, now.Projects},
		{"runs", m.Runs, now.Runs}, {"model versions", m.Versions, now.Versions}, {"ledger entries", m.Ledger, now.Ledger}, {"served models", m.Serving, now.Serving},
	} {
		for _, item := range x.had {
			if !slices.Contains(x.have, item) {
				return notYet("of its %s, %q is gone", x.what, item)
			}
		}
	}
	return nil
}

// restart kills the last party's process without warning, starts it again on the
// same home, and checks that it knows all it knew and is back among the others.
func restart(ctx context.Context, s *story) (string, error) {
	p := s.parties[3]
	before, err := remember(ctx, s, p)
	if err != nil {
		return "", at(p, err)
	}
	if len(before.Runs) < len(s.runs) || len(before.Versions) == 0 || len(before.Ledger) == 0 {
		return "", wrong(p, "see GET /runs and GET /models", "expected it to know %d runs, a version and the ledger before it is killed; it knows %d, %d and %d entries", len(s.runs), len(before.Runs), len(before.Versions), len(before.Ledger))
	}
	if err := s.procs.kill(p); err != nil {
		return "", at(p, err)
	}
	if err := s.startOne(ctx, p); err != nil {
		return "", err
	}
	err = s.await(ctx, p, "everything that it knew before it was killed", func(ctx context.Context) error {
		now, err := remember(ctx, s, p)
		if err != nil {
			return err
		}
		return before.missing(now)
	})
	if err != nil {
		return "", err
	}
	check, err := post[view.Check](ctx, p.client, "/activity/verify", nil)
	if err == nil && !check.OK {
		err = wrong(p, "the record lost its end", "%s: %s", check.Name, check.Text)
	}
	if err != nil {
		return "", at(p, err)
	}
	if err := s.online(ctx, s.first(), p); err != nil {
		return "", err
	}
	s.report.Restart = fmt.Sprintf("%s was killed and started again. All is there: its runs (%d), versions of models (%d), ledger entries (%d) and its record of what it sent. It serves again.", p.name, len(before.Runs), len(before.Versions), len(before.Ledger))
	return s.report.Restart, nil
}

// what the files of a home are for, by name.
var storedWhat = map[string]string{
	"keys": "private keys of the party", "blobs": "models and updates, named by their SHA-256", "log": "log without rows or values",
	"exports": "files written for the user", "lock": "who uses this home", "owner.json": "who uses this home",
	"control.sock": "door for programs of the same user", "api.json": "address and token for programs of the same user",
}

// inventory lists what lies in each home, and the files that stayed in place.
func inventory(_ context.Context, s *story) (string, error) {
	total := int64(0)
	err := each(s.parties, func(p *party) error {
		entries, err := os.ReadDir(p.home)
		if err != nil {
			return fmt.Errorf("list the home: %w", err)
		}
		row := StoredRow{Party: p.name, Home: p.home, Data: p.file}
		for _, e := range entries {
			bytes, err := sizeOf(filepath.Join(p.home, e.Name()))
			if err != nil {
				return fmt.Errorf("measure the home: %w", err)
			}
			row.Items = append(row.Items, StoredItem{Name: e.Name(), Bytes: bytes, What: storedKind(e.Name())})
			total += bytes
		}
		s.report.Stored = append(s.report.Stored, row)
		return nil
	})
	return fmt.Sprintf("%s in four homes under %s", size(total), s.report.Homes), err
}

func storedKind(name string) string {
	if what, ok := storedWhat[name]; ok {
		return what
	}
	switch ext := filepath.Ext(name); ext {
	case ".db", ".db-wal", ".db-shm", ".sqlite", ".sqlite-wal", ".sqlite-shm":
		return "database: documents, records, settings"
	}
	return ""
}

// sizeOf adds the bytes of the regular files under path. What vanishes meanwhile
// is not counted.
func sizeOf(path string) (total int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return ignoreGone(err)
	})
	return total, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
