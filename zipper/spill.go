package zipper

import (
	"bytes"
	"hash/crc32"
	"io"

	"github.com/layerbuild/layerbuild/cache/tempfile"
)

// spillSize is how much of one entry's compressed data is held in memory.
// A local header states the compressed size, so the data of a big file has to
// wait until its last block is done.
const spillSize = 8 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A spill holds bytes in memory up to spillSize and beyond that in a
// temporary file, which it keeps for the next time.
type spill struct {
	dir  string
	size int64
	sum  uint32 // CRC-32C of what it holds
	mem  []byte
	file *tempfile.File
	// spilled is whether the bytes are in file, all of them.
	spilled bool
}

func (s *spill) add(p []byte) error {
	if s.mem == nil {
		s.mem = make([]byte, 0, spillSize)
	}
	s.size += int64(len(p))
	s.sum = crc32.Update(s.sum, castagnoli, p)
	if !s.spilled && s.size <= spillSize {
		s.mem = append(s.mem, p...)
		return nil
	}
	if !s.spilled {
		if err := s.openFile(); err != nil {
			return err
		}
		s.spilled = true
		if _, err := s.file.Write(s.mem); err != nil {
			return err
		}
	}
	_, err := s.file.Write(p)
	return err
}

func (s *spill) openFile() error {
	if s.file != nil {
		return nil
	}
	f, err := tempfile.New(s.dir)
	if err != nil {
		return err
	}
	s.file = f
	return nil
}

func (s *spill) reader() io.Reader {
	if s.spilled {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.mem)
}

func (s *spill) reset() error {
	s.mem, s.size, s.sum = s.mem[:0], 0, 0
	if !s.spilled {
		return nil
	}
	s.spilled = false
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}

func (s *spill) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
