package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// dataEngine is what the Data screen asks.
type dataEngine interface {
	Datasets(ctx context.Context) ([]view.Dataset, error)
	AddDataset(ctx context.Context, path, name string) (view.Dataset, error)
	AddSample(ctx context.Context, hospital string) (view.Dataset, error)
	Dataset(ctx context.Context, id string) (view.Dataset, error)
	EditDataset(ctx context.Context, id string, edit view.DatasetEdit) (view.Profile, error)
	ForgetDataset(ctx context.Context, id string) error
	ReloadDataset(ctx context.Context, id, path string) (view.Dataset, error)
	Profile(ctx context.Context, id string) (view.Profile, error)
	PreviewCard(ctx context.Context, id string) (view.CardPreview, error)
	PublishCard(ctx context.Context, id string) (view.Card, error)
	WithdrawCard(ctx context.Context, id string) error
	BeginUpload(ctx context.Context, name string, size int64) (view.Upload, error)
	WriteUpload(ctx context.Context, id string, offset int64, part []byte) (view.Upload, error)
	Upload(ctx context.Context, id string) (view.Upload, error)
	Folder(ctx context.Context, path string) (view.Folder, error)
}

type addDataset struct {
	Body struct {
		Path string `json:"path" minLength:"1" maxLength:"4096" doc:"file on this computer"`
		Name string `json:"name,omitempty" maxLength:"120" doc:"empty: the file's name"`
	}
}

type addSample struct {
	Body *struct {
		Hospital string `json:"hospital,omitempty" maxLength:"64" doc:"which of the samples; empty: the first"`
	} `required:"false"`
}

type reloadDataset struct {
	ByID
	Body *struct {
		Path string `json:"path,omitempty" maxLength:"4096" doc:"where the file is now; empty: where it was"`
	} `required:"false"`
}

type editDataset struct {
	ByID
	Body DatasetEdit
}

// DatasetEdit changes how a file is read and declared; absent fields stay.
type DatasetEdit struct {
	IfRevision  int               `json:"ifRevision,omitempty" minimum:"0" doc:"refuse unless the dataset still has this revision"`
	Name        *string           `json:"name,omitempty" minLength:"1" maxLength:"120"`
	Target      *string           `json:"target,omitempty" maxLength:"256" doc:"column to learn"`
	Types       map[string]string `json:"types,omitempty" maxProperties:"10000" doc:"type by column: int, float, category, bool, date, text"`
	Roles       map[string]string `json:"roles,omitempty" maxProperties:"10000" doc:"role by column: feature, label, id, split, drop"`
	Levels      map[string]string `json:"levels,omitempty" maxProperties:"10000" doc:"what others see of a column: none, coarse, full"`
	Description *string           `json:"description,omitempty" maxLength:"4000"`
	Keywords    []string          `json:"keywords,omitempty" maxItems:"32" maxLength:"64"`
	Terms       *TermsEdit        `json:"terms,omitempty"`
	ExactRows   *bool             `json:"exactRows,omitempty" doc:"share the exact number of rows"`
}

// TermsEdit is what an owner asks of those who use a dataset.
type TermsEdit struct {
	Licence     string   `json:"licence,omitempty" maxLength:"120"`
	Purposes    []string `json:"purposes,omitempty" maxItems:"32" maxLength:"200"`
	MinParties  int      `json:"minParties,omitempty" minimum:"0" maximum:"1000"`
	Families    []string `json:"families,omitempty" maxItems:"32" maxLength:"64" doc:"model families allowed; empty: any"`
	ExpiresDays int      `json:"expiresDays,omitempty" minimum:"0" maximum:"36500"`
	Contact     string   `json:"contact,omitempty" maxLength:"200"`
}

func (e DatasetEdit) view() view.DatasetEdit {
	return view.DatasetEdit{
		IfRevision: e.IfRevision, Name: e.Name, Target: e.Target, Types: e.Types, Roles: e.Roles, Levels: e.Levels,
		Description: e.Description, Keywords: e.Keywords, Terms: (*view.Terms)(e.Terms), ExactRows: e.ExactRows,
	}
}

