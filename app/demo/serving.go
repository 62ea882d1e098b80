package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// serve switches serving of the production version on at every party.
func serve(ctx context.Context, s *story) (string, error) {
	err := each(s.parties, func(p *party) error {
		if err := p.client.do(ctx, http.MethodPut, "/serving/"+modelName, obj{"on": true}, nil); err != nil {
			return err
		}
		return s.await(ctx, p, "serving to be on", func(ctx context.Context) error {
			got, err := get[view.Serving](ctx, p.client, "/serving/"+modelName)
			switch {
			case err != nil:
				return err
			case got.State == "error":
				return recordError("serving does not start", got.Problem)
			case got.State != "on" || got.Address == "" || got.Number != s.version.Number:
				return notYet("state %q, version %d, address %q", got.State, got.Number, got.Address)
			}
			p.serving = got
			return nil
		})
	})
	return "four endpoints, each with its own port and token", err
}

// endpoint is where a party's model answers, with the token for it.
type endpoint struct {
	url, token string
}

// newEndpoint makes a token for p's endpoint.
func newEndpoint(ctx context.Context, p *party) (endpoint, error) {
	made, err := post[view.Serving](ctx, p.client, "/serving/"+modelName+"/token", nil)
	if err != nil {
		return endpoint{}, at(p, err)
	}
	if made.Token == "" {
		return endpoint{}, wrong(p, "see POST /serving/{model}/token", "expected a token that is shown once; there is none")
	}
	return endpoint{strings.TrimSuffix(p.serving.Address, "/") + "/predict/" + modelName, made.Token}, nil
}

// predict asks the first party's endpoint with the curl program, and the next
// party's with the same row; the answers must be equal, and a request without a
// token must be refused.
func predict(ctx context.Context, s *story) (string, error) {
	a, b := s.first(), s.parties[1]
	row, err := sampleRow(a.serving.Inputs)
	if err != nil {
		return "", at(a, err)
	}
	body, err := json.Marshal(obj{"rows": []obj{row}})
	if err != nil {
		return "", fmt.Errorf("encode the row: %w", err)
	}
	var answers [2]view.PredictedRow
	for i, p := range []*party{a, b} {
		e, err := newEndpoint(ctx, p)
		if err != nil {
			return "", err
		}
		if answers[i], err = s.ask(ctx, p, e, body); err != nil {
			return "", at(p, err)
		}
		if err := refusesStrangers(ctx, e, body); err != nil {
			return "", at(p, err)
		}
	}
	if err := samePrediction(b, answers[1], answers[0]); err != nil {
		return "", err
	}
	how := "curl"
	if s.curl == "" {
		how = "net/http, because there is no curl on this computer"
	}
	s.report.Prediction = PredictionRow{By: how, At: []string{a.name, b.name}, Row: row, Label: answers[0].Label, Probability: answers[0].Probability}
	return fmt.Sprintf("by %s: %q, probability %s; the same at %s", how, answers[0].Label, percent(float64(answers[0].Probability[answers[0].Label])), b.name), nil
}

// sampleRow is a row that fits the model's inputs: their typical values.
func sampleRow(inputs []view.InputField) (obj, error) {
	row := obj{}
	for _, f := range inputs {
		if f.Type == "category" {
			if v := f.Typical; v != "" {
				row[f.Name] = v
			} else if len(f.Values) > 0 {
				row[f.Name] = f.Values[0]
			}
			continue
		}
		v, err := strconv.ParseFloat(f.Typical, 64)
		if err != nil {
			v = (float64(f.Low) + float64(f.High)) / 2
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = 0
		}
		row[f.Name] = v
	}
	if len(row) == 0 {
		return nil, fed.Errorf(fed.Internal, "see GET /serving/{model}", "expected the inputs of the model; there are none")
	}
	return row, nil
}

// served is the answer of a model's endpoint.
type served struct {
	Model   string              `json:"model"`
	Version string              `json:"version"` // its number
	Rows    []view.PredictedRow `json:"rows"`
}

