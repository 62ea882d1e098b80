package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Session tells a page how it is connected.
type Session struct {
	Window bool   `json:"window" doc:"true inside the desktop window, where files are picked by path"`
	Epoch  string `json:"epoch" doc:"random per start of the app"`
	Opened string `json:"opened" doc:"invite link or file that the app was started with; empty when none"`
}

type sessionOutput struct{ Body Session }

type signInInput struct {
	Body struct {
		Token string `json:"token" maxLength:"128" doc:"the part behind #t= of the address that Synergos printed"`
	}
}

type signInOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

// registerSession adds signing in by the token of the printed address.
func registerSession(api huma.API, g *guard, opt Options) {
	tags := []string{"session"}
	huma.Register(api, huma.Operation{OperationID: "get-session", Method: http.MethodGet, Path: "/session", Tags: tags,
		Summary: "How this page is connected",
	}, func(context.Context, *struct{}) (*sessionOutput, error) {
		s := Session{Window: opt.Window, Epoch: opt.Hub.Epoch()}
		if opt.Opened != nil {
			s.Opened = opt.Opened()
		}
		return &sessionOutput{Body: s}, nil
	})
	huma.Register(api, huma.Operation{OperationID: "sign-in", Method: http.MethodPost, Path: "/session", Tags: tags,
		Summary: "Exchange the token of this launch for a cookie", DefaultStatus: http.StatusNoContent,
		Middlewares: huma.Middlewares{passRequest},
	}, g.signIn)
	huma.Register(api, huma.Operation{OperationID: "sign-out", Method: http.MethodDelete, Path: "/session", Tags: tags,
		Summary: "Forget the cookie", DefaultStatus: http.StatusNoContent,
	}, func(context.Context, *struct{}) (*signInOutput, error) {
		return &signInOutput{SetCookie: g.cookieText("", -1)}, nil
	})
}

type requestKey struct{}

type rawRequest struct {
	w http.ResponseWriter
	r *http.Request
}

// passRequest hands the raw request to a handler that needs its headers.
func passRequest(hctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(hctx)
	next(huma.WithValue(hctx, requestKey{}, rawRequest{w, r}))
}

func (g *guard) signIn(ctx context.Context, in *signInInput) (*signInOutput, error) {
	if isInProcess(ctx) {
		return &signInOutput{}, nil
	}
	raw, _ := ctx.Value(requestKey{}).(rawRequest)
	if p := g.verify(raw.w, raw.r, in.Body.Token); p != nil {
		return nil, p
	}
	return &signInOutput{SetCookie: g.cookieText(g.secret, 0)}, nil
}

func (g *guard) cookieText(value string, maxAge int) string {
	//nolint:gosec // Secure is set where there is TLS; on this computer there is none
	c := http.Cookie{Name: g.cookie, Value: value, Path: "/", HttpOnly: true, Secure: g.opt.Secure, SameSite: http.SameSiteStrictMode, MaxAge: maxAge}
	return c.String()
}
