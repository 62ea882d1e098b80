//go:build !linux

package demo

import (
	"os"
	"os/exec"
	"runtime"
)

// own does nothing here: the demo ends its children when it ends.
func own(*exec.Cmd, bool) {}

// askToEnd sends the interrupt, or ends the process where there is none.
func askToEnd(p *os.Process) error {
	if runtime.GOOS == "windows" {
		return p.Kill()
	}
	return p.Signal(os.Interrupt)
}
