//go:build !unix

package app

import "os"

// privateDir trusts the system's temporary folder, which is the user's own.
func privateDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}