type beginUpload struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"255" pattern:"^[^\\x00-\\x1f\\x7f/\\\\]+$" doc:"base name of the file"`
		Size int64  `json:"size" minimum:"0" maximum:"1099511627776" doc:"bytes"`
	}
}

type writeUpload struct {
	ByID
	Offset  int64  `query:"offset" minimum:"0" maximum:"1099511627776" required:"true" doc:"where in the file the part belongs"`
	RawBody []byte `contentType:"application/octet-stream"`
}

type folderQuery struct {
	Path string `query:"path" maxLength:"4096" doc:"empty: the allowed roots"`
}

func dataScreen(n dataEngine) Screen {
	return func(api huma.API) {
		datasetRoutes(api, n)
		cardRoutes(api, n)
		uploadRoutes(api, n)
	}
}

func datasetRoutes(api huma.API, n dataEngine) {
	serve(api, at(get, "/datasets", "datasets", "Files of this party", "data"),
		func(ctx context.Context, _ *none) (List[view.Dataset], error) { return items(n.Datasets(ctx)) })
	serve(api, at(post, "/datasets", "addDataset", "Add a file that stays where it is", "data").gives(201),
		func(ctx context.Context, in *addDataset) (view.Dataset, error) {
			return n.AddDataset(ctx, in.Body.Path, in.Body.Name)
		})
	serve(api, at(post, "/datasets/sample", "addSample", "Add built-in synthetic data", "data").gives(201),
		func(ctx context.Context, in *addSample) (view.Dataset, error) {
			if in.Body == nil {
				return n.AddSample(ctx, "")
			}
			return n.AddSample(ctx, in.Body.Hospital)
		})
	serve(api, at(get, "/datasets/{id}", "dataset", "One file", "data"),
		func(ctx context.Context, in *ByID) (view.Dataset, error) { return n.Dataset(ctx, in.ID) })
	serve(api, at(patch, "/datasets/{id}", "editDataset", "Change how a file is read and declared", "data").takes(largeBody),
		func(ctx context.Context, in *editDataset) (view.Profile, error) {
			return n.EditDataset(ctx, in.ID, in.Body.view())
		})
	act(api, at(del, "/datasets/{id}", "forgetDataset", "Forget a file without deleting it", "data"),
		func(ctx context.Context, in *ByID) error { return n.ForgetDataset(ctx, in.ID) })
	serve(api, at(post, "/datasets/{id}/reload", "reloadDataset", "Read a file again", "data").gives(202),
		func(ctx context.Context, in *reloadDataset) (view.Dataset, error) {
			if in.Body == nil {
				return n.ReloadDataset(ctx, in.ID, "")
			}
			return n.ReloadDataset(ctx, in.ID, in.Body.Path)
		})
	serve(api, at(get, "/datasets/{id}/profile", "profile", "Columns, figures and findings of a file", "data"),
		func(ctx context.Context, in *ByID) (view.Profile, error) { return n.Profile(ctx, in.ID) })
}

func cardRoutes(api huma.API, n dataEngine) {
	serve(api, at(get, "/datasets/{id}/card", "previewCard", "Exactly what publishing would send", "data"),
		func(ctx context.Context, in *ByID) (view.CardPreview, error) { return n.PreviewCard(ctx, in.ID) })
	serve(api, at(post, "/datasets/{id}/publish", "publishCard", "Publish the card", "data").gives(201),
		func(ctx context.Context, in *ByID) (view.Card, error) { return n.PublishCard(ctx, in.ID) })
	act(api, at(post, "/datasets/{id}/withdraw", "withdrawCard", "Withdraw the card", "data"),
		func(ctx context.Context, in *ByID) error { return n.WithdrawCard(ctx, in.ID) })
}

func uploadRoutes(api huma.API, n dataEngine) {
	serve(api, at(post, "/uploads", "beginUpload", "Begin to copy a file in from a browser", "data").gives(201),
		func(ctx context.Context, in *beginUpload) (view.Upload, error) {
			return n.BeginUpload(ctx, in.Body.Name, in.Body.Size)
		})
	serve(api, at(put, "/uploads/{id}", "writeUpload", "Write the next part of at most 4 MiB", "data").takes(uploadPart),
		func(ctx context.Context, in *writeUpload) (view.Upload, error) {
			return n.WriteUpload(ctx, in.ID, in.Offset, in.RawBody)
		})
	serve(api, at(get, "/uploads/{id}", "upload", "How far an upload is", "data"),
		func(ctx context.Context, in *ByID) (view.Upload, error) { return n.Upload(ctx, in.ID) })
	serve(api, at(get, "/fs", "folder", "Files under the folders that the operator allowed", "data"),
		func(ctx context.Context, in *folderQuery) (view.Folder, error) { return n.Folder(ctx, in.Path) })
}
