package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// One yes of three does not promote, two do; what follows production is switched to
// it, and predictions come from it.
func TestStagesAndServing(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	ctx := t.Context()
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	a, b, c := l.Hospital[0], l.Hospital[1], l.Hospital[2]
	second := cfg
	second.Train.LR = 0.05
	runs := []string{a.Queue(project, cfg), a.Queue(project, second)}
	for _, run := range runs {
		l.OneTruth(project, run)
		must(b.RegisterModel(ctx, run, "heart"))(t)
	}
	for _, h := range l.Hospital {
		Eventually(t, "both versions at "+h.Name, func() bool {
			m, err := h.Model(ctx, "heart")
			return err == nil && len(m.Versions) == 2 && m.Versions[0].State == "ready" && m.Versions[1].State == "ready" && m.Versions[0].Number+m.Versions[1].Number == 3
		})
		for number := 1; number <= 2; number++ {
			for _, k := range must(h.Version(ctx, "heart", number))(t).Checks {
				if !k.OK {
					t.Errorf("%s: version %d: %s: %s", h.Name, number, k.Name, k.Text)
				}
			}
		}
	}
	_, err := c.SwitchServing(ctx, "heart", view.ServingSwitch{On: true})
	refused(t, "serving without production", err, fed.Invalid)

	q := must(b.RequestStage(ctx, "heart", 1, "production", "Better than what each has alone."))(t)
	Eventually(t, "the request at all", func() bool { return a.knowsRequest(q.ID) && c.knowsRequest(q.ID) })
	x := must(b.stageRequest(q.ID))(t)
	same(t, "needed", line(x.Needed, len(x.Voters)), "2 3")
	yes := func(h *Hospital, id string) {
		must(h.VoteStage(ctx, id, true, "Checked against our own rows."))(t)
	}
	count := func(h *Hospital, id string) int {
		n := 0
		for _, v := range must(h.stageRequest(id))(t).Votes {
			n += fromBool(v.Yes)
		}
		return n
	}
	if count(b, q.ID) == 0 {
		yes(b, q.ID)
	}
	for _, h := range l.Hospital {
		Eventually(t, "the first yes at "+h.Name, func() bool { return count(h, q.ID) == 1 })
		same(t, h.Name+" has in production", must(h.Model(ctx, "heart"))(t).Production, 0)
		same(t, "the request", must(h.stageRequest(q.ID))(t).State, "proposed")
	}
	yes(c, q.ID)
	l.production(1)
	_, err = a.VoteStage(ctx, q.ID, false, "Too late to say no to this.")
	if err == nil {
		t.Error("a vote counts after the decision")
	}

	on := must(c.SwitchServing(ctx, "heart", view.ServingSwitch{On: true}))(t)
	same(t, "serves", line(on.State, on.Number, on.Follow), "on 1 true")
	same(t, "with the token", get(t, on.Address+"/v2/models/heart", on.Token), 200)
	follows := must(a.SwitchServing(ctx, "heart", view.ServingSwitch{On: true}))(t)
	for range 3 {
		same(t, "a request", ask(t, on.Address+"/predict/heart", on.Token), 200)
	}
	same(t, "a refused request", ask(t, on.Address+"/predict/heart", "guess"), 401)
	q = must(a.RequestStage(ctx, "heart", 2, "production", "It helps the night shift."))(t)
	Eventually(t, "the request at "+b.Name, func() bool { return b.knowsRequest(q.ID) })
	if must(b.stageRequest(q.ID))(t).MyVote == "none" {
		yes(b, q.ID)
	}
	l.production(2)
	// Who has agreed follows; who has not goes on with what it agreed to and is asked.
	Eventually(t, "serving to follow", func() bool { return must(a.Serving(ctx, "heart"))(t).Number == 2 })
	same(t, "with the same token", get(t, follows.Address+"/v2/models/heart", follows.Token), 200)
	id := must(c.Model(ctx, "heart"))(t).ID
	Eventually(t, "the question", func() bool { return c.inbox.has("notice", id) })
	asked := must(c.Serving(ctx, "heart"))(t)
	same(t, "not agreed", line(asked.State, asked.Number, asked.Stage, asked.Offered), "on 1 archived 2")
	same(t, "use", line(asked.Requests, asked.Failures, asked.Rows), "3 0 3")
	c.stop()
	c.start()
	again := must(c.Serving(ctx, "heart"))(t)
	same(t, "nor by a restart", line(again.State, again.Number, again.Offered, again.Port), line("on", 1, 2, on.Port))
	_, err = c.SwitchServing(ctx, "heart", view.ServingSwitch{On: true, Port: follows.Port})
	refused(t, "a port that another has", err, fed.Busy)
	same(t, "after it", line(must(c.Serving(ctx, "heart"))(t).State, get(t, on.Address+"/v2/models/heart", on.Token)), "on 200")
	same(t, "nor by another change", must(c.SwitchServing(ctx, "heart", view.ServingSwitch{On: true}))(t).Number, 1)
	took := must(c.SwitchServing(ctx, "heart", view.ServingSwitch{On: true, Accept: true}))(t)
	same(t, "agreed", line(took.Number, took.Stage, took.Offered), "2 production 0")
	same(t, "a request to it", ask(t, took.Address+"/predict/heart", on.Token), 200)
	must(c.SwitchServing(ctx, "heart", view.ServingSwitch{}))(t)
	off := must(c.Serving(ctx, "heart"))(t)
	same(t, "use over restart, change of version and off", line(off.State, off.Requests, off.Rows, off.P50Ms > 0), "off 4 4 true")
	must(c.SwitchServing(ctx, "heart", view.ServingSwitch{On: true}))(t)
	Eventually(t, "the question to go", func() bool { return !c.inbox.has("notice", id) })
	same(t, "with the same token", get(t, on.Address+"/v2/models/heart", on.Token), 200)
	p := must(c.TryPrediction(ctx, "heart", []map[string]any{{"age": 63, "sex": 1, "cp": "4", "trestbps": 145}}))(t)
	same(t, "prediction of version", p.Version, 2)
	for number, want := range map[int]string{1: "production", 2: "production"} {
		content, moves := checkExport(t, must(c.ExportVersion(ctx, "heart", number))(t))
		same(t, "exported", line(content, strings.Join(moves, " ")), line(must(a.Version(ctx, "heart", number))(t).Version.ContentID, want))
	}
	l.exposed(c)
	for _, m := range must(a.Model(ctx, "heart"))(t).Versions {
		same(t, "stage", line(m.Number, m.Stage), map[int]string{1: "1 archived", 2: "2 production"}[m.Number])
	}
}

