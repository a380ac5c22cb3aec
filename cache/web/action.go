package web

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerbuild/layerbuild/cache"
)

// What lies below /ac/ is an ActionResult of Bazel's Remote Execution API,
// version 2, since servers may check that it is one and that they have what it
// names. These are the numbers of its fields that layerbuild uses; the API's own
// Go package would bring a service's worth of generated code for them.
const (
	resultOutputFiles = 2 // of ActionResult: OutputFile
	resultStdoutRaw   = 5 // of ActionResult: bytes

	filePath   = 1 // of OutputFile: string
	fileDigest = 2 // of OutputFile: Digest

	digestHash = 1 // of Digest: string, lower-case hex
	digestSize = 2 // of Digest: int64
)

// encodeAction wraps what package cache puts under a key: the blobs that it
// names are the action's output files, by role, and the bytes themselves its
// standard output. One value has one form.
func encodeAction(data []byte) []byte {
	var out []byte
	blobs := cache.References(data)
	for _, role := range slices.Sorted(maps.Keys(blobs)) {
		b := blobs[role]
		var digest, file []byte
		digest = protowire.AppendTag(digest, digestHash, protowire.BytesType)
		digest = protowire.AppendString(digest, b.SHA256.String())
		if b.Size != 0 {
			digest = protowire.AppendTag(digest, digestSize, protowire.VarintType)
			digest = protowire.AppendVarint(digest, uint64(b.Size))
		}
		file = protowire.AppendTag(file, filePath, protowire.BytesType)
		file = protowire.AppendString(file, role)
		file = protowire.AppendTag(file, fileDigest, protowire.BytesType)
		file = protowire.AppendBytes(file, digest)
		out = protowire.AppendTag(out, resultOutputFiles, protowire.BytesType)
		out = protowire.AppendBytes(out, file)
	}
	out = protowire.AppendTag(out, resultStdoutRaw, protowire.BytesType)
	return protowire.AppendBytes(out, data)
}

var errNotAction = errors.New("is no ActionResult with layerbuild's bytes in it")

// decodeAction returns what encodeAction wrapped. Servers may have added fields
// and put them into another order. What the fields say of the blobs is not
// looked at: the bytes say it themselves, and can be verified.
func decodeAction(message []byte) ([]byte, error) {
	var data []byte
	found := false
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, fmt.Errorf("%w: %w", errNotAction, protowire.ParseError(n))
		}
		message = message[n:]
		if number == resultStdoutRaw && kind == protowire.BytesType {
			data, n = protowire.ConsumeBytes(message)
			found = n >= 0
		} else {
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return nil, fmt.Errorf("%w: %w", errNotAction, protowire.ParseError(n))
		}
		message = message[n:]
	}
	if !found {
		return nil, errNotAction
	}
	return data, nil
}
