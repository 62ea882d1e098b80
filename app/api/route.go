package api

import (
	"context"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Limits of request bodies in bytes.
const (
	smallBody  = 64 << 10 // forms
	largeBody  = 1 << 20  // configurations, edits of wide tables, prediction rows
	uploadPart = 4 << 20  // one part of an upload
)

// Engine is everything that the screens ask of the program behind them; package
// node offers it. Each screen file declares its own part.
type Engine interface {
	sessionEngine
	systemEngine
	peersEngine
	dataEngine
	catalogEngine
	projectsEngine
	experimentsEngine
	modelsEngine
	servingEngine
	rewardsEngine
}

// Screens returns the registrations of every screen, for [Options]. n is used only when a
// request arrives, so it may be nil where nothing but the OpenAPI document is
// wanted.
func Screens(n Engine) []Screen {
	return []Screen{
		describe,
		sessionScreen(n), systemScreen(n), peersScreen(n), dataScreen(n), catalogScreen(n),
		projectsScreen(n), experimentsScreen(n), modelsScreen(n), servingScreen(n), rewardsScreen(n),
	}
}

// none is the input of an endpoint without parameters.
type none struct{}

// answer is a JSON answer with the body T.
type answer[T any] struct {
	Body T
}

// raw is an answer of bytes that a browser saves as a file.
type raw struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// List is a page of records; Next, when set, is the cursor of the next page.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
}

// items makes a List of what the engine answered.
func items[T any](xs []T, err error) (List[T], error) {
	return List[T]{Items: xs}, err
}

// route says where an endpoint is and what it is called.
type route struct {
	method, path, id, summary, tag string
	status                         int   // 0: 200 with a body, 204 without
	limit                          int64 // bytes of the request body
}

// at is the route of an endpoint that takes a small body, if any.
func at(method, path, id, summary, tag string) route {
	return route{method: method, path: path, id: id, summary: summary, tag: tag, limit: smallBody}
}

// gives changes the status of success.
func (r route) gives(status int) route {
	r.status = status
	return r
}

// takes changes the largest body, in bytes.
func (r route) takes(limit int64) route {
	r.limit = limit
	return r
}

// operation turns r into what huma wants; huma already refuses a body that
// reaches its limit, hence the one byte more.
func (r route) operation() huma.Operation {
	return huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Tags: []string{r.tag},
		DefaultStatus: r.status, MaxBodyBytes: r.limit + 1, BodyReadTimeout: requestTimeout,
	}
}

// serve registers an endpoint that answers with a body O. Every list in the
// body is made non-null, every error a problem.
func serve[I, O any](api huma.API, r route, call func(context.Context, *I) (O, error)) {
	huma.Register(api, r.operation(), func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := call(ctx, in)
		if err != nil {
			return nil, err
		}
		return &answer[O]{Body: whole(out)}, nil
	})
}

// act registers an endpoint that answers 204 and nothing else.
func act[I any](api huma.API, r route, call func(context.Context, *I) error) {
	huma.Register(api, r.operation(), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := call(ctx, in); err != nil {
			return nil, err
		}
		return nil, nil
	})
}

// download registers an endpoint that answers with the bytes of a file of the
// media type; name gives the file name.
func download[I any](api huma.API, r route, media string, name func(*I) string, call func(context.Context, *I) ([]byte, error)) {
	op := r.operation()
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The file.",
		Content:     map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	huma.Register(api, op, func(ctx context.Context, in *I) (*raw, error) {
		b, err := call(ctx, in)
		if err != nil {
			return nil, err
		}
		return &raw{ContentType: media, Disposition: attachment(name(in)), Body: b}, nil
	})
}

// attachment is a Content-Disposition that saves under the file name; a name
// that cannot be written down becomes "export".
func attachment(name string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" {
		return d
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": "export"})
}

// fixed is the name of a download that does not depend on the request.
func fixed[I any](name string) func(*I) string {
	return func(*I) string { return name }
}

// Short names of the methods, for the tables of routes.
const (
	get   = http.MethodGet
	post  = http.MethodPost
	put   = http.MethodPut
	patch = http.MethodPatch
	del   = http.MethodDelete
)
