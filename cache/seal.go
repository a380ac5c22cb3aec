package cache

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What lies in "ac/" is sealed: one line, then the payload.
//
//	layerbuild <kind> <version> <SHA-256 of the rest>
//
// The rest is "<kind> <version>\n" and the payload. The line is the same in
// all versions, so that damage can be told from a version that is not ours.
const (
	sealWord    = "layerbuild"
	sealVersion = 1

	kindEntry   = "entry"
	kindValue   = "value"
	kindSigned  = "signed"  // signatures, a line each, and a sealed entry
	kindFetched = "fetched" // what a remote sent: a sealed entry, or a signed one
)

// errVersion is the reason of a miss on what another layerbuild wrote. It is
// left where it is.
var errVersion = errors.New("is of another format version")

func sealSum(kind string, version int, payload []byte) Digest {
	h := newHash()
	fmt.Fprintf(h, "%s %d\n", kind, version)
	h.Write(payload)
	return h.digest()
}

func seal(kind string, payload []byte) []byte {
	sum := sealSum(kind, sealVersion, payload)
	line := fmt.Sprintf("%s %s %d %s\n", sealWord, kind, sealVersion, sum)
	return append([]byte(line), payload...)
}

// unseal returns the kind and payload of sealed bytes.
func unseal(data []byte) (kind string, payload []byte, err error) {
	line, payload, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return "", nil, errors.New("is not an entry")
	}
	f := strings.Split(string(line), " ")
	if len(f) != 4 || f[0] != sealWord {
		return "", nil, errors.New("is not an entry")
	}
	version, err := strconv.Atoi(f[2])
	if err != nil || strconv.Itoa(version) != f[2] {
		return "", nil, errors.New("is not an entry")
	}
	if sealSum(f[1], version, payload).String() != f[3] {
		return "", nil, errors.New("does not have the checksum it states")
	}
	if version != sealVersion {
		return "", nil, errVersion
	}
	return f[1], payload, nil
}
