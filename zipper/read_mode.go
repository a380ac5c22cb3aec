package zipper

import (
	"fmt"
	"io/fs"
	"strings"
)

// The systems, in "made by", whose external attributes have a Unix mode.
const (
	madeByUnix  = 3
	madeByMacOS = 19

	dosFolder = 0x10 // in external attributes of any system
)

// setMode takes an entry's mode from its external attributes. The name has to
// say the same, since it alone is what some readers go by.
func (e *ArchiveEntry) setMode(creator uint16, attributes uint32) error {
	named := strings.HasSuffix(e.Name, "/")
	e.Mode = plainMode
	if named {
		e.Mode = dirMode
	}
	isDir := named
	system := creator >> 8
	if (system == madeByUnix || system == madeByMacOS) && attributes>>16 != noMode {
		mode, ok := fromUnixMode(attributes >> 16)
		if !ok {
			return fmt.Errorf("its mode %#o has no known type", attributes>>16)
		}
		if attributes>>16&unixType == 0 { // permissions alone
			mode |= e.Mode.Type()
		}
		e.Mode, isDir = mode, mode.IsDir()
	}
	if isDir != named || attributes&dosFolder != 0 && !named {
		return fmt.Errorf("its name and its attributes (%#x) disagree on whether it is a folder", attributes)
	}
	return nil
}

const (
	unixType = 0o170000
	// noMode, -1, is what early releases of Maven's archiver wrote for folders:
	// many jars have it.
	noMode = 0xffff
)

// fromUnixMode turns st_mode around, with type bits of 0 for a regular file.
func fromUnixMode(m uint32) (mode fs.FileMode, ok bool) {
	switch m & unixType {
	case 0, 0o100000:
	case 0o040000:
		mode = fs.ModeDir
	case 0o120000:
		mode = fs.ModeSymlink
	case 0o060000:
		mode = fs.ModeDevice
	case 0o020000:
		mode = fs.ModeDevice | fs.ModeCharDevice
	case 0o010000:
		mode = fs.ModeNamedPipe
	case 0o140000:
		mode = fs.ModeSocket
	default:
		return 0, false
	}
	if m&0o4000 != 0 {
		mode |= fs.ModeSetuid
	}
	if m&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if m&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return mode | fs.FileMode(m&0o777), true
}
