// Package wheel knows the words of PyPA's wheel specification that both the
// direct engine and the Python plugin speak.
//
//   - A wheel's RECORD lists its files, each with a hash and a size. It lies
//     in the wheel's .dist-info folder and so does its installed form.
//   - The prefix form is a tree as `uv pip install --prefix` leaves it:
//     packages in lib/pythonX.Y/site-packages, commands in bin, headers in
//     include/site, data files anywhere else. An installed RECORD names files
//     outside of site-packages by a path that starts with "../".
package wheel

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

// Entry is a line of a RECORD.
type Entry struct {
	Path      string
	Algorithm string // "sha256", "sha384", "sha512", or "" for no hash
	Sum       []byte // the digest
	Size      int64  // -1 where the line has none
}

// ParseRecord reads a RECORD. It refuses hashes weaker than SHA-256, as the
// specification does.
func ParseRecord(data []byte) ([]Entry, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	var entries []Entry
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := parseEntry(fields)
		if err != nil {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		entries = append(entries, e)
	}
}

func parseEntry(fields []string) (Entry, error) {
	if len(fields) != 3 {
		return Entry{}, fmt.Errorf("%d fields, not 3", len(fields))
	}
	e := Entry{Path: fields[0], Size: -1}
	if e.Path == "" {
		return Entry{}, errors.New("no path")
	}
	if fields[1] != "" {
		algorithm, text, ok := strings.Cut(fields[1], "=")
		if !ok {
			return Entry{}, fmt.Errorf("hash %q has no algorithm", fields[1])
		}
		e.Algorithm = strings.ToLower(algorithm)
		h, err := e.NewHash()
		if err != nil {
			return Entry{}, err
		}
		e.Sum, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil || len(e.Sum) != h.Size() {
			return Entry{}, fmt.Errorf("%q is no %s hash", text, e.Algorithm)
		}
	}
	if fields[2] != "" {
		n, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || n < 0 {
			return Entry{}, fmt.Errorf("%q is no size", fields[2])
		}
		e.Size = n
	}
	return e, nil
}

// NewHash returns a hash that computes the entry's kind of digest.
func (e Entry) NewHash() (hash.Hash, error) {
	switch e.Algorithm {
	case "sha256":
		return sha256.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("hash algorithm %q is weak or not known", e.Algorithm)
}

// FormatRecord writes a RECORD with LF endings, the entries in their order.
func FormatRecord(entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, e := range entries {
		var sum, size string
		if e.Algorithm != "" {
			sum = e.Algorithm + "=" + base64.RawURLEncoding.EncodeToString(e.Sum)
		}
		if e.Size >= 0 {
			size = strconv.FormatInt(e.Size, 10)
		}
		if err := w.Write([]string{e.Path, sum, size}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// Relative gives the path of a file as the RECORD of a package in site names
// it; both are slash-separated and clean, below one root.
func Relative(site, file string) string {
	up := 0
	for !strings.HasPrefix(file, site+"/") {
		up++
		cut := strings.LastIndexByte(site, '/')
		if cut < 0 {
			return strings.Repeat("../", up) + file
		}
		site = site[:cut]
	}
	return strings.Repeat("../", up) + file[len(site)+1:]
}
