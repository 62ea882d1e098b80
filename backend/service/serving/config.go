package serving

import (
	"crypto/tls"
	"net/netip"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Limits of one listener.
type Limits struct {
	Body        int64         // bytes of a request, after decompression
	Rows        int           // per request
	Inputs      int           // tensors per request
	Connections int           // open at once
	Running     int           // inferences at once
	Queue       int           // waiting for one; more get 429
	Timeout     time.Duration // of a request
}

// Config is the switch of one model.
type Config struct {
	// Model is its name, which paths of the listener use. Project tells models of one
	// name apart: a version of another project is refused, and paths may also say
	// "model~project".
	Model   string
	Project fed.ProjectID
	Port    int // 0: any free one
	// TokenHash is the hash that NewToken returned. "" asks for no token, which is
	// allowed only when Exposed is off.
	TokenHash string
	Mode      Mode     // "": Reject
	Hosts     []string // more names for the Host header, without port
	Origins   []string // of pages that may call
	// Exposed binds all addresses instead of 127.0.0.1; it needs TLS and a token.
	// Allow are the callers' addresses then; empty: all.
	Exposed bool
	TLS     *tls.Config
	Allow   []netip.Prefix
	Limits  Limits // zero: DefaultLimits
	// Allowed is asked when a version is loaded and before an answer, at most once a
	// minute: an error of kind Permission stops serving with its reason.
	Allowed func() error
	Stats   *Stats           // counters to go on with; nil: from zero
	Product string           // product version, for GET /v2; "" : "dev"
	Decode  Decode           // of pipeline.json
	Open    Open             // of rows in CSV
	Now     func() time.Time // nil: time.Now
}

// Version is what a server is switched to.
type Version struct {
	Number int
	Stage  string
	Files  Files
}

// The states of a server.
const (
	StateOff     = "off"
	StateLoading = "loading"
	StateWarming = "warming"
	StateOn      = "on"
	StateError   = "error"
)

// Status is what the serve screen shows.
type Status struct {
	State     string
	Problem   error // of the last failed start or switch; nil: none
	Number    int
	Stage     string
	ContentID string
	Address   string // http://127.0.0.1:port, "" when off
	Port      int
	Exposed   bool
	Info      Info // of the served version
	Requests  int64
	Failures  int64
	Rows      int64
	P50Ms     fed.Number // of the last 1,024 inference requests; NaN: none yet
	P95Ms     fed.Number
	Recent    []RequestLog // newest first, at most 200
}
