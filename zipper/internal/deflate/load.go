//go:build (amd64 || arm64) && !race

package deflate

import "unsafe"

// The two functions read without asking whether the bytes are there, which
// would take a tenth of a compressor's time: find, longest, extend and write
// read at places that are in the data by how they came about. With the race
// detector, as the tests run, every read is checked (load_checked.go).

// load32 returns b[i:i+4] as a number, the first byte lowest.
func load32(b []byte, i int) uint32 {
	return *(*uint32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}

// load64 returns b[i:i+8] as a number, the first byte lowest.
func load64(b []byte, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}
