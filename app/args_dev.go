//go:build dev

package app

import "strings"

// arguments drops the flags that `wails dev` adds and Wails reads by itself.
func arguments(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		name, _, joined := strings.Cut(name, "=")
		switch name {
		case "assetdir", "devserver", "frontenddevserverurl", "loglevel", "reloaddirs", "appargs":
			if !joined {
				i++
			}
		default:
			out = append(out, args[i])
		}
	}
	return out
}
