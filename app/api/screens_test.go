package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

const (
	someRun    = "0123456789abcdef0123456789abcdef"
	someDevice = "AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHHIIIIJJJJKKKKLLLLMMMM"
	oddModel   = "Herz & Niere 50%"
	oddPath    = "Herz%20&%20Niere%2050%25"
)

// endpoint is one line of the contract: a request, the status it gets and the
// call that it makes.
type endpoint struct {
	method, pattern, target, body string
	status                        int
	call                          string
	args                          []any
}

func with(args ...any) []any { return args }

var endpoints = slices.Concat(sessionEndpoints, systemEndpoints, peerEndpoints, dataEndpoints, catalogEndpoints,
	projectEndpoints, experimentEndpoints, modelEndpoints, servingEndpoints, rewardEndpoints)

var sessionEndpoints = []endpoint{
	{get, "/status", "/status", "", 200, "Status", nil},
	{get, "/home", "/home", "", 200, "Home", nil},
	{get, "/inbox", "/inbox", "", 200, "Inbox", nil},
	{post, "/inbox/{id}/dismiss", "/inbox/i1/dismiss", "", 204, "DismissInbox", with("i1")},
	{get, "/identity", "/identity", "", 200, "Identity", nil},
	{post, "/identity", "/identity", `{"name":"Ålesund"}`, 200, "NameParty", with("Ålesund")},
	{post, "/backup", "/backup", `{"passphrase":"four words of a ward"}`, 201, "Backup", with("four words of a ward")},
	{get, "/backup/{id}", "/backup/b1", "", 200, "BackupFile", with("b1")},
	{post, "/restore", "/restore", `{"passphrase":"four words of a ward","file":"AAEC"}`, 200, "Restore", with("four words of a ward", []byte{0, 1, 2})},
	{post, "/tutorial", "/tutorial", "", 201, "StartTutorial", nil},
	{get, "/tutorial", "/tutorial", "", 200, "Tutorial", nil},
	{del, "/tutorial", "/tutorial", "", 204, "EndTutorial", nil},
}

var systemEndpoints = []endpoint{
	{get, "/operations", "/operations", "", 200, "Operations", nil},
	{get, "/operations/{id}", "/operations/o1", "", 200, "Operation", with("o1")},
	{post, "/operations/{id}/cancel", "/operations/o1/cancel", "", 202, "CancelOperation", with("o1")},
	{get, "/settings", "/settings", "", 200, "Settings", nil},
	{patch, "/settings", "/settings", `{"values":{"language":"no"}}`, 200, "ChangeSettings", with(map[string]string{"language": "no"})},
	{get, "/diagnostics", "/diagnostics", "", 200, "Diagnostics", nil},
	{post, "/client-errors", "/client-errors", `{"message":"m","stack":"s","url":"#/x"}`, 204, "ClientError", with("m", "s", "#/x")},
	{get, "/activity", "/activity?limit=7&after=c9&to=B%20%26%20C&kind=update", "", 200, "Activity", with(view.ActivityQuery{Limit: 7, After: "c9", To: "B & C", Kind: "update"})},
	{post, "/activity/verify", "/activity/verify", "", 200, "VerifyActivity", nil},
	{get, "/activity/export", "/activity/export", "", 200, "ExportActivity", nil},
	{get, "/serving-certificate", "/serving-certificate", "", 200, "ServingCertificate", nil},
}

var peerEndpoints = []endpoint{
	{get, "/peers", "/peers", "", 200, "Peers", nil},
	{post, "/peers", "/peers", `{"address":"10.0.0.2:8417"}`, 201, "PairAddress", with("10.0.0.2:8417")},
	{del, "/peers/{deviceId}", "/peers/" + someDevice, "", 204, "Revoke", with(someDevice)},
	{post, "/pairings", "/pairings", `{"deviceId":"` + someDevice + `"}`, 201, "Pair", with(someDevice)},
	{get, "/pairings/{id}", "/pairings/p1", "", 200, "Pairing", with("p1")},
	{post, "/pairings/{id}/confirm", "/pairings/p1/confirm", `{"same":true}`, 200, "ConfirmPairing", with("p1", true)},
	{post, "/invites", "/invites", "", 201, "CreateInvite", nil},
	{post, "/invites/accept", "/invites/accept", `{"link":"synergos://invite/x"}`, 201, "AcceptInvite", with("synergos://invite/x")},
	{del, "/invites/{id}", "/invites/v1", "", 204, "WithdrawInvite", with("v1")},
}

