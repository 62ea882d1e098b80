package node

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/experiment"
)

// list joins names as people do.
func list(names []string) string {
	switch len(names) {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// sentence gives a fragment, such as the text of an error, its capital letter and
// its full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	s = capital(s)
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// capital makes the first letter a capital one.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// runName is how people call a run.
func (n *Node) runName(r experiment.Run) string {
	e, _ := n.tracker.Experiment(r.Experiment)
	return fmt.Sprintf("%s, run %d", e.Name, r.Number)
}

// runTitle is how people call a run that this party may not know.
func (n *Node) runTitle(id fed.RunID) string {
	if r, ok := n.tracker.Run(id); ok {
		return n.runName(r)
	}
	return "A run that is not on this computer"
}

// strategyName is how people call a strategy.
func strategyName(name string) string {
	switch name {
	case "fedavg":
		return "average (FedAvg)"
	case "fedprox":
		return "held close (FedProx)"
	}
	return name
}

// stageName is how people call a stage.
func stageName(stage string) string {
	if stage == "" || stage == "none" {
		return "No stage"
	}
	return capital(stage)
}

// programName is the program in a peer's "1.0 synergos 0.1.0", which starts with the
// version of the protocol.
func programName(version string) string {
	if _, program, ok := strings.Cut(version, " "); ok {
		return capital(program)
	}
	return version
}
