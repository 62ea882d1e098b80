package api

import (
	"context"
	"math"
	"reflect"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// call is one call of the engine: the method and its arguments after ctx.
type call struct {
	Name string
	Args []any
}

// fake is an engine that writes down how it was called and answers err, or
// records filled down to depth, see fillIn.
type fake struct {
	Engine   // nil: a method that is missing below panics
	calls    []call
	deadline bool // every call so far had one
	depth    int
	err      error
	file     []byte // what downloads answer
}

func newFake() *fake { return &fake{deadline: true, depth: -1} }

// reset forgets the calls and fills the next answers down to depth.
func (f *fake) reset(depth int) { *f = fake{deadline: true, depth: depth, err: f.err} }

func (f *fake) note(ctx context.Context, name string, args ...any) error {
	_, ok := ctx.Deadline()
	f.deadline = f.deadline && ok
	f.calls = append(f.calls, call{name, args})
	return f.err
}

func say[T any](f *fake, ctx context.Context, name string, args ...any) (T, error) {
	var out T
	err := f.note(ctx, name, args...)
	fillIn(reflect.ValueOf(&out).Elem(), "", f.depth)
	return out, err
}

// fillIn gives v the first value of its enum, numbers that are not finite, and
// lists of one element down to depth; below that they stay nil. Nothing is
// filled when depth is negative.
func fillIn(v reflect.Value, tag reflect.StructTag, depth int) {
	switch k := v.Kind(); {
	case depth < 0, depth == 0 && (k == reflect.Slice || k == reflect.Map || k == reflect.Pointer):
		return
	case k == reflect.String:
		first, _, _ := strings.Cut(tag.Get("enum"), ",")
		v.SetString(first)
	case v.Type() == reflect.TypeFor[fed.Number]():
		v.SetFloat(math.NaN())
	case k == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillIn(v.Index(0), tag, max(depth-1, 0))
	case k == reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fillIn(e, "", max(depth-1, 0))
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), e)
	case k == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(v.Elem(), tag, max(depth-1, 0))
	case k == reflect.Struct:
		fillStruct(v, depth)
	}
}

func fillStruct(v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	}
	for i := range v.NumField() {
		fillIn(v.Field(i), v.Type().Field(i).Tag, depth)
	}
}

func (f *fake) Status(ctx context.Context) (view.Status, error) {
	return say[view.Status](f, ctx, "Status")
}

func (f *fake) Home(ctx context.Context) (view.Home, error) {
	return say[view.Home](f, ctx, "Home")
}

func (f *fake) Inbox(ctx context.Context) ([]view.InboxEntry, error) {
	return say[[]view.InboxEntry](f, ctx, "Inbox")
}

func (f *fake) DismissInbox(ctx context.Context, id string) error {
	return f.note(ctx, "DismissInbox", id)
}

func (f *fake) Identity(ctx context.Context) (view.Identity, error) {
	return say[view.Identity](f, ctx, "Identity")
}

func (f *fake) NameParty(ctx context.Context, name string) (view.Identity, error) {
	return say[view.Identity](f, ctx, "NameParty", name)
}

func (f *fake) Backup(ctx context.Context, passphrase string) (view.Backup, error) {
	return say[view.Backup](f, ctx, "Backup", passphrase)
}

func (f *fake) BackupFile(ctx context.Context, id string) ([]byte, error) {
	return f.file, f.note(ctx, "BackupFile", id)
}

func (f *fake) Restore(ctx context.Context, passphrase string, file []byte) (view.Identity, error) {
	return say[view.Identity](f, ctx, "Restore", passphrase, file)
}

func (f *fake) StartTutorial(ctx context.Context) (view.Tutorial, error) {
	return say[view.Tutorial](f, ctx, "StartTutorial")
}

func (f *fake) Tutorial(ctx context.Context) (view.Tutorial, error) {
	return say[view.Tutorial](f, ctx, "Tutorial")
}

func (f *fake) EndTutorial(ctx context.Context) error {
	return f.note(ctx, "EndTutorial")
}

func (f *fake) Operations(ctx context.Context) ([]view.Operation, error) {
	return say[[]view.Operation](f, ctx, "Operations")
}

func (f *fake) Operation(ctx context.Context, id string) (view.Operation, error) {
	return say[view.Operation](f, ctx, "Operation", id)
}

func (f *fake) CancelOperation(ctx context.Context, id string) (view.Operation, error) {
	return say[view.Operation](f, ctx, "CancelOperation", id)
}

func (f *fake) Settings(ctx context.Context) ([]view.Setting, error) {
	return say[[]view.Setting](f, ctx, "Settings")
}

