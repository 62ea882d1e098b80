package node

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var globalMemoryStatusEx = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// memoryStatus is MEMORYSTATUSEX of the Windows API.
type memoryStatus struct {
	length, load                                                           uint32
	totalPhys, availPhys, totalPage, availPage, totalVirtual, availVirtual uint64
	availExtended                                                          uint64
}

// memoryMB returns the computer's memory in MiB, 0 when it is not known.
func memoryMB() int {
	var s memoryStatus
	s.length = uint32(unsafe.Sizeof(s))
	if ok, _, _ := globalMemoryStatusEx.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return 0
	}
	return int(s.totalPhys >> 20)
}