// ask sends one row and reads the answer.
func (s *story) ask(ctx context.Context, p *party, e endpoint, body []byte) (view.PredictedRow, error) {
	send := askHTTP
	if s.curl != "" {
		send = s.askCurl
	}
	raw, err := send(ctx, e, body)
	if err != nil {
		return view.PredictedRow{}, err
	}
	var got served
	if err := json.Unmarshal(raw, &got); err != nil {
		return view.PredictedRow{}, fed.Errorf(fed.Incompatible, "see the snippets on the Serving screen", "the prediction is not as described: %w", err)
	}
	if got.Model != modelName || got.Version != strconv.Itoa(s.version.Number) || len(got.Rows) != 1 {
		return view.PredictedRow{}, wrong(p, "see the snippets on the Serving screen", "expected one row from version %d of %s; it is %d rows from version %q of %q", s.version.Number, modelName, len(got.Rows), got.Version, got.Model)
	}
	return got.Rows[0], checkPrediction(p, got.Rows[0])
}

func checkPrediction(p *party, r view.PredictedRow) error {
	sum := 0.0
	for _, v := range r.Probability {
		sum += float64(v)
	}
	if _, ok := r.Probability[r.Label]; !ok || !(math.Abs(sum-1) < 1e-6) {
		return wrong(p, "see the snippets on the Serving screen", "expected a label with probabilities that add up to 1; the label is %q and they add up to %v", r.Label, sum)
	}
	return nil
}

func samePrediction(p *party, got, want view.PredictedRow) error {
	if got.Label != want.Label || !maps.Equal(got.Probability, want.Probability) {
		return wrong(p, "compare the versions that both parties serve", "expected the prediction %q %v as at the first party; it is %q %v", want.Label, want.Probability, got.Label, got.Probability)
	}
	return nil
}

// findCurl returns the curl program, or "".
func findCurl() string {
	path, err := exec.LookPath("curl")
	if err != nil {
		return ""
	}
	return path
}

const askLimit = 20 * time.Second

// askCurl runs the curl program. The token and the row go through its standard
// input as a configuration, so that no list of processes shows them.
func (s *story) askCurl(ctx context.Context, e endpoint, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.curl, "--config", "-") //nolint:gosec // found in the user's path
	cmd.Stdin = strings.NewReader(strings.Join([]string{
		"url = " + quote(e.url), "request = POST", "silent", "show-error", "fail-with-body", "noproxy = \"*\"",
		"header = " + quote("Authorization: Bearer "+e.token), "header = " + quote("Content-Type: application/json"), "data-raw = " + quote(string(body)),
	}, "\n"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fed.Errorf(fed.Unavailable, "see the snippets on the Serving screen", "curl failed (%w): %s %s", err, strings.TrimSpace(errs.String()), cut(out.String(), 300))
	}
	return out.Bytes(), nil
}

// quote writes a value of curl's configuration format.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func cut(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		s = s[:n] + "…"
	}
	return s
}

func askHTTP(ctx context.Context, e endpoint, body []byte) ([]byte, error) {
	raw, status, err := sendHTTP(ctx, e, body)
	if err == nil && status != http.StatusOK {
		err = fed.Errorf(fed.Unavailable, "see the snippets on the Serving screen", "the endpoint answered status %d: %s", status, cut(string(raw), 300))
	}
	return raw, err
}

// sendHTTP sends a row; without a token it sends none.
func sendHTTP(ctx context.Context, e endpoint, body []byte) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if _, err := url.Parse(e.url); err != nil {
		return nil, 0, fed.Errorf(fed.Incompatible, "see GET /serving/{model}", "the address of the endpoint cannot be used")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("ask the endpoint: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if e.token != "" {
		req.Header.Set("Authorization", "Bearer "+e.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, fed.Errorf(fed.Unavailable, "the log below may tell why", "the endpoint does not answer: %w", bare(err))
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, 0, fmt.Errorf("read the answer of the endpoint: %w", err)
	}
	return raw, resp.StatusCode, nil
}

// refusesStrangers checks that the endpoint wants its token.
func refusesStrangers(ctx context.Context, e endpoint, body []byte) error {
	_, status, err := sendHTTP(ctx, endpoint{url: e.url}, body)
	if err != nil {
		return err
	}
	if !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, status) {
		return fed.Errorf(fed.Internal, "the endpoint must ask for its token", "expected a request without a token to be refused; it got status %d", status)
	}
	return nil
}
