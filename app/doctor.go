package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"

	"synergos.app/desktop/frontend"
)

func init() {
	register("doctor", "check what Synergos needs on this computer", doctor)
}

// finding is one line of the doctor. State is pass, fail or unknown.
type finding struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`
}

// doctor checks the program's surroundings and exits 1 if something is broken.
// What only a running engine can tell is under Diagnostics in the page.
func doctor(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("synergos doctor", flag.ContinueOnError)
	f.SetOutput(stderr)
	home := f.String("home", "", "folder that holds everything of this party (default: "+defaultHomeText()+")")
	asJSON := f.Bool("json", false, "print JSON")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	found := examine(ctx, *home)
	if *asJSON {
		if err := json.NewEncoder(stdout).Encode(found); err != nil {
			return complain(stderr, err)
		}
	} else {
		_, _ = io.WriteString(stdout, reportText(found))
	}
	for _, x := range found {
		if x.State == "fail" {
			return 1
		}
	}
	return 0
}

func reportText(found []finding) string {
	var b strings.Builder
	for _, x := range found {
		fmt.Fprintf(&b, "%-8s %-18s %s\n", x.State, x.Name, x.Text)
		if x.Fix != "" && x.State != "pass" {
			fmt.Fprintf(&b, "%28s%s\n", "", x.Fix)
		}
	}
	return b.String()
}

func examine(ctx context.Context, home string) []finding {
	out := []finding{{Name: "program", State: "pass", Text: buildText() + " " + runtime.GOOS + "/" + runtime.GOARCH}}
	path, err := openHome(home)
	if err != nil {
		return append(out, finding{"data folder", "fail", err.Error(), "choose another one with --home"})
	}
	return append(out, checkFolder(path), checkOwner(ctx, path), checkSocket(path), checkLoopback(ctx), checkNetwork(), checkDisplay(), checkPage())
}

func checkFolder(home string) finding {
	x := finding{Name: "data folder", State: "pass", Text: home}
	f, err := os.CreateTemp(home, ".doctor-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		x.State, x.Text, x.Fix = "fail", "it cannot be written: "+err.Error(), "free some space, or take back the folder: chown -R \"$USER\" "+home
		return x
	}
	if info, err := os.Stat(home); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		x.State, x.Text, x.Fix = "fail", home+" is open to other users of this computer", "chmod 700 "+home
	}
	return x
}

func checkOwner(ctx context.Context, home string) finding {
	lock, err := lockHome(home)
	var taken *inUseError
	switch {
	case errors.As(err, &taken):
		return finding{Name: "running", State: "pass", Text: "the folder is in use by " + holder(ctx, home)}
	case err != nil:
		return finding{"running", "fail", err.Error(), "put the folder on a disk of this computer"}
	}
	if err := lock.file.Close(); err != nil {
		return finding{"running", "unknown", err.Error(), "try again"}
	}
	return finding{Name: "running", State: "pass", Text: "no copy is running on this folder"}
}

func checkSocket(home string) finding {
	path, err := controlPath(home)
	if err != nil {
		return finding{"control socket", "fail", err.Error(), "choose a shorter folder with --home"}
	}
	return finding{Name: "control socket", State: "pass", Text: path}
}

func checkLoopback(ctx context.Context) finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return finding{"local port", "fail", "this computer cannot be reached by itself: " + err.Error(), "look for a firewall or sandbox that forbids listening"}
	}
	return finding{Name: "local port", State: "pass", Text: "the page can be served on 127.0.0.1"}
}

// checkNetwork lists the interfaces on which peers can be found.
func checkNetwork() finding {
	all, err := net.Interfaces()
	if err != nil {
		return finding{"network", "unknown", err.Error(), ""}
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagMulticast != 0 {
			names = append(names, i.Name)
		}
	}
	if len(names) == 0 {
		return finding{"network", "unknown", "no network on which peers could be found", "connect to a network, or add peers by their address"}
	}
	return finding{Name: "network", State: "pass", Text: "peers can be looked for on " + strings.Join(names, ", ")}
}

func checkDisplay() finding {
	switch {
	case !hasWindow:
		return finding{Name: "window", State: "pass", Text: "this build has none; use synergos serve and a browser"}
	case !haveDisplay():
		return finding{"window", "unknown", "there is no display here (DISPLAY and WAYLAND_DISPLAY are empty)", "start it in a desktop session, or use synergos serve and a browser"}
	}
	return finding{Name: "window", State: "pass", Text: "a display is there"}
}

func checkPage() finding {
	if _, built := frontend.Files(); !built {
		return finding{"page", "fail", "this binary was compiled without the page", "build it with make run"}
	}
	return finding{Name: "page", State: "pass", Text: "built in"}
}

// haveDisplay reports whether a window can be shown.
func haveDisplay() bool {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return true
	}
	return os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}