func (f *fake) ChangeSettings(ctx context.Context, values map[string]string) ([]view.Setting, error) {
	return say[[]view.Setting](f, ctx, "ChangeSettings", values)
}

func (f *fake) Diagnostics(ctx context.Context) (view.Diagnostics, error) {
	return say[view.Diagnostics](f, ctx, "Diagnostics")
}

func (f *fake) ClientError(ctx context.Context, message, stack, url string) error {
	return f.note(ctx, "ClientError", message, stack, url)
}

func (f *fake) Activity(ctx context.Context, q view.ActivityQuery) (view.Activity, error) {
	return say[view.Activity](f, ctx, "Activity", q)
}

func (f *fake) VerifyActivity(ctx context.Context) (view.Check, error) {
	return say[view.Check](f, ctx, "VerifyActivity")
}

func (f *fake) ExportActivity(ctx context.Context) ([]byte, error) {
	return f.file, f.note(ctx, "ExportActivity")
}

func (f *fake) Peers(ctx context.Context) (view.PeerList, error) {
	return say[view.PeerList](f, ctx, "Peers")
}

func (f *fake) PairAddress(ctx context.Context, address string) (view.Pairing, error) {
	return say[view.Pairing](f, ctx, "PairAddress", address)
}

func (f *fake) Revoke(ctx context.Context, deviceID string) error {
	return f.note(ctx, "Revoke", deviceID)
}

func (f *fake) Pair(ctx context.Context, deviceID string) (view.Pairing, error) {
	return say[view.Pairing](f, ctx, "Pair", deviceID)
}

func (f *fake) Pairing(ctx context.Context, id string) (view.Pairing, error) {
	return say[view.Pairing](f, ctx, "Pairing", id)
}

func (f *fake) ConfirmPairing(ctx context.Context, id string, same bool) (view.Pairing, error) {
	return say[view.Pairing](f, ctx, "ConfirmPairing", id, same)
}

func (f *fake) CreateInvite(ctx context.Context) (view.Invite, error) {
	return say[view.Invite](f, ctx, "CreateInvite")
}

func (f *fake) AcceptInvite(ctx context.Context, link string) (view.Pairing, error) {
	return say[view.Pairing](f, ctx, "AcceptInvite", link)
}

func (f *fake) WithdrawInvite(ctx context.Context, id string) error {
	return f.note(ctx, "WithdrawInvite", id)
}

func (f *fake) Datasets(ctx context.Context) ([]view.Dataset, error) {
	return say[[]view.Dataset](f, ctx, "Datasets")
}

func (f *fake) AddDataset(ctx context.Context, path, name string) (view.Dataset, error) {
	return say[view.Dataset](f, ctx, "AddDataset", path, name)
}

func (f *fake) AddSample(ctx context.Context, hospital string) (view.Dataset, error) {
	return say[view.Dataset](f, ctx, "AddSample", hospital)
}

func (f *fake) Dataset(ctx context.Context, id string) (view.Dataset, error) {
	return say[view.Dataset](f, ctx, "Dataset", id)
}

func (f *fake) EditDataset(ctx context.Context, id string, edit view.DatasetEdit) (view.Profile, error) {
	return say[view.Profile](f, ctx, "EditDataset", id, edit)
}

func (f *fake) ForgetDataset(ctx context.Context, id string) error {
	return f.note(ctx, "ForgetDataset", id)
}

func (f *fake) ReloadDataset(ctx context.Context, id, path string) (view.Dataset, error) {
	return say[view.Dataset](f, ctx, "ReloadDataset", id, path)
}

func (f *fake) Profile(ctx context.Context, id string) (view.Profile, error) {
	return say[view.Profile](f, ctx, "Profile", id)
}

func (f *fake) PreviewCard(ctx context.Context, id string) (view.CardPreview, error) {
	return say[view.CardPreview](f, ctx, "PreviewCard", id)
}

func (f *fake) PublishCard(ctx context.Context, id string) (view.Card, error) {
	return say[view.Card](f, ctx, "PublishCard", id)
}

func (f *fake) WithdrawCard(ctx context.Context, id string) error {
	return f.note(ctx, "WithdrawCard", id)
}

func (f *fake) BeginUpload(ctx context.Context, name string, size int64) (view.Upload, error) {
	return say[view.Upload](f, ctx, "BeginUpload", name, size)
}

func (f *fake) WriteUpload(ctx context.Context, id string, offset int64, part []byte) (view.Upload, error) {
	return say[view.Upload](f, ctx, "WriteUpload", id, offset, part)
}

func (f *fake) Upload(ctx context.Context, id string) (view.Upload, error) {
	return say[view.Upload](f, ctx, "Upload", id)
}

func (f *fake) Folder(ctx context.Context, path string) (view.Folder, error) {
	return say[view.Folder](f, ctx, "Folder", path)
}