var dataEndpoints = []endpoint{
	{get, "/datasets", "/datasets", "", 200, "Datasets", nil},
	{post, "/datasets", "/datasets", `{"path":"/data/a.csv"}`, 201, "AddDataset", with("/data/a.csv", "")},
	{post, "/datasets/sample", "/datasets/sample", "", 201, "AddSample", with("")},
	{post, "/datasets/sample", "/datasets/sample", `{"hospital":"b"}`, 201, "AddSample", with("b")},
	{get, "/datasets/{id}", "/datasets/d1", "", 200, "Dataset", with("d1")},
	{patch, "/datasets/{id}", "/datasets/d1", `{"ifRevision":3,"target":"num","types":{"cp":"category"},"terms":{"minParties":3}}`, 200, "EditDataset",
		with("d1", view.DatasetEdit{IfRevision: 3, Target: new("num"), Types: map[string]string{"cp": "category"}, Terms: &view.Terms{MinParties: 3}})},
	{del, "/datasets/{id}", "/datasets/d1", "", 204, "ForgetDataset", with("d1")},
	{post, "/datasets/{id}/reload", "/datasets/d1/reload", "", 202, "ReloadDataset", with("d1", "")},
	{post, "/datasets/{id}/reload", "/datasets/d1/reload", `{"path":"/new/a.csv"}`, 202, "ReloadDataset", with("d1", "/new/a.csv")},
	{get, "/datasets/{id}/profile", "/datasets/d1/profile", "", 200, "Profile", with("d1")},
	{get, "/datasets/{id}/card", "/datasets/d1/card", "", 200, "PreviewCard", with("d1")},
	{post, "/datasets/{id}/publish", "/datasets/d1/publish", "", 201, "PublishCard", with("d1")},
	{post, "/datasets/{id}/withdraw", "/datasets/d1/withdraw", "", 204, "WithdrawCard", with("d1")},
	{post, "/uploads", "/uploads", `{"name":"a.csv","size":5000000000}`, 201, "BeginUpload", with("a.csv", int64(5000000000))},
	{put, "/uploads/{id}", "/uploads/u1?offset=4194304", "raw bytes", 200, "WriteUpload", with("u1", int64(4194304), []byte("raw bytes"))},
	{get, "/uploads/{id}", "/uploads/u1", "", 200, "Upload", with("u1")},
	{get, "/fs", "/fs?path=%2Fdata%2Fx%20y", "", 200, "Folder", with("/data/x y")},
}

var catalogEndpoints = []endpoint{
	{get, "/catalog", "/catalog?q=heart&task=classify&party=B&rowBand=100-500&licence=CC&dataset=d1", "", 200, "Catalog",
		with(view.CatalogQuery{Q: "heart", Task: "classify", Party: "B", RowBand: "100-500", Licence: "CC", Dataset: "d1"})},
	{get, "/catalog/{cardId}", "/catalog/c1", "", 200, "CatalogCard", with("c1")},
	{get, "/access-requests", "/access-requests", "", 200, "AccessRequests", nil},
	{post, "/access-requests", "/access-requests", `{"cardId":"c1","purpose":"research","days":90}`, 201, "RequestAccess", with("c1", "research", 90)},
	{post, "/access-requests/{id}/decision", "/access-requests/a1/decision", `{"approve":false,"reason":"no"}`, 200, "DecideAccess", with("a1", false, "no")},
	{post, "/access-requests/{id}/revoke", "/access-requests/a1/revoke", `{"reason":"over"}`, 204, "RevokeAccess", with("a1", "over")},
}

