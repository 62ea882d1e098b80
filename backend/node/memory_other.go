//go:build !linux && !darwin && !windows

package node

// memoryMB is not known on this system.
func memoryMB() int { return 0 }
