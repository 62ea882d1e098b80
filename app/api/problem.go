package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"synergos.app/desktop/backend/fed"
)

// problemPrefix starts the type of every problem.
const problemPrefix = "urn:synergos:problem:"

// Problem is every error of this API: RFC 9457 with a hint what to do. It never
// holds a value that the client sent, nor the text of an internal error.
type Problem struct {
	Type     string  `json:"type" doc:"urn:synergos:problem:<kind>" example:"urn:synergos:problem:not_found"`
	Title    string  `json:"title" doc:"the kind in words"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail" doc:"what happened, one sentence"`
	Hint     string  `json:"hint" doc:"what to do"`
	Instance string  `json:"instance" doc:"request id, to find it in the log"`
	Fields   []Field `json:"fields" doc:"what is wrong with the request, by field"`
}

// Field says what is wrong with one field of a request.
type Field struct {
	Path    string `json:"path" doc:"for example body.rounds"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// kindStatus is the HTTP status of each fed.Kind.
var kindStatus = map[fed.Kind]int{
	fed.Internal:     http.StatusInternalServerError,
	fed.Invalid:      http.StatusUnprocessableEntity,
	fed.NotFound:     http.StatusNotFound,
	fed.Exists:       http.StatusConflict,
	fed.Permission:   http.StatusForbidden,
	fed.Unavailable:  http.StatusServiceUnavailable,
	fed.Timeout:      http.StatusGatewayTimeout,
	fed.Incompatible: http.StatusConflict,
	fed.Corrupt:      http.StatusInternalServerError,
	fed.Busy:         http.StatusLocked,
}

var titles = map[string]string{
	"internal":           "Something went wrong inside Synergos",
	"invalid":            "The request is not valid",
	"not_found":          "Not found",
	"exists":             "It exists already",
	"permission":         "Not allowed",
	"unavailable":        "Not available now",
	"timeout":            "It took too long",
	"incompatible":       "The two sides do not fit together",
	"corrupt":            "Stored data is damaged",
	"busy":               "In use at the moment",
	"unauthorized":       "Not signed in",
	"forbidden":          "The request did not come from this app",
	"misdirected":        "Wrong address",
	"method_not_allowed": "This address does not take that method",
	"too_large":          "The request is too large",
	"too_many":           "Too many attempts",
	"unsupported":        "Not supported here",
}

// statusKind names the problem of an answer that no *fed.Error describes.
func statusKind(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusConflict:
		return "exists"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusMisdirectedRequest:
		return "misdirected"
	case http.StatusLocked:
		return "busy"
	case http.StatusTooManyRequests:
		return "too_many"
	case http.StatusNotImplemented, http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		return "unsupported"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "timeout"
	}
	if status >= 400 && status < 500 {
		return "invalid"
	}
	return "internal"
}

// newProblem builds a problem for the request of ctx. Fields is never nil.
func newProblem(ctx context.Context, status int, kind, detail, hint string) *Problem {
	return &Problem{
		Type: problemPrefix + kind, Title: titles[kind], Status: status,
		Detail: detail, Hint: hint, Instance: RequestID(ctx), Fields: []Field{},
	}
}

// ProblemOf turns any error into the problem that a client may read: a
// *fed.Error keeps its sentence and hint, anything else says only where the log
// tells more.
func ProblemOf(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	kind := fed.KindOf(err)
	var fe *fed.Error
	if errors.As(err, &fe) && kind != fed.Internal {
		return newProblem(ctx, kindStatus[kind], kind.String(), fe.Text, fe.Hint)
	}
	switch kind {
	case fed.Timeout:
		return newProblem(ctx, http.StatusGatewayTimeout, "timeout", "the request took too long", "try again; long work is listed under Work in progress")
	case fed.Unavailable:
		return newProblem(ctx, http.StatusServiceUnavailable, "unavailable", "the request was cut off", "try again")
	}
	return internalProblem(ctx)
}

func internalProblem(ctx context.Context) *Problem {
	return newProblem(ctx, http.StatusInternalServerError, "internal",
		"an unexpected error occurred", "try again; if it stays, look for "+RequestID(ctx)+" in the log")
}

// humaProblem replaces huma.NewErrorWithContext: no value that the client sent
// and no text of a plain Go error gets into the answer.
func humaProblem(hctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
	ctx := context.Background()
	if hctx != nil {
		ctx = hctx.Context()
	}
	if status == http.StatusInternalServerError && len(errs) > 0 {
		return serverProblem(ctx, errs)
	}
	p := newProblem(ctx, status, statusKind(status), plainDetail(status, msg), plainHint(status))
	for _, err := range errs {
		if f, ok := fieldOf(err); ok {
			p.Fields = append(p.Fields, f)
		}
	}
	return p
}

// serverProblem maps what a handler returned, and logs what it must not say.
func serverProblem(ctx context.Context, errs []error) *Problem {
	err := errors.Join(errs...)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return newProblem(ctx, http.StatusRequestEntityTooLarge, "too_large", plainDetail(http.StatusRequestEntityTooLarge, ""), plainHint(http.StatusRequestEntityTooLarge))
	}
	p := ProblemOf(ctx, err)
	if p.Status >= http.StatusInternalServerError {
		logger(ctx).Error("api request failed", "request", p.Instance, "kind", p.Type, "err", err)
	}
	return p
}

func fieldOf(err error) (Field, bool) {
	var d huma.ErrorDetailer
	if err == nil || !errors.As(err, &d) {
		return Field{}, false
	}
	detail := d.ErrorDetail()
	return Field{Path: detail.Location, Message: detail.Message}, true
}

func plainDetail(status int, msg string) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return "some fields of the request are not valid"
	case http.StatusRequestEntityTooLarge:
		return "the body of the request is too large"
	}
	if msg == "" {
		return http.StatusText(status)
	}
	return msg
}

func plainHint(status int) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return "correct the fields named and send it again"
	case http.StatusRequestEntityTooLarge:
		return "send it in smaller parts"
	}
	if status >= 400 && status < 500 {
		return "compare the request with the API description (synergos openapi)"
	}
	return "try again"
}

// writeProblem answers with p and nothing else.
func writeProblem(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil { // a struct of strings always marshals
		body = []byte(`{}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

type loggerKey struct{}

func logger(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return l
	}
	return slog.Default()
}