var projectEndpoints = []endpoint{
	{get, "/projects", "/projects", "", 200, "Projects", nil},
	{post, "/projects", "/projects", `{"name":"Heart","datasetId":"d1","invite":["` + someDevice + `"],"policy":{"poolCents":10000,"currency":"EUR","production":"all"}}`, 201, "CreateProject",
		with(view.ProjectCreate{Name: "Heart", DatasetID: "d1", Invite: []string{someDevice}, Policy: view.ProjectPolicy{PoolCents: 10000, Currency: "EUR", Production: "all"}})},
	{get, "/projects/{id}", "/projects/p1", "", 200, "Project", with("p1")},
	{post, "/projects/{id}/invite", "/projects/p1/invite", `{"parties":["` + someDevice + `"]}`, 200, "InviteParties", with("p1", []string{someDevice})},
	{get, "/projects/{id}/consent", "/projects/p1/consent?dataset=d1", "", 200, "ConsentSheet", with("p1", "d1")},
	{post, "/projects/{id}/accept", "/projects/p1/accept", `{"datasetId":"d1","digest":"ab","limits":{"maxRuns":3}}`, 200, "AcceptProject", with("p1", "d1", "ab", view.Limits{MaxRuns: 3})},
	{post, "/projects/{id}/accept", "/projects/p1/accept", `{"datasetId":"d1","digest":"ab"}`, 200, "AcceptProject", with("p1", "d1", "ab", view.Limits{})},
	{post, "/projects/{id}/decline", "/projects/p1/decline", "", 200, "DeclineProject", with("p1", "")},
	{post, "/projects/{id}/leave", "/projects/p1/leave", `{"reason":"done"}`, 200, "LeaveProject", with("p1", "done")},
	{get, "/projects/{id}/alignment", "/projects/p1/alignment", "", 200, "Alignment", with("p1")},
	{post, "/projects/{id}/alignment", "/projects/p1/alignment", "", 202, "StartAlignment", with("p1")},
	{post, "/projects/{id}/alignment/confirm", "/projects/p1/alignment/confirm", `{"matches":[{"party":"B","from":"alder","to":"age","confirmed":true}]}`, 202, "ConfirmAlignment",
		with("p1", []view.ColumnMatch{{Party: "B", From: "alder", To: "age", Confirmed: true}})},
}

var (
	leastConfig = `{"task":"classify","target":"num","model":{"family":"logistic"},"train":{"lr":1e-3,"batch":4},"rounds":15}`
	leastRun    = fed.RunConfig{Task: "classify", Target: "num", Model: fed.ModelSpec{Family: "logistic"}, Train: fed.TrainSpec{LR: 0.001, Batch: 4}, Rounds: 15}
)

var experimentEndpoints = []endpoint{
	{get, "/experiments", "/experiments?project=p1", "", 200, "Experiments", with("p1")},
	{post, "/experiments", "/experiments", `{"projectId":"p1","name":"lr","config":` + leastConfig + `,"method":"grid","space":{"lr":{"_type":"choice","_value":[0.1,0.01]}}}`, 201, "CreateExperiment",
		with(view.ExperimentCreate{ProjectID: "p1", Name: "lr", Config: leastRun, Method: "grid", Space: map[string]view.Dimension{"lr": {Type: "choice", Value: []any{0.1, 0.01}}}})},
	{get, "/experiments/{id}", "/experiments/e1", "", 200, "Experiment", with("e1")},
	{get, "/experiments/{id}/config", "/experiments/e1/config", "", 200, "ExperimentConfig", with("e1")},
	{post, "/projects/{id}/config", "/projects/p1/config", `{"text":"{\"version\": 1}"}`, 200, "ReadConfig", with("p1", `{"version": 1}`)},
	{post, "/experiments/{id}/cancel", "/experiments/e1/cancel", "", 204, "CancelExperiment", with("e1")},
	{post, "/estimate", "/estimate", `{"projectId":"p1","config":` + leastConfig + `}`, 200, "Estimate", with(view.ExperimentCreate{ProjectID: "p1", Config: leastRun, Method: "single"})},
	{get, "/runs", "/runs?project=p1&experiment=e1&limit=20", "", 200, "Runs", with("p1", "e1", 20)},
	{get, "/runs", "/runs", "", 200, "Runs", with("", "", 500)},
	{get, "/runs/{id}", "/runs/r1", "", 200, "Run", with("r1")},
	{get, "/runs/{id}/contribution", "/runs/r1/contribution", "", 200, "Contribution", with("r1")},
	{post, "/runs/{id}/pause", "/runs/r1/pause", "", 202, "PauseRun", with("r1", "")},
	{post, "/runs/{id}/resume", "/runs/r1/resume", "{}", 202, "ResumeRun", with("r1", "")},
	{post, "/runs/{id}/cancel", "/runs/r1/cancel", `{"reason":"diverges"}`, 202, "CancelRun", with("r1", "diverges")},
	{post, "/runs/{id}/takeover", "/runs/r1/takeover", `{"reason":"B is away"}`, 202, "TakeOver", with("r1", "B is away")},
	{get, "/comparison", "/comparison?runs=r1,r2", "", 200, "Compare", with([]string{"r1", "r2"})},
}

