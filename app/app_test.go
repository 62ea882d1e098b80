package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// smallEngine is an engine that answers one question.
type smallEngine struct {
	api.Engine
	config   EngineConfig
	startErr error
	closed   atomic.Bool
}

func (e *smallEngine) Start(context.Context) error { return e.startErr }
func (e *smallEngine) Busy() string                { return "" }
func (e *smallEngine) Close(context.Context) error { e.closed.Store(true); return nil }
func (e *smallEngine) Status(context.Context) (view.Status, error) {
	return view.Status{Sentence: "all is well", State: "idle", Epoch: e.config.Epoch}, nil
}

func useEngine(t *testing.T, e *smallEngine) {
	t.Helper()
	old := openEngine
	openEngine = func(_ context.Context, c EngineConfig) (Engine, error) {
		e.config = c
		return e, nil
	}
	t.Cleanup(func() { openEngine = old })
}

// syncBuffer collects what a face prints while it runs.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running is a serve face in this process.
type running struct {
	home           string
	file           apiFile
	stdout, stderr syncBuffer
	stop           context.CancelFunc
	code           chan int
}

// startServe runs the face and waits until it takes requests.
func startServe(t *testing.T, home string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{home: home, stop: cancel, code: make(chan int, 1)}
	go func() {
		r.code <- run(ctx, append([]string{"serve", "--home", home}, args...), &r.stdout, &r.stderr)
	}()
	eventually(t, func() bool {
		raw, err := os.ReadFile(filepath.Join(home, "api.json"))
		if err != nil || json.Unmarshal(raw, &r.file) != nil {
			return false
		}
		o, err := askOwner(ctx, home, http.MethodGet, "/control/owner", nil)
		return err == nil && o.PID == os.Getpid()
	})
	t.Cleanup(cancel)
	return r
}

func (r *running) end(t *testing.T) int {
	t.Helper()
	r.stop()
	select {
	case code := <-r.code:
		return code
	case <-time.After(closeWithin):
		t.Fatal("did not end in 10 s")
		return -1
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in 10 s")
		}
		runtime.Gosched()
	}
}

