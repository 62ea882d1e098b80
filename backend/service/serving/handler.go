package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
)

// call is one request on its way.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	route  route
	v      *served // nil before the first version is loaded
	id     string
	rows   int
	status int
}

// httpError is an answer with a status of its own.
type httpError struct {
	status int
	text   string
	retry  bool
}

func (e *httpError) Error() string { return e.text }

func refuse(status int, format string, args ...any) error {
	return &httpError{status: status, text: fmt.Sprintf(format, args...)}
}

// ServeHTTP implements http.Handler: guards, then the route, then counting.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.cfg.Now()
	c := &call{w: w, r: r, v: s.current.Load(), id: newID()}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	var err error
	if status, text := s.guard(r); status != 0 {
		err = refuse(status, "%s", text)
		c.route.name = "refused"
	} else if c.route, err = find(r.URL.Path); err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Limits.Timeout)
		defer cancel()
		c.r = r.WithContext(ctx)
		err = s.run(c)
	}
	if err != nil {
		s.fail(c, err)
	}
	l := RequestLog{At: start, ID: c.id, Path: c.route.name, Rows: c.rows, Status: c.status, Ms: float64(s.cfg.Now().Sub(start)) / float64(time.Millisecond)}
	if c.v != nil {
		l.Number = c.v.version.Number
	}
	s.stats.done(l, c.route.infer)
}

// run checks the model of the path and answers.
func (s *Server) run(c *call) error {
	if c.route.method != c.r.Method && (c.route.method != http.MethodGet || c.r.Method != http.MethodHead) {
		c.w.Header().Set("Allow", c.route.method)
		return refuse(http.StatusMethodNotAllowed, "use %s", c.route.method)
	}
	if c.route.model != "" && !s.names(c) {
		return refuse(http.StatusNotFound, "the model is not served here")
	}
	if c.route.version != "" && (c.v == nil || c.route.version != strconv.Itoa(c.v.version.Number)) {
		return refuse(http.StatusNotFound, "the version is not served here")
	}
	return c.route.serve(s, c)
}

// names reports whether the path's model, name or name@alias, is the served one.
func (s *Server) names(c *call) bool {
	name, alias, has := strings.Cut(c.route.model, "@")
	if name != s.cfg.Model && name != s.cfg.Model+"~"+string(s.cfg.Project) {
		return false
	}
	if !has {
		return true
	}
	stage := ""
	if c.v != nil {
		stage = c.v.version.Stage
	}
	return alias != "" && (alias == stage || alias == "champion" && stage == "production")
}

func (s *Server) live(c *call) error { return c.json(http.StatusOK, map[string]any{"live": true}) }

func (s *Server) ready(c *call) error {
	if c.v == nil {
		return refuse(http.StatusServiceUnavailable, "the model is being loaded")
	}
	return c.json(http.StatusOK, map[string]any{"live": true, "ready": true})
}

func (s *Server) ping(c *call) error {
	if c.v == nil {
		return refuse(http.StatusServiceUnavailable, "the model is being loaded")
	}
	return c.text("OK")
}

func (s *Server) versionText(c *call) error { return c.text(s.cfg.Product) }

func (s *Server) about(c *call) error {
	return c.json(http.StatusOK, map[string]any{"name": "synergos", "version": s.cfg.Product, "extensions": []string{}})
}

func (s *Server) metrics(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	c.status = http.StatusOK
	bytes := int64(0)
	if c.v != nil {
		bytes = c.v.p.info.Bytes
	}
	s.stats.write(c.w, s.cfg.Model, bytes)
	return nil
}

func (s *Server) index(c *call) error {
	entry := map[string]string{"name": s.cfg.Model, "version": "", "state": "LOADING", "reason": ""}
	if c.v != nil {
		entry["version"], entry["state"] = strconv.Itoa(c.v.version.Number), "READY"
	}
	return c.json(http.StatusOK, []map[string]string{entry})
}

func (s *Server) metadata(c *call) error {
	if c.v == nil {
		return refuse(http.StatusServiceUnavailable, "the model is being loaded")
	}
	return c.json(http.StatusOK, c.v.p.metadata(s.cfg.Model, c.v.version.Number))
}

func (s *Server) modelReady(c *call) error {
	if c.v == nil {
		return refuse(http.StatusServiceUnavailable, "the model is being loaded")
	}
	return c.json(http.StatusOK, map[string]any{"name": s.cfg.Model, "ready": true})
}

// infer answers POST /v2/models/{m}/infer.
func (s *Server) infer(c *call) error {
	var req oipRequest
	res, err := s.answer(c, func(body []byte) (rows []map[string]any, err error) {
		req, rows, err = c.v.p.decodeInfer(body, s.cfg.Limits)
		return rows, err
	})
	if err != nil {
		return err
	}
	id := c.id
	if req.ID != "" {
		id = req.ID
	}
	c.id = loggable(req.ID, c.id)
	a, err := c.v.p.encodeInfer(req, id, c.v.version.Number, res)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, a)
}

// predicted is one row of POST /predict/{m}.
type predicted struct {
	Label       string                `json:"label,omitempty"`
	Value       *fed.Number           `json:"value,omitempty"`
	Probability map[string]fed.Number `json:"probability,omitempty"`
	Threshold   *fed.Number           `json:"threshold,omitempty"`
	Warnings    []string              `json:"warnings"`
}