var modelEndpoints = []endpoint{
	{get, "/models", "/models", "", 200, "Models", nil},
	{post, "/models", "/models", `{"runId":"r1","name":"` + oddModel + `"}`, 201, "RegisterModel", with("r1", oddModel)},
	{get, "/models/{model}", "/models/" + oddPath, "", 200, "Model", with(oddModel)},
	{get, "/models/{model}/versions/{number}", "/models/" + oddPath + "/versions/3", "", 200, "Version", with(oddModel, 3)},
	{get, "/models/{model}/versions/{number}/card", "/models/" + oddPath + "/versions/3/card", "", 200, "VersionCard", with(oddModel, 3)},
	{get, "/models/{model}/versions/{number}/export", "/models/" + oddPath + "/versions/3/export", "", 200, "ExportVersion", with(oddModel, 3)},
	{get, "/stage-requests", "/stage-requests", "", 200, "StageRequests", nil},
	{post, "/stage-requests", "/stage-requests", `{"model":"m","number":2,"to":"production","reason":"better"}`, 201, "RequestStage", with("m", 2, "production", "better")},
	{post, "/stage-requests/{id}/vote", "/stage-requests/s1/vote", `{"yes":true}`, 200, "VoteStage", with("s1", true, "")},
	{post, "/stage-requests/{id}/withdraw", "/stage-requests/s1/withdraw", "", 200, "WithdrawStage", with("s1")},
}

var servingEndpoints = []endpoint{
	{get, "/serving", "/serving", "", 200, "ServingList", nil},
	{get, "/serving/{model}", "/serving/" + oddPath, "", 200, "Serving", with(oddModel)},
	{put, "/serving/{model}", "/serving/m", `{"on":true,"port":8500}`, 200, "SwitchServing", with("m", view.ServingSwitch{On: true, Port: 8500})},
	{post, "/serving/{model}/token", "/serving/m/token", "", 201, "NewServingToken", with("m")},
	{post, "/serving/{model}/predict", "/serving/m/predict", `{"rows":[{"age":63,"sex":"f","chol":null}]}`, 200, "TryPrediction", with("m", []map[string]any{{"age": 63.0, "sex": "f", "chol": nil}})},
	{post, "/batches", "/batches", `{"model":"m","path":"/data/in.csv"}`, 202, "StartBatch", with("m", "/data/in.csv", "")},
	{get, "/batches/{id}/result", "/batches/b1/result", "", 200, "BatchResult", with("b1")},
}

var rewardEndpoints = []endpoint{
	{get, "/rewards", "/rewards?project=p1", "", 200, "Rewards", with("p1")},
	{get, "/rewards", "/rewards", "", 200, "Rewards", with("")},
	{post, "/ledger/verify", "/ledger/verify", `{"projectId":"p1"}`, 200, "VerifyLedger", with("p1")},
	{post, "/rewards/{runId}/receipt", "/rewards/" + someRun + "/receipt", "", 201, "AcknowledgeReward", with(someRun)},
	{get, "/ledger/export", "/ledger/export?project=p1", "", 200, "ExportLedger", with("p1")},
}

// screensOf is the whole API over f.
func screensOf(f *fake) *Handler {
	return New(Options{Version: "1", Screens: Screens(f), Log: slog.New(slog.DiscardHandler)})
}