func (r *running) get(t *testing.T, path, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.file.Address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func runFace(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestServe(t *testing.T) {
	engine := &smallEngine{}
	useEngine(t, engine)
	home := filepath.Join(t.TempDir(), "party")
	r := startServe(t, home, "--data-root", "/a", "--data-root", "/b", "--peer-listen", "127.0.0.1:0", "--discovery=false")
	eventually(t, func() bool { code, _ := r.get(t, "/api/v1/status", r.file.Token); return code == 200 })

	if code, body := r.get(t, "/api/v1/status", r.file.Token); code != 200 || !strings.Contains(body, "all is well") {
		t.Errorf("status: %d %s", code, body)
	}
	if code, _ := r.get(t, "/api/v1/status", ""); code != 401 {
		t.Errorf("without a token: %d", code)
	}
	if code, body := r.get(t, "/", ""); code != 200 || !strings.Contains(body, "<html") {
		t.Errorf("page: %d %.80s", code, body)
	}
	for _, path := range []string{"/assets/", "/nothing.js", "/..%2f..%2fetc/passwd"} {
		if code, _ := r.get(t, path, ""); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if want := r.file.Address + "/#t=" + r.file.Token; !strings.Contains(r.stdout.String(), want) {
		t.Errorf("stdout lacks %s: %s", want, r.stdout.String())
	}
	c := engine.config
	if c.Home != home || len(c.DataRoots) != 2 || c.PeerListen != "127.0.0.1:0" || c.Discovery || c.Window {
		t.Errorf("engine config %+v", c)
	}
	for _, name := range []string{"api.json", "control.sock", "owner.json", "lock", "log/synergos.log"} {
		info, err := os.Stat(filepath.Join(home, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if code := r.end(t); code != 0 || !engine.closed.Load() {
		t.Errorf("exit %d, engine closed %v: %s", code, engine.closed.Load(), r.stderr.String())
	}
	for _, name := range []string{"api.json", "control.sock", "owner.json"} {
		if _, err := os.Stat(filepath.Join(home, name)); err == nil {
			t.Errorf("%s is left over", name)
		}
	}
	log, err := os.ReadFile(filepath.Join(home, "log/synergos.log"))
	if err != nil || bytes.Contains(log, []byte(r.file.Token)) {
		t.Errorf("the log has the token, or cannot be read: %v", err)
	}
}

func TestSecondCopy(t *testing.T) {
	useEngine(t, &smallEngine{})
	home := t.TempDir()
	r := startServe(t, home)

	code, _, stderr := runFace(t, "serve", "--home", home)
	if code != 1 || !strings.Contains(stderr, "in use by another copy") || !strings.Contains(stderr, "process ") || !strings.Contains(stderr, r.file.Address) {
		t.Errorf("serve: %d %s", code, stderr)
	}
	code, stdout, stderr := runFace(t, "--home", home, "synergos://invite/abc")
	if code != 0 || !strings.Contains(stdout, "already running") || !strings.Contains(stdout, r.file.Address) {
		t.Errorf("window: %d %q %q", code, stdout, stderr)
	}
	if _, body := r.get(t, "/api/v1/events/replay?after=0", r.file.Token); !strings.Contains(body, `"kind":"app.open","subject":"synergos://invite/abc"`) {
		t.Errorf("the link did not arrive: %s", body)
	}
	if code := r.end(t); code != 0 {
		t.Fatalf("exit %d", code)
	}
	again := startServe(t, home)
	if again.file.Token == r.file.Token {
		t.Error("the token is the same after a restart")
	}
	again.end(t)
}

func TestOpenedIsTakenOnce(t *testing.T) {
	useEngine(t, &smallEngine{})
	r := startServe(t, t.TempDir(), "synergos://invite/xyz")
	if _, body := r.get(t, "/api/v1/session", r.file.Token); !strings.Contains(body, "invite/xyz") {
		t.Errorf("%s", body)
	}
	if _, body := r.get(t, "/api/v1/session", r.file.Token); strings.Contains(body, "invite/xyz") {
		t.Errorf("twice: %s", body)
	}
	r.end(t)
}

func TestEngineThatDoesNotStart(t *testing.T) {
	useEngine(t, &smallEngine{startErr: fed.Errorf(fed.Unavailable, "choose another port in the settings", "port 7000 is in use")})
	r := startServe(t, t.TempDir())
	eventually(t, func() bool { return strings.Contains(r.stderr.String(), "port 7000") })
	code, body := r.get(t, "/api/v1/status", r.file.Token)
	if code != 503 || !strings.Contains(body, "port 7000 is in use") || !strings.Contains(body, "choose another port") {
		t.Errorf("%d %s", code, body)
	}
	r.end(t)
}

// A long-lived event stream must not hold up the end.
func TestEndsWithOpenStream(t *testing.T) {
	useEngine(t, &smallEngine{})
	r := startServe(t, t.TempDir())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.file.Address+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.file.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := time.Now()
	if code := r.end(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestCall(t *testing.T) {
	useEngine(t, &smallEngine{})
	home := t.TempDir()
	if code, _, stderr := runFace(t, "call", "--home", home, "GET", "/status"); code != 1 || !strings.Contains(stderr, "no copy of Synergos answers") {
		t.Errorf("nobody there: %d %s", code, stderr)
	}
	r := startServe(t, home)
	eventually(t, func() bool { code, _, _ := runFace(t, "call", "--home", home, "GET", "/status"); return code == 0 })
	if code, stdout, _ := runFace(t, "call", "--home", home, "get", "/status"); code != 0 || !strings.Contains(stdout, "all is well") {
		t.Errorf("%d %s", code, stdout)
	}
	if code, stdout, _ := runFace(t, "call", "--home", home, "GET", "/nothing"); code != 1 || !strings.Contains(stdout, "urn:synergos:problem:not_found") {
		t.Errorf("%d %s", code, stdout)
	}
	if code, _, _ := runFace(t, "call", "status"); code != 2 {
		t.Errorf("wrong use: %d", code)
	}
	r.end(t)
}

func TestListenBeyondThisComputer(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "[::]:0", "example.org:1"} {
		code, _, stderr := runFace(t, "serve", "--home", t.TempDir(), "--listen", addr)
		if code != 1 || !strings.Contains(stderr, "unencrypted") || !strings.Contains(stderr, "SSH tunnel") {
			t.Errorf("%s: %d %s", addr, code, stderr)
		}
	}
	for args, want := range map[string]string{"--listen nonsense": "host:port", "--tls-cert a.pem": "needs its key"} {
		code, _, stderr := runFace(t, append([]string{"serve", "--home", t.TempDir()}, strings.Fields(args)...)...)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %s", args, code, stderr)
		}
	}
	for _, host := range []string{"127.0.0.1", "127.8.8.8", "::1", "localhost"} {
		if !loopback(host) {
			t.Errorf("%s is this computer", host)
		}
	}
}

func TestServeOverTLS(t *testing.T) {
	useEngine(t, &smallEngine{})
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	r := startServe(t, filepath.Join(dir, "home"), "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "party.example"}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.file.Address+"/api/v1/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.file.Address, "https://"))
	req.Host = "party.example:" + port
	req.Header.Set("Authorization", "Bearer "+r.file.Token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%s", resp.Status)
	}
	r.end(t)
}

func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"party.example"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func TestLongHomeMovesTheSocket(t *testing.T) {
	useEngine(t, &smallEngine{})
	run := filepath.Join(os.TempDir(), "synergos-test-run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	t.Setenv("XDG_RUNTIME_DIR", run)
	home := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	path, err := controlPath(home)
	if err != nil || filepath.Dir(path) != run || len(path) > maxSocketPath {
		t.Fatalf("%s %v", path, err)
	}
	r := startServe(t, home)
	if code, _, stderr := runFace(t, "serve", "--home", home); code != 1 || !strings.Contains(stderr, r.file.Address) {
		t.Errorf("%d %s", code, stderr)
	}
	r.end(t)
}

func TestRuntimeFolderOfSomebodyElseIsNotUsed(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", open)
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := runtimeDir()
	if err != nil || dir == open || !privateDir(dir) {
		t.Errorf("%s %v", dir, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := runtimeDir(); fed.KindOf(err) != fed.Permission {
		t.Errorf("a folder open to others: %v", err)
	}
}

func TestHolderWithoutSocket(t *testing.T) {
	home := t.TempDir()
	lock, err := lockHome(home)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.tell(owner{PID: 4711, Face: "window"}); err != nil {
		t.Fatal(err)
	}
	o, err := readOwner(home)
	if err != nil || o.PID != 4711 {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := lockHome(home); err == nil {
		t.Error("two locks")
	}
	if err := lock.release(); err != nil {
		t.Fatal(err)
	}
	second, err := lockHome(home)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.release(); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultHome(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the XDG rules are of Linux")
	}
	t.Setenv("XDG_DATA_HOME", "/x/data")
	if dir, err := defaultHome(); err != nil || dir != "/x/data/synergos" {
		t.Errorf("%s %v", dir, err)
	}
	t.Setenv("XDG_DATA_HOME", "relative")
	t.Setenv("HOME", "/h")
	if dir, err := defaultHome(); err != nil || dir != "/h/.local/share/synergos" {
		t.Errorf("%s %v", dir, err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		out  string
	}{
		{"help", 0, "Usage: synergos"}, {"-h", 0, "Usage: synergos"}, {"version", 0, "synergos " + Version},
		{"nonsense", 2, `no command "nonsense"`}, {"serve -h", 0, "-tls-cert"}, {"serve --nonsense", 2, "-nonsense"},
		{"serve a b", 2, "at most one link"}, {"openapi", 0, `"openapi": "3.1.0"`}, {"doctor -h", 0, "-json"}, {"call -h", 0, "METHOD PATH"},
	} {
		code, stdout, stderr := runFace(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.out) {
			t.Errorf("%s: %d, %.300s", c.args, code, stdout+stderr)
		}
	}
}

func TestDoctor(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := runFace(t, "doctor", "--home", home)
	for _, want := range []string{"no copy is running", "127.0.0.1", "control socket"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lacks %q:\n%s", want, stdout)
		}
	}
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := runFace(t, "doctor", "--home", home, "--json")
	var found []finding
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != 1 {
		t.Fatalf("%d %v %s", code, err, stdout)
	}
	for _, x := range found {
		if x.Name == "data folder" && (x.State != "fail" || !strings.Contains(x.Fix, "chmod 700")) {
			t.Errorf("%+v", x)
		}
	}
}
