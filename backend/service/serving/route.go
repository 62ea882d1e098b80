package serving

import (
	"net/http"
	"strings"
)

// route is what a path means.
type route struct {
	name    string // as it stands in the request log
	method  string
	model   string // of the path, "" for the default one
	version string
	infer   bool // counts as inference
	serve   func(*Server, *call) error
}

// find parses a path.
func find(path string) (route, error) {
	switch path {
	case "/v2/health/live":
		return route{name: path, method: http.MethodGet, serve: (*Server).live}, nil
	case "/v2/health/ready":
		return route{name: path, method: http.MethodGet, serve: (*Server).ready}, nil
	case "/v2":
		return route{name: path, method: http.MethodGet, serve: (*Server).about}, nil
	case "/ping", "/health":
		return route{name: path, method: http.MethodGet, serve: (*Server).ping}, nil
	case "/version":
		return route{name: path, method: http.MethodGet, serve: (*Server).versionText}, nil
	case "/metrics":
		return route{name: path, method: http.MethodGet, serve: (*Server).metrics}, nil
	case "/v2/repository/index":
		return route{name: path, method: http.MethodPost, serve: (*Server).index}, nil
	case "/invocations":
		return route{name: path, method: http.MethodPost, infer: true, serve: (*Server).invoke}, nil
	}
	part := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case len(part) == 2 && part[0] == "predict" && part[1] != "":
		return route{name: "/predict/{model}", method: http.MethodPost, model: part[1], infer: true, serve: (*Server).predict}, nil
	case len(part) == 3 && part[0] == "models" && part[1] != "" && part[2] == "invocations":
		return route{name: "/models/{model}/invocations", method: http.MethodPost, model: part[1], infer: true, serve: (*Server).invoke}, nil
	case len(part) >= 3 && part[0] == "v2" && part[1] == "models" && part[2] != "":
		return findModel(part[2], part[3:])
	}
	return route{name: "unknown"}, refuse(http.StatusNotFound, "there is nothing at this path")
}

// findModel parses what follows /v2/models/{model}.
func findModel(model string, rest []string) (route, error) {
	r := route{name: "/v2/models/{model}", method: http.MethodGet, model: model, serve: (*Server).metadata}
	if len(rest) >= 2 && rest[0] == "versions" && rest[1] != "" {
		r.name, r.version, rest = r.name+"/versions/{version}", rest[1], rest[2:]
	}
	switch {
	case len(rest) == 0:
		return r, nil
	case len(rest) == 1 && rest[0] == "ready":
		r.name, r.serve = r.name+"/ready", (*Server).modelReady
		return r, nil
	case len(rest) == 1 && rest[0] == "infer":
		r.name, r.method, r.infer, r.serve = r.name+"/infer", http.MethodPost, true, (*Server).infer
		return r, nil
	}
	return route{name: "unknown"}, refuse(http.StatusNotFound, "there is nothing at this path")
}
