//go:build desktop || dev || bindings

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/logger"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/linux"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/frontend"
)

// hasWindow tells whether this build can open a window.
const hasWindow = true

// closeAnswer is how long the page may take to show its question before a plain
// system dialog asks instead.
const closeAnswer = 2 * time.Second

func init() {
	register("window", "open the window (default)", window)
}

// window opens the desktop window, hands over to the copy that is already
// running, or serves where there is no display.
func window(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	if code, ok := parse("window", args, stderr, &s); !ok {
		return code
	}
	if !haveDisplay() {
		return windowless(ctx, s, "There is no display here (DISPLAY and WAYLAND_DISPLAY are empty), so Synergos runs without its window.", stdout, stderr)
	}
	h, err := openHost(ctx, "window", s, stderr)
	var taken *inUseError
	if errors.As(err, &taken) {
		return handOver(ctx, taken.home, s.open, stdout, stderr)
	}
	if err != nil {
		return complain(stderr, err)
	}
	err = runWindow(ctx, h)
	if errors.Is(err, errNoDisplay) {
		return windowless(ctx, s, "The display cannot be opened, so Synergos runs without its window.", stdout, stderr)
	}
	if err != nil {
		return complain(stderr, err)
	}
	return 0
}

// errNoDisplay says that a display is named but does not answer.
var errNoDisplay = errors.New("the display cannot be opened")

// show runs the window. The toolkit panics when its display does not answer.
func show(o *options.App) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if text := fmt.Sprint(v); !strings.Contains(text, "failed to init GTK") {
				panic(v)
			}
			err = errNoDisplay
		}
	}()
	return wails.Run(o)
}

// runWindow shows the window until it is closed, then closes the host.
func runWindow(ctx context.Context, h *host) error {
	graphics(h.settings.safeGraphics)
	if locale := betterLocale(os.Getenv); locale != "" {
		_ = os.Setenv("LC_ALL", locale) // fails only for an invalid name
	}
	handler := h.handler(api.GuardOptions{}) // no port: only marked requests pass
	desk := &Desktop{host: h, api: handler, root: ctx, ended: make(chan struct{})}
	if err := h.openControl(handler, desk.raise); err != nil {
		return errors.Join(err, h.close())
	}
	files, _ := frontend.Files()
	err := show(&options.App{
		Title: "Synergos", Width: 1280, Height: 800, MinWidth: 900, MinHeight: 600,
		AssetServer:        &assetserver.Options{Assets: files, Middleware: windowMiddleware(handler)},
		OnStartup:          desk.startup,
		OnDomReady:         desk.domReady,
		OnBeforeClose:      desk.beforeClose,
		OnShutdown:         desk.shutdown,
		Bind:               []any{desk},
		DragAndDrop:        &options.DragAndDrop{EnableFileDrop: true, DisableWebViewDrop: true},
		LogLevelProduction: logger.ERROR,
		Linux:              &linux.Options{WebviewGpuPolicy: linux.WebviewGpuPolicyNever, ProgramName: "synergos", Icon: windowIcon},
	})
	desk.shutdown(ctx) // if the window never came up
	return errors.Join(err, desk.closeErr)
}

// graphics avoids the blank window of some drivers; the user's own settings win.
func graphics(safe bool) {
	names := []string{"WEBKIT_DISABLE_DMABUF_RENDERER"}
	if safe {
		names = append(names, "WEBKIT_DISABLE_COMPOSITING_MODE")
	}
	for _, name := range names {
		if _, set := os.LookupEnv(name); !set {
			_ = os.Setenv(name, "1") // fails only for an invalid name
		}
	}
}

// windowMiddleware answers /api before Wails looks for a file, marks requests as
// ours, and takes out what would make a web view hang on a 304.
func windowMiddleware(handler http.Handler) assetserver.Middleware {
	return func(next http.Handler) http.Handler {
		return api.SecurityHeaders(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-None-Match")
			r.Header.Del("If-Modified-Since")
			if r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/") {
				if strings.HasSuffix(r.URL.Path, "/") {
					w = gone{w}
				}
				handler.ServeHTTP(w, r.WithContext(api.InProcess(r.Context())))
				return
			}
			next.ServeHTTP(noETag{w}, r)
		}))
	}
}

// gone answers 410 for 404. Wails looks at the answers to addresses that end in a
// slash even behind its middleware, and puts a page of its own in the place of a
// 404; no address of the API ends so.
type gone struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (g gone) WriteHeader(status int) {
	if status == http.StatusNotFound {
		status = http.StatusGone
	}
	g.ResponseWriter.WriteHeader(status)
}

// noETag drops validators from answers.
type noETag struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (n noETag) WriteHeader(status int) {
	n.Header().Del("ETag")
	n.Header().Del("Last-Modified")
	n.ResponseWriter.WriteHeader(status)
}

// Desktop is what the page may ask of the system: dialogs, clipboard, the file
// manager, the end. Every exported method can be called from
// JavaScript, so nothing of the domain is here.
type Desktop struct {
	host *host
	api  http.Handler
	root context.Context // ends with SIGTERM

	mu       sync.Mutex
	ctx      context.Context // of the window; nil until startup
	asked    time.Time       // when closing was last asked about
	quitting bool
	closed   bool // no goroutine may start any more
	cancel   context.CancelFunc

	pump     sync.Once
	work     sync.WaitGroup
	close    sync.Once
	closeErr error
	ended    chan struct{}
}

