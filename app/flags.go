package app

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// settings are the flags that window and serve share, and those of serve.
type settings struct {
	home       string
	dataRoots  list
	peerListen string
	discovery  bool
	loopback   bool
	name       string

	listen    string
	tlsCert   string
	tlsKey    string
	devOrigin string

	safeGraphics bool
	open         string // link or file to show
}

// list is a flag that may be given more than once.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// parse reads the flags of a face. ok is false when the face must end with code:
// 0 after -h, 2 after a mistake, which is already told.
func parse(name string, args []string, stderr io.Writer, s *settings) (code int, ok bool) {
	f := flag.NewFlagSet("synergos "+name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.home, "home", "", "folder that holds everything of this party (default: "+defaultHomeText()+")")
	f.Var(&s.dataRoots, "data-root", "folder whose files a browser may pick; may be given more than once")
	f.StringVar(&s.peerListen, "peer-listen", "", "address for other parties' apps, host:port (default: any free port)")
	f.BoolVar(&s.loopback, "loopback", false, "stay on this computer: peers are looked for and reached here only")
	f.StringVar(&s.name, "name", "", "name of the party when the folder is new (default: asked on first start)")
	f.BoolVar(&s.discovery, "discovery", true, "look for other parties on the local network")
	f.StringVar(&s.listen, "listen", "127.0.0.1:0", "address of the page and the API when there is no window; port 0 takes a free one")
	f.StringVar(&s.tlsCert, "tls-cert", "", "certificate (PEM) for the page and the API; needed to listen beyond this computer")
	f.StringVar(&s.tlsKey, "tls-key", "", "key (PEM) of the certificate")
	f.StringVar(&s.devOrigin, "dev-origin", "", "origin of a development server that forwards /api to this program")
	f.BoolVar(&s.safeGraphics, "safe-graphics", false, "draw the window without acceleration, if it stays blank")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0, false
	case err != nil:
		return 2, false
	}
	s.open = f.Arg(0)
	if f.NArg() > 1 || s.open != "" && !openable(s.open) {
		_, _ = io.WriteString(stderr, "synergos "+name+": after the flags comes at most one link or file\n")
		return 2, false
	}
	return 0, true
}

// openHome finds the data folder, makes it if needed, and returns its absolute
// path.
func openHome(home string) (string, error) {
	if home == "" {
		def, err := defaultHome()
		if err != nil {
			return "", fed.Errorf(fed.NotFound, "name a folder with --home", "there is no place for the data folder: %w", err)
		}
		home = def
	}
	abs, err := filepath.Abs(home)
	if err != nil {
		return "", fed.Errorf(fed.Invalid, "name a folder with --home", "data folder %s: %w", home, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", fed.Errorf(fed.Permission, "choose a folder that you may write to with --home", "the data folder cannot be made: %w", err)
	}
	return abs, nil
}

// defaultHome is the XDG data folder on Linux and its like elsewhere.
func defaultHome() (string, error) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "Synergos"), err
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "synergos"), nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, ".local", "share", "synergos"), err
}

func defaultHomeText() string {
	dir, err := defaultHome()
	if err != nil {
		return "none found"
	}
	return dir
}