func (f *fake) Catalog(ctx context.Context, q view.CatalogQuery) (view.Catalog, error) {
	return say[view.Catalog](f, ctx, "Catalog", q)
}

func (f *fake) CatalogCard(ctx context.Context, cardID string) (view.CatalogEntry, error) {
	return say[view.CatalogEntry](f, ctx, "CatalogCard", cardID)
}

func (f *fake) AccessRequests(ctx context.Context) ([]view.AccessRequest, error) {
	return say[[]view.AccessRequest](f, ctx, "AccessRequests")
}

func (f *fake) RequestAccess(ctx context.Context, cardID, purpose string, days int) (view.AccessRequest, error) {
	return say[view.AccessRequest](f, ctx, "RequestAccess", cardID, purpose, days)
}

func (f *fake) DecideAccess(ctx context.Context, id string, approve bool, reason string) (view.AccessRequest, error) {
	return say[view.AccessRequest](f, ctx, "DecideAccess", id, approve, reason)
}

func (f *fake) RevokeAccess(ctx context.Context, id, reason string) error {
	return f.note(ctx, "RevokeAccess", id, reason)
}

func (f *fake) Projects(ctx context.Context) ([]view.Project, error) {
	return say[[]view.Project](f, ctx, "Projects")
}

func (f *fake) CreateProject(ctx context.Context, p view.ProjectCreate) (view.Project, error) {
	return say[view.Project](f, ctx, "CreateProject", p)
}

func (f *fake) Project(ctx context.Context, id string) (view.Project, error) {
	return say[view.Project](f, ctx, "Project", id)
}

func (f *fake) InviteParties(ctx context.Context, id string, parties []string) (view.Project, error) {
	return say[view.Project](f, ctx, "InviteParties", id, parties)
}

func (f *fake) ConsentSheet(ctx context.Context, id, datasetID string) (view.ConsentSheet, error) {
	return say[view.ConsentSheet](f, ctx, "ConsentSheet", id, datasetID)
}

func (f *fake) AcceptProject(ctx context.Context, id, datasetID, digest string, limits view.Limits) (view.Project, error) {
	return say[view.Project](f, ctx, "AcceptProject", id, datasetID, digest, limits)
}

func (f *fake) DeclineProject(ctx context.Context, id, reason string) (view.Project, error) {
	return say[view.Project](f, ctx, "DeclineProject", id, reason)
}

func (f *fake) LeaveProject(ctx context.Context, id, reason string) (view.Project, error) {
	return say[view.Project](f, ctx, "LeaveProject", id, reason)
}

func (f *fake) Alignment(ctx context.Context, id string) (view.Alignment, error) {
	return say[view.Alignment](f, ctx, "Alignment", id)
}

func (f *fake) StartAlignment(ctx context.Context, id string) (view.Alignment, error) {
	return say[view.Alignment](f, ctx, "StartAlignment", id)
}

func (f *fake) ConfirmAlignment(ctx context.Context, id string, matches []view.ColumnMatch) (view.Alignment, error) {
	return say[view.Alignment](f, ctx, "ConfirmAlignment", id, matches)
}

func (f *fake) Experiments(ctx context.Context, project string) ([]view.Experiment, error) {
	return say[[]view.Experiment](f, ctx, "Experiments", project)
}

func (f *fake) CreateExperiment(ctx context.Context, e view.ExperimentCreate) (view.Experiment, error) {
	return say[view.Experiment](f, ctx, "CreateExperiment", e)
}

func (f *fake) Experiment(ctx context.Context, id string) (view.Experiment, error) {
	return say[view.Experiment](f, ctx, "Experiment", id)
}

func (f *fake) ExperimentConfig(ctx context.Context, id string) (fed.RunConfig, error) {
	return say[fed.RunConfig](f, ctx, "ExperimentConfig", id)
}

func (f *fake) ReadConfig(ctx context.Context, project, text string) (view.ImportedConfig, error) {
	return say[view.ImportedConfig](f, ctx, "ReadConfig", project, text)
}

func (f *fake) CancelExperiment(ctx context.Context, id string) error {
	return f.note(ctx, "CancelExperiment", id)
}

func (f *fake) Estimate(ctx context.Context, e view.ExperimentCreate) (view.Estimate, error) {
	return say[view.Estimate](f, ctx, "Estimate", e)
}

func (f *fake) Runs(ctx context.Context, project, experiment string, limit int) ([]view.Run, error) {
	return say[[]view.Run](f, ctx, "Runs", project, experiment, limit)
}

func (f *fake) Run(ctx context.Context, id string) (view.RunDetail, error) {
	return say[view.RunDetail](f, ctx, "Run", id)
}

