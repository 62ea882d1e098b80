package node

import "golang.org/x/sys/unix"

// memoryMB returns the computer's memory in MiB, 0 when it is not known.
func memoryMB() int {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int(uint64(info.Totalram) * uint64(info.Unit) >> 20)
}