// spawn runs f in a goroutine that shutdown waits for.
func (d *Desktop) spawn(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.work.Go(f)
	}
}

// startup opens ports and peers. Requests that come earlier get 503.
func (d *Desktop) startup(ctx context.Context) {
	d.mu.Lock()
	d.ctx = ctx
	work, cancel := context.WithCancel(d.root)
	d.cancel = cancel
	d.mu.Unlock()
	context.AfterFunc(d.root, d.quit)
	runtime.EventsOn(ctx, "close-shown", func(...any) { d.closeShown() })
	d.spawn(func() { _ = d.host.start(work) }) // the page shows why it failed
}

// domReady starts the one event pump; a reload of the page fires it again.
func (d *Desktop) domReady(ctx context.Context) {
	d.pump.Do(func() {
		d.spawn(func() {
			d.host.hub.Batches(d.root, func(b api.Batch) {
				runtime.EventsEmit(ctx, "evt", b.Items, map[string]any{"epoch": b.Epoch, "after": b.After, "last": b.Last})
			})
		})
	})
}

// beforeClose reports true to keep the window: while work is going on the page
// asks what to do, and a plain dialog does where the page does not answer.
func (d *Desktop) beforeClose(ctx context.Context) bool {
	busy := d.host.engine.Busy()
	if busy == "" || d.isQuitting() {
		return false
	}
	select { // Wails' own signal handler may come here just before ours
	case <-d.root.Done():
		return false
	case <-time.After(50 * time.Millisecond):
	}
	asked := time.Now()
	d.mu.Lock()
	d.asked = asked
	d.mu.Unlock()
	runtime.EventsEmit(ctx, "close", busy)
	d.spawn(func() { d.askPlainly(ctx, asked, busy) })
	return true
}

// askPlainly asks with a system dialog when the page has not shown its question.
func (d *Desktop) askPlainly(ctx context.Context, asked time.Time, busy string) {
	select {
	case <-d.ended:
		return
	case <-time.After(closeAnswer):
	}
	d.mu.Lock()
	open := d.asked.Equal(asked)
	d.mu.Unlock()
	if !open {
		return
	}
	answer, err := runtime.MessageDialog(ctx, runtime.MessageDialogOptions{
		Type: runtime.QuestionDialog, Title: "Stop and close Synergos?", Message: busy + "\n\nStop it and close?", DefaultButton: "No",
	})
	if err == nil && answer == "Yes" {
		d.quit()
	}
}

func (d *Desktop) closeShown() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = time.Time{}
}

func (d *Desktop) isQuitting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.quitting
}

// quit ends the program without asking.
func (d *Desktop) quit() {
	d.mu.Lock()
	d.quitting = true
	ctx := d.ctx
	d.mu.Unlock()
	if ctx != nil {
		runtime.Quit(ctx)
	}
}

// shutdown saves and says goodbye; it returns when everything of ours has ended.
func (d *Desktop) shutdown(context.Context) {
	d.close.Do(func() {
		close(d.ended)
		d.mu.Lock()
		d.closed = true
		if d.cancel != nil {
			d.cancel()
		}
		d.mu.Unlock()
		d.closeErr = d.host.close()
		d.work.Wait()
	})
}

// raise brings the window to the front.
func (d *Desktop) raise() bool {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	if ctx == nil {
		return false
	}
	runtime.WindowShow(ctx)
	runtime.WindowUnminimise(ctx)
	return true
}

// window returns the context of the window, or an error before it is there.
func (d *Desktop) window() (context.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil {
		return nil, errStarting
	}
	return d.ctx, nil
}

// safely runs a bound call: a panic in it would leave the page waiting for ever.
func safely(name string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s failed: %v", name, v)
		}
	}()
	return f()
}

// OpenFile asks for a file and returns its path, "" when cancelled.
func (d *Desktop) OpenFile() (path string, err error) {
	err = safely("open file", func() error {
		ctx, err := d.window()
		if err != nil {
			return err
		}
		path, err = runtime.OpenFileDialog(ctx, runtime.OpenDialogOptions{Title: "Choose a file"})
		return err
	})
	return path, err
}

// SaveFile asks where to keep what the API answers at address, a path below
// /api/v1, writes it there and returns the path, "" when cancelled.
func (d *Desktop) SaveFile(name, address string) (path string, err error) {
	err = safely("save", func() error {
		ctx, err := d.window()
		if err != nil {
			return err
		}
		path, err = runtime.SaveFileDialog(ctx, runtime.SaveDialogOptions{Title: "Save", DefaultFilename: fileName(name), CanCreateDirectories: true})
		if err != nil || path == "" {
			return err
		}
		return download(ctx, d.api, address, path)
	})
	return path, err
}

// CopyText puts text on the clipboard.
func (d *Desktop) CopyText(text string) error {
	return safely("copy", func() error {
		ctx, err := d.window()
		if err != nil {
			return err
		}
		return runtime.ClipboardSetText(ctx, text)
	})
}

// Reveal shows a file of this computer in the file manager.
func (d *Desktop) Reveal(path string) error {
	return safely("reveal", func() error {
		folder, err := folderOf(path)
		if err != nil {
			return err
		}
		return openOutside(d.root, folder)
	})
}

// Quit ends the program; the page has asked before, if there was work.
func (d *Desktop) Quit() error {
	return safely("quit", func() error {
		d.quit()
		return nil
	})
}
