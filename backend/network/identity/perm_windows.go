//go:build windows

package identity

import "io/fs"

// othersMayRead cannot be told from the mode bits of Windows: the profile folder's
// access list protects the file.
func othersMayRead(fs.FileInfo) bool { return false }