// exposed opens the served model to other computers: they trust the certificate that
// the page offers, need the token, and only those of the list may call.
func (l *Lab) exposed(h *Hospital) {
	t, ctx := l.T, l.T.Context()
	t.Helper()
	_, err := h.SwitchServing(ctx, "heart", view.ServingSwitch{On: true, Expose: true, Allow: []string{"all"}})
	refused(t, "an address that is none", err, fed.Invalid)
	on := must(h.SwitchServing(ctx, "heart", view.ServingSwitch{On: true, Expose: true}))(t)
	token := must(h.NewServingToken(ctx, "heart"))(t).Token
	pool := x509.NewCertPool()
	same(t, "certificate", pool.AppendCertsFromPEM(must(h.ServingCertificate(ctx))(t)), true)
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer trusting.CloseIdleConnections()
	ask := func(c *http.Client, host, token string) int {
		req := must(http.NewRequestWithContext(ctx, http.MethodGet, on.Address+"/v2/models/heart", nil))(t)
		req.Header.Set("Authorization", "Bearer "+token)
		if host != "" {
			req.Host = host
		}
		res, err := c.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	same(t, "exposed", line(on.Exposed, strings.HasPrefix(on.Address, "https://"), len(on.Fingerprint), strings.Contains(on.Curl, "--cacert")), "true true 95 true")
	same(t, "over TLS with the token", ask(trusting, "", token), 200)
	same(t, "with another token", ask(trusting, "", "syn_guess"), 401)
	same(t, "by a rebound name", ask(trusting, fmt.Sprintf("evil.test:%d", on.Port), token), 421)
	same(t, "without trust", ask(http.DefaultClient, "", token), 0)
	must(h.SwitchServing(ctx, "heart", view.ServingSwitch{On: true, Expose: true, Allow: []string{"10.11.12.0/24"}}))(t)
	same(t, "from an address not on the list", ask(trusting, "", token), 403)
	off := must(h.SwitchServing(ctx, "heart", view.ServingSwitch{On: true}))(t)
	same(t, "back to this computer", line(off.Exposed, strings.HasPrefix(off.Address, "http://127.0.0.1:"), len(off.Allow)), "false true 0")
}

func ask(t *testing.T, url, token string) int {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"rows":[{"age":63}]}`)))(t)
	req.Header.Set("Authorization", "Bearer "+token)
	res := must(http.DefaultClient.Do(req))(t)
	defer res.Body.Close()
	return res.StatusCode
}

func (h *Hospital) knowsRequest(id string) bool {
	_, err := h.stageRequest(id)
	return err == nil
}

func (l *Lab) production(number int) {
	l.T.Helper()
	for _, h := range l.Hospital {
		Eventually(l.T, "the new production version at "+h.Name, func() bool { return must(h.Model(l.T.Context(), "heart"))(l.T).Production == number })
	}
}

// Two projects give their models the same name: both are listed, voted on and served
// at once, each under its own address, and a bare name that could mean either is
// refused.
func TestOneNameInTwoProjects(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio[:2]...)
	ctx := t.Context()
	a := l.Hospital[0]
	cfg := CohortConfig(1)
	ids := map[string]string{} // model by project
	for range 2 {
		project := l.Project(cfg, nil)
		run := a.Queue(project, cfg)
		l.OneTruth(project, run)
		v := must(a.RegisterModel(ctx, run, "heart"))(t)
		same(t, "id", v.ModelID, "heart~"+project)
		ids[project] = v.ModelID
		l.promote(v.ModelID, 1, "production")
		same(t, "link of the run", must(a.Run(ctx, run))(t).Run.VersionHref, "/models/heart~"+project+"/1")
	}
	same(t, "models", len(must(a.Models(ctx))(t)), 2)
	_, err := a.Model(ctx, "heart")
	refused(t, "a name of two models", err, fed.Invalid)
	for _, id := range ids {
		if hint := fed.HintOf(err); !strings.Contains(hint, id) {
			t.Errorf("the hint %q does not name %s", hint, id)
		}
	}
	_, err = a.Model(ctx, "heart~"+strings.Repeat("0", 32))
	refused(t, "a model of another project", err, fed.NotFound)

	content, tokens, ports := map[string]bool{}, map[string]string{}, map[int]bool{}
	for _, id := range ids {
		on := must(a.SwitchServing(ctx, id, view.ServingSwitch{On: true}))(t)
		content[on.ContentID], tokens[id], ports[on.Port] = true, on.Token, true
	}
	same(t, "served versions and ports", line(len(content), len(ports)), "2 2")
	for project, id := range ids {
		s := must(a.Serving(ctx, id))(t)
		same(t, "serves", line(s.State, s.Model, s.ID, s.ProjectID), line("on", "heart", id, project))
		same(t, "by its name", get(t, s.Address+"/v2/models/heart", tokens[id]), 200)
		same(t, "by its id", get(t, s.Address+"/v2/models/"+id, tokens[id]), 200)
		for other := range ids {
			if other != project {
				same(t, "by the other's id", get(t, s.Address+"/v2/models/"+ids[other], tokens[id]), 404)
				same(t, "with the other's token", get(t, s.Address+"/v2/models/heart", tokens[ids[other]]), 401)
			}
		}
	}
	first := slices.Sorted(maps.Values(ids))[0]
	must(a.SwitchServing(ctx, first, view.ServingSwitch{}))(t)
	for _, s := range must(a.ServingList(ctx))(t) {
		same(t, "still on", s.State, map[bool]string{true: "off", false: "on"}[s.ID == first])
	}
}