func (s *Server) predict(c *call) error {
	res, err := s.answer(c, func(body []byte) ([]map[string]any, error) { return c.v.p.decodePredict(body, s.cfg.Limits) })
	if err != nil {
		return err
	}
	rows := make([]predicted, len(res))
	for i, r := range res {
		rows[i] = c.v.p.predicted(r)
	}
	return c.json(http.StatusOK, map[string]any{"model": s.cfg.Model, "version": strconv.Itoa(c.v.version.Number), "rows": rows})
}

func (p *Predictor) predicted(r Result) predicted {
	if p.info.Task == fed.TaskRegress {
		v := fed.Number(float32(r.Value))
		return predicted{Value: &v, Warnings: r.Warnings}
	}
	out := predicted{Label: r.Label, Probability: make(map[string]fed.Number, len(r.Probability)), Warnings: r.Warnings}
	for i, v := range r.Probability {
		out.Probability[p.info.Classes[i]] = shortest(v)
	}
	if len(p.info.Classes) == 2 {
		t := fed.Number(p.info.Threshold)
		out.Threshold = &t
	}
	return out
}

// shortest returns the float64 that prints with the digits of the float32, so that
// every form of answer shows the same number.
func shortest(v float32) fed.Number {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return fed.Number(f)
}

// invoke answers POST /invocations.
func (s *Server) invoke(c *call) error {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "text/csv" {
		return refuse(http.StatusUnsupportedMediaType, "send application/json or text/csv")
	}
	var form rowForm
	res, err := s.answer(c, func(body []byte) (rows []map[string]any, err error) {
		if kind == "text/csv" {
			return c.v.p.decodeCSV(c.r.Context(), s.cfg.Open, body, s.cfg.Limits)
		}
		form, rows, err = c.v.p.decodeInvocation(body, s.cfg.Limits)
		return rows, err
	})
	if err != nil {
		return err
	}
	out := make([]any, len(res))
	for i, r := range res {
		switch {
		case c.v.p.info.Task == fed.TaskRegress:
			out[i] = float32(r.Value)
		case form.Params.Method == "predict_proba":
			out[i] = r.Probability
		default:
			out[i] = r.Label
		}
	}
	return c.json(http.StatusOK, map[string]any{"predictions": out})
}

// answer reads the body, waits for a place, and predicts.
func (s *Server) answer(c *call, decode func([]byte) ([]map[string]any, error)) ([]Result, error) {
	if c.v == nil {
		return nil, refuse(http.StatusServiceUnavailable, "the model is being loaded")
	}
	if err := s.allowed(); err != nil {
		return nil, err
	}
	release, err := s.enter(c.r.Context())
	if err != nil {
		return nil, err
	}
	defer release()
	body, err := s.body(c)
	if err != nil {
		return nil, err
	}
	rows, err := decode(body)
	if err != nil {
		return nil, err
	}
	c.rows = len(rows)
	return c.v.p.Predict(c.r.Context(), rows, s.cfg.Mode)
}

func (s *Server) body(c *call) ([]byte, error) {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, refuse(http.StatusUnsupportedMediaType, "compressed requests are not read")
	}
	if c.r.Header.Get("Inference-Header-Content-Length") != "" {
		return nil, refuse(http.StatusBadRequest, "binary tensors are not read; send the data as JSON")
	}
	if c.r.ContentLength > s.cfg.Limits.Body {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", s.cfg.Limits.Body)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, s.cfg.Limits.Body))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", s.cfg.Limits.Body)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the body did not arrive")
	}
	return raw, nil
}

var statusOf = map[fed.Kind]int{
	fed.Invalid: http.StatusBadRequest, fed.NotFound: http.StatusNotFound, fed.Permission: http.StatusForbidden, fed.Unavailable: http.StatusServiceUnavailable,
	fed.Timeout: http.StatusGatewayTimeout, fed.Busy: http.StatusTooManyRequests, fed.Incompatible: http.StatusBadRequest,
}

// fail writes {"error": text}, with the refused fields when there are any.
func (s *Server) fail(c *call, err error) {
	body := map[string]any{"error": err.Error()}
	status, ok := statusOf[fed.KindOf(err)]
	var (
		special *httpError
		input   *InputError
	)
	switch {
	case errors.As(err, &special):
		status = special.status
		if special.retry {
			c.w.Header().Set("Retry-After", "1")
		}
	case errors.As(err, &input):
		s.stats.refuse(input)
		body["fields"] = input.Fields
	case !ok:
		status, body["error"] = http.StatusInternalServerError, "internal error, report "+newID()
	}
	if status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	_ = c.json(status, body)
}

func (c *call) json(status int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	c.status = status
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(raw) // a caller that went away is no error of ours
	return nil
}

func (c *call) text(s string) error {
	c.status = http.StatusOK
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(c.w, s)
	return nil
}

var plainID = regexp.MustCompile(`^[\w.:\-]{1,64}$`)

// loggable keeps a caller's id out of the log, in favour of our own, when it could
// be anything else.
func loggable(id, own string) string {
	if plainID.MatchString(id) {
		return id
	}
	return own
}
