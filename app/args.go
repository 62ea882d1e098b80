//go:build !dev

package app

// arguments is the command line as it came.
func arguments(args []string) []string { return args }
