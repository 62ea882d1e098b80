package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// stub answers one request in the way of the test.
type stub struct {
	api.Engine
	err error
}

func (s stub) Status(context.Context) (view.Status, error) {
	return view.Status{Ready: true, Party: "Ålesund"}, s.err
}

func (s stub) Runs(context.Context, string, string, int) ([]view.Run, error) { return nil, s.err }

func stubClient(t *testing.T, engineErr error) *client {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	token := api.NewToken()
	server.Config.Handler = api.New(api.Options{Screens: api.Screens(stub{err: engineErr}),
		Guard: api.LoopbackGuard(token, server.Listener.Addr().String(), "http"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	server.Start()
	t.Cleanup(server.Close)
	return newClient(server.URL+"/", token)
}

func TestClientReadsAnswers(t *testing.T) {
	c := stubClient(t, nil)
	status, err := get[view.Status](t.Context(), c, "/status")
	if err != nil || !status.Ready || status.Party != "Ålesund" {
		t.Errorf("%+v, %v", status, err)
	}
	runs, err := list[view.Run](t.Context(), c, "/runs?limit=5")
	if err != nil || runs == nil || len(runs) != 0 {
		t.Errorf("%v, %v", runs, err)
	}
}

func TestClientReadsProblems(t *testing.T) {
	c := stubClient(t, fed.Errorf(fed.Busy, "close it there", "the file is open elsewhere"))
	_, err := get[view.Status](t.Context(), c, "/status")
	if fed.KindOf(err) != fed.Busy || fed.HintOf(err) != "close it there" || !strings.Contains(err.Error(), "the file is open elsewhere") {
		t.Errorf("kind %v, hint %q: %v", fed.KindOf(err), fed.HintOf(err), err)
	}
	err = c.do(t.Context(), http.MethodPost, "/models", obj{"runId": "r"}, nil)
	if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), "name") {
		t.Errorf("the missing field is not told: %v", err)
	}
	if _, err = list[view.Run](t.Context(), c, "/no-such-thing"); fed.KindOf(err) != fed.NotFound {
		t.Errorf("an unknown address gives %v", err)
	}
	c.token = "wrong"
	if _, err = get[view.Status](t.Context(), c, "/status"); fed.KindOf(err) != fed.Permission || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong token gives %v", err)
	}
}

func TestClientWithoutAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/status") {
			_, _ = io.WriteString(w, "<html>not ours</html>")
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	c := newClient(server.URL, "t")
	if _, err := get[view.Status](t.Context(), c, "/status"); fed.KindOf(err) != fed.Incompatible {
		t.Errorf("an answer that is not JSON gives %v", err)
	}
	if _, err := get[view.Status](t.Context(), c, "/tea"); fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), "418") {
		t.Errorf("a status without a problem gives %v", err)
	}
	server.Close()
	_, err := get[view.Status](t.Context(), c, "/status")
	if fed.KindOf(err) != fed.Unavailable || strings.Count(err.Error(), "/status") != 1 {
		t.Errorf("no answer gives %v", err)
	}
}

func TestPartyErrorKeepsItsHint(t *testing.T) {
	p := &party{hospital: hospital{name: "A"}}
	inner := wrong(p, "look there", "expected %d", 3)
	err := at(&party{hospital: hospital{name: "B"}}, inner)
	var pe *partyError
	if !errors.As(err, &pe) || pe.party != p || err.Error() != "A: expected 3" || fed.HintOf(err) != "look there" {
		t.Errorf("%v, hint %q", err, fed.HintOf(err))
	}
	if at(p, nil) != nil {
		t.Error("no error became one")
	}
}

func TestFindCohort(t *testing.T) {
	root := t.TempDir()
	t.Chdir(t.TempDir()) // nothing beside it
	t.Setenv("SYNERGOS_DATA", root)
	c, err := findCohort("")
	if err != nil || c.hospitals[0].sample != "riverside" || c.folder != "" {
		t.Errorf("without files: %+v, %v", c, err)
	}
	heart := filepath.Join(root, "heart")
	if err := os.Mkdir(heart, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, h := range heartCast {
		if _, err := findCohort(heart); fed.KindOf(err) != fed.NotFound {
			t.Errorf("an incomplete folder gives %v", err)
		}
		if err := os.WriteFile(filepath.Join(heart, "processed."+h.key+".data"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"", heart} {
		c, err := findCohort(dir)
		if err != nil || c.folder != heart || c.hospitals[3].file != filepath.Join(heart, "processed.va.data") {
			t.Errorf("with files in %q: %+v, %v", dir, c, err)
		}
	}
	if c, err = findCohort(synthetic); err != nil || c.hospitals[0].file != "" {
		t.Errorf("synthetic on demand: %+v, %v", c, err)
	}
}