// request is e as the window sends it.
func (e endpoint) request(t *testing.T) *http.Request {
	t.Helper()
	var body io.Reader
	if e.body != "" {
		body = strings.NewReader(e.body)
	}
	r := httptest.NewRequestWithContext(InProcess(t.Context()), e.method, Prefix+e.target, body)
	if e.method == put && strings.HasPrefix(e.target, "/uploads") {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	return r
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ask sends e.
func (e endpoint) ask(t *testing.T, h http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	return send(h, e.request(t))
}

func (e endpoint) String() string { return e.method + " " + e.target }

func TestEndpointsCallTheEngine(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	for _, e := range endpoints {
		t.Run(e.String(), func(t *testing.T) {
			f.reset(-1)
			w := e.ask(t, h)
			if w.Code != e.status {
				t.Fatalf("status %d, want %d: %s", w.Code, e.status, w.Body)
			}
			if diff := cmp.Diff([]call{{e.call, e.args}}, f.calls, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("call (-want +got):\n%s", diff)
			}
			if !f.deadline {
				t.Error("the engine was called without a deadline")
			}
		})
	}
}

func TestEveryRegisteredEndpointIsInTheTable(t *testing.T) {
	known := map[string]bool{}
	for _, e := range endpoints {
		known[e.method+" "+e.pattern] = true
	}
	ids := map[string]bool{}
	for path, item := range screensOf(newFake()).API().OpenAPI().Paths {
		for method, op := range operations(item) {
			if path == "/session" || strings.HasPrefix(path, "/events") {
				continue // not of a screen
			}
			if !known[method+" "+path] {
				t.Errorf("%s %s is not in the table", method, path)
			}
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 || ids[op.OperationID] {
				t.Errorf("%s %s: id %q must be unique, summary %q and tag %v present", method, path, op.OperationID, op.Summary, op.Tags)
			}
			ids[op.OperationID] = true
			delete(known, method+" "+path)
		}
	}
	for missing := range known {
		t.Errorf("%s is not registered", missing)
	}
}

func operations(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{get: item.Get, post: item.Post, put: item.Put, patch: item.Patch, del: item.Delete}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

func TestErrorsBecomeProblems(t *testing.T) {
	f := newFake()
	f.err = fed.Errorf(fed.Busy, "wait for the run to end", "the file is in use")
	h := screensOf(f)
	for _, e := range endpoints {
		w := e.ask(t, h)
		checkProblem(t, e, w, http.StatusLocked, "busy")
		var p struct{ Detail, Hint string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Detail != "the file is in use" || p.Hint != "wait for the run to end" {
			t.Errorf("%v: problem %s", e, w.Body)
		}
	}
}

// checkProblem asserts a problem document of the status and kind.
func checkProblem(t *testing.T, what any, w *httptest.ResponseRecorder, status int, kind string) {
	t.Helper()
	var p struct {
		Type, Hint string
		Status     int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Errorf("%v: not a problem: %s", what, w.Body)
		return
	}
	if w.Code != status || p.Status != status || !strings.HasSuffix(p.Type, ":"+kind) || p.Hint == "" {
		t.Errorf("%v: status %d, want %d %s with a hint: %s", what, w.Code, status, kind, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%v: media type %q", what, got)
	}
}

func TestNoListIsEverNull(t *testing.T) {
	h := screensOf(newFake()) // everything is nil or zero, and no number NaN
	for _, e := range endpoints {
		if w := e.ask(t, h); isJSON(w) && strings.Contains(w.Body.String(), "null") {
			t.Errorf("%v of an empty engine: %s", e, w.Body)
		}
	}
}

func isJSON(w *httptest.ResponseRecorder) bool {
	media, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
	return media == "application/json"
}

// Whatever the engine leaves nil at any depth, the answer keeps to the document:
// no null but for numbers, no missing field, enums as declared.
func TestAnswersKeepToTheDocument(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	for depth := range 6 {
		f.reset(depth)
		for _, e := range endpoints {
			if w := e.ask(t, h); isJSON(w) {
				checkDocument(t, e, h.API(), w)
			}
		}
	}
}

// checkDocument asserts that the answer w is as the document says.
func checkDocument(t *testing.T, e endpoint, api huma.API, w *httptest.ResponseRecorder) {
	t.Helper()
	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %v in %s", e, err, w.Body)
	}
	op := operations(api.OpenAPI().Paths[e.pattern])[e.method]
	for _, difference := range CheckAnswer(api, op, w.Code, got) {
		t.Errorf("%s in %.300s", difference, w.Body)
	}
}
