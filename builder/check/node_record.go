package check

import (
	"debug/elf"
	"encoding/binary"
)

// The layout of the record that an addon registers with: node_module of node.h,
// as it has been since Node.js 0.10. It begins with NODE_MODULE_VERSION.
const (
	recordSize     = 64
	recordFlags    = 4
	recordHandle   = 8
	recordFilename = 16
	recordName     = 40
)

// Bounds of what is a NODE_MODULE_VERSION: Node.js 4 had 46.
const minABI, maxABI = 46, 1000

// maxData bounds what is read of an addon's own data.
const maxData = 16 << 20

// recordedABI finds the record in an addon's data, and in it the version that
// the addon was compiled for; 0 where there is none. Its pointers are those
// that the loader moves to where the addon comes to lie.
func recordedABI(e *elf.File) int {
	moved := movedPointers(e)
	le := binary.LittleEndian
	for _, s := range e.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_WRITE == 0 || s.Size > maxData {
			continue
		}
		data, err := s.Data()
		if err != nil {
			continue
		}
		for at := 0; at+recordSize <= len(data); at += 8 {
			record, address := data[at:], s.Addr+uint64(at)
			abi := le.Uint32(record)
			if abi >= minABI && abi <= maxABI && le.Uint32(record[recordFlags:]) < 16 && le.Uint64(record[recordHandle:]) == 0 &&
				moved[address+recordFilename] && moved[address+recordName] && !moved[address] && !moved[address+recordHandle] {
				return int(abi)
			}
		}
	}
	return 0
}

// movedPointers are the addresses of pointers to the file's own content.
func movedPointers(e *elf.File) map[uint64]bool {
	relative := uint64(elf.R_X86_64_RELATIVE)
	if e.Machine == elf.EM_AARCH64 {
		relative = uint64(elf.R_AARCH64_RELATIVE)
	}
	moved := make(map[uint64]bool)
	for _, s := range e.Sections {
		if s.Type != elf.SHT_RELA || s.Size > maxData {
			continue
		}
		data, err := s.Data()
		if err != nil {
			continue
		}
		const size = 24 // offset, info, addend
		for ; len(data) >= size; data = data[size:] {
			if binary.LittleEndian.Uint64(data[8:])&0xffffffff == relative {
				moved[binary.LittleEndian.Uint64(data)] = true
			}
		}
	}
	return moved
}