func (f *fake) Contribution(ctx context.Context, runID string) (view.Contribution, error) {
	return say[view.Contribution](f, ctx, "Contribution", runID)
}

func (f *fake) PauseRun(ctx context.Context, id, reason string) (view.Run, error) {
	return say[view.Run](f, ctx, "PauseRun", id, reason)
}

func (f *fake) ResumeRun(ctx context.Context, id, reason string) (view.Run, error) {
	return say[view.Run](f, ctx, "ResumeRun", id, reason)
}

func (f *fake) CancelRun(ctx context.Context, id, reason string) (view.Run, error) {
	return say[view.Run](f, ctx, "CancelRun", id, reason)
}

func (f *fake) TakeOver(ctx context.Context, id, reason string) (view.Run, error) {
	return say[view.Run](f, ctx, "TakeOver", id, reason)
}

func (f *fake) Compare(ctx context.Context, runs []string) (view.Comparison, error) {
	return say[view.Comparison](f, ctx, "Compare", runs)
}

func (f *fake) Models(ctx context.Context) ([]view.Model, error) {
	return say[[]view.Model](f, ctx, "Models")
}

func (f *fake) RegisterModel(ctx context.Context, runID, name string) (view.ModelVersion, error) {
	return say[view.ModelVersion](f, ctx, "RegisterModel", runID, name)
}

func (f *fake) Model(ctx context.Context, name string) (view.Model, error) {
	return say[view.Model](f, ctx, "Model", name)
}

func (f *fake) Version(ctx context.Context, name string, number int) (view.VersionDetail, error) {
	return say[view.VersionDetail](f, ctx, "Version", name, number)
}

func (f *fake) ExportVersion(ctx context.Context, name string, number int) ([]byte, error) {
	return f.file, f.note(ctx, "ExportVersion", name, number)
}

func (f *fake) StageRequests(ctx context.Context) ([]view.StageRequest, error) {
	return say[[]view.StageRequest](f, ctx, "StageRequests")
}

func (f *fake) RequestStage(ctx context.Context, model string, number int, to, reason string) (view.StageRequest, error) {
	return say[view.StageRequest](f, ctx, "RequestStage", model, number, to, reason)
}

func (f *fake) VoteStage(ctx context.Context, id string, yes bool, reason string) (view.StageRequest, error) {
	return say[view.StageRequest](f, ctx, "VoteStage", id, yes, reason)
}

func (f *fake) WithdrawStage(ctx context.Context, id string) (view.StageRequest, error) {
	return say[view.StageRequest](f, ctx, "WithdrawStage", id)
}

func (f *fake) ServingList(ctx context.Context) ([]view.Serving, error) {
	return say[[]view.Serving](f, ctx, "ServingList")
}

func (f *fake) Serving(ctx context.Context, model string) (view.Serving, error) {
	return say[view.Serving](f, ctx, "Serving", model)
}

func (f *fake) SwitchServing(ctx context.Context, model string, s view.ServingSwitch) (view.Serving, error) {
	return say[view.Serving](f, ctx, "SwitchServing", model, s)
}

func (f *fake) NewServingToken(ctx context.Context, model string) (view.Serving, error) {
	return say[view.Serving](f, ctx, "NewServingToken", model)
}

func (f *fake) TryPrediction(ctx context.Context, model string, rows []map[string]any) (view.Prediction, error) {
	return say[view.Prediction](f, ctx, "TryPrediction", model, rows)
}

func (f *fake) StartBatch(ctx context.Context, model, path, output string) (view.Operation, error) {
	return say[view.Operation](f, ctx, "StartBatch", model, path, output)
}

func (f *fake) VersionCard(ctx context.Context, model string, number int) ([]byte, error) {
	return f.file, f.note(ctx, "VersionCard", model, number)
}

func (f *fake) BatchResult(ctx context.Context, id string) ([]byte, error) {
	return f.file, f.note(ctx, "BatchResult", id)
}

func (f *fake) Rewards(ctx context.Context, project string) (view.Rewards, error) {
	return say[view.Rewards](f, ctx, "Rewards", project)
}

func (f *fake) VerifyLedger(ctx context.Context, projectID string) ([]view.Check, error) {
	return say[[]view.Check](f, ctx, "VerifyLedger", projectID)
}

func (f *fake) AcknowledgeReward(ctx context.Context, runID string) (view.Rewards, error) {
	return say[view.Rewards](f, ctx, "AcknowledgeReward", runID)
}

func (f *fake) ExportLedger(ctx context.Context, project string) ([]byte, error) {
	return f.file, f.note(ctx, "ExportLedger", project)
}

func (f *fake) ServingCertificate(ctx context.Context) ([]byte, error) {
	return f.file, f.note(ctx, "ServingCertificate")
}
