package node

import "golang.org/x/sys/unix"

// memoryMB returns the computer's memory in MiB, 0 when it is not known.
func memoryMB() int {
	bytes, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int(bytes >> 20)
}
