package demo

import (
	"os"
	"os/exec"
	"syscall"
)

// own puts cmd in a process group of its own and, unless it may stay, binds its
// life to ours, so that it ends even when the demo is killed.
func own(cmd *exec.Cmd, stays bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !stays {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	}
}

func askToEnd(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
