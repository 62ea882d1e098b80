//go:build !windows

package identity

import "io/fs"

func othersMayRead(st fs.FileInfo) bool { return st.Mode().Perm()&0o077 != 0 }
