package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

const (
	maxAnswer   = 16 << 20 // bytes of an answer that is read
	callTimeout = 35 * time.Second
)

// client talks to the API of one party as any program with its token may.
type client struct {
	base  string // http://127.0.0.1:port
	token string
	http  *http.Client
}

func newClient(base, token string) *client {
	return &client{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{Timeout: callTimeout}}
}

// do sends in (nil: no body) and fills out (nil: the answer is not read). path
// starts behind the API's prefix. A problem becomes a *fed.Error with the
// problem's sentence and hint.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the body of %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+api.Prefix+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fed.Errorf(fed.Unavailable, "look at the log of the party below", "%s %s got no answer: %w", method, path, bare(err))
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fed.Errorf(fed.Unavailable, "look at the log of the party below", "the answer to %s %s broke off: %w", method, path, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return problem(method, path, resp.StatusCode, raw)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fed.Errorf(fed.Incompatible, "the demo and the party must be of one version", "the answer to %s %s is not as described: %w", method, path, err)
	}
	return nil
}

// bare takes the address off a failure of net/http, which repeats it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

var statusKinds = map[int]fed.Kind{
	http.StatusUnprocessableEntity: fed.Invalid,
	http.StatusNotFound:            fed.NotFound,
	http.StatusConflict:            fed.Exists,
	http.StatusForbidden:           fed.Permission,
	http.StatusUnauthorized:        fed.Permission,
	http.StatusServiceUnavailable:  fed.Unavailable,
	http.StatusGatewayTimeout:      fed.Timeout,
	http.StatusLocked:              fed.Busy,
}

// problem turns the body of a failed request into an error.
func problem(method, path string, status int, raw []byte) error {
	kind, known := statusKinds[status]
	if !known {
		kind = fed.Internal
		if status < http.StatusInternalServerError {
			kind = fed.Invalid
		}
	}
	var p api.Problem
	if json.Unmarshal(raw, &p) != nil || p.Detail == "" {
		return fed.Errorf(kind, "look at the log of the party below", "%s %s answered status %d", method, path, status)
	}
	text := p.Detail
	for _, f := range p.Fields {
		text += fmt.Sprintf("; %s: %s", f.Path, f.Message)
	}
	return fed.Errorf(kind, p.Hint, "%s %s: %s (status %d)", method, path, text, status)
}

func get[T any](ctx context.Context, c *client, path string) (T, error) {
	var out T
	return out, c.do(ctx, http.MethodGet, path, nil, &out)
}

func post[T any](ctx context.Context, c *client, path string, in any) (T, error) {
	var out T
	return out, c.do(ctx, http.MethodPost, path, in, &out)
}

// list reads an endpoint that answers {items}.
func list[T any](ctx context.Context, c *client, path string) ([]T, error) {
	page, err := get[api.List[T]](ctx, c, path)
	return page.Items, err
}

// obj is a body written in place.
type obj = map[string]any
